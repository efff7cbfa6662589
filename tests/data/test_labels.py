"""Boxes of hands and face as labels: moved with the picture, and changing sides in the mirror."""

from dataclasses import replace

import numpy as np
import pytest

from hpscli.data.augmentations.changes import unchanged
from hpscli.data.batch import make_batch
from hpscli.data.crops import from_crop_units, move_points
from hpscli.data.labels import labels_of
from hpscli.records import Batch, Sample
from tests.data.people import person

WINDOW = (64, 48)
LEFT, FACE = [10.0, 20.0, 18.0, 26.0], [30.0, 5.0, 42.0, 21.0]
NAMES = ("extra.lhand_box", "extra.rhand_box", "extra.face_box")


def labelled(number: int = 1, **boxes: list[float]) -> Sample:
    arrays = {f"extra.{part}_box": np.float32(box) for part, box in boxes.items()}
    return person(number, arrays=arrays)


def cut(samples: list[Sample], *, degrees: float = 0.0, flip: bool = False) -> Batch:
    changes = replace(
        unchanged(len(samples)),
        flip=np.full(len(samples), flip),
        rotation_degrees=np.full(len(samples), degrees),
    )
    return make_batch(samples, WINDOW, "smpl24", changes=changes)


def pixels(batch: Batch, name: str) -> np.ndarray:
    """-> the box (4,) of the first person, px of the window."""
    return from_crop_units(batch.targets[name][0].numpy().reshape(2, 2), WINDOW).ravel()


@pytest.mark.parametrize("degrees", [0.0, 30.0])
@pytest.mark.parametrize("flip", [False, True])
def test_a_box_is_the_one_around_its_moved_corners(degrees: float, flip: bool) -> None:
    batch = cut([labelled(face=FACE)], degrees=degrees, flip=flip)
    x0, y0, x1, y1 = FACE
    ends = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
    moved = move_points(ends, batch.affine[0].numpy().astype(np.float64))
    expected = np.concatenate([moved.min(0), moved.max(0)])
    np.testing.assert_allclose(pixels(batch, "extra.face_box"), expected, atol=1e-3)


def test_in_the_mirror_a_left_hand_is_the_right_one() -> None:
    upright, mirrored = cut([labelled(lhand=LEFT)]), cut([labelled(lhand=LEFT)], flip=True)
    assert "extra.rhand_box" not in upright.targets
    assert mirrored.present["extra.rhand_box"].tolist() == [True]
    assert not mirrored.present.get("extra.lhand_box", np.array([False])).any()
    x0, y0, x1, y1 = pixels(upright, "extra.lhand_box")
    width = WINDOW[1]
    expected = [width - x1, y0, width - x0, y1]
    np.testing.assert_allclose(pixels(mirrored, "extra.rhand_box"), expected, atol=1e-3)


def test_who_has_no_box_lacks_it_beside_others_who_have_one() -> None:
    people = [labelled(1), labelled(2, face=FACE), labelled(3, lhand=LEFT, face=FACE)]
    batch = cut(people)
    assert batch.present["extra.lhand_box"].tolist() == [False, False, True]
    assert batch.present["extra.face_box"].tolist() == [False, True, True]
    assert not batch.targets["extra.lhand_box"][:2].any()
    assert [name for name in NAMES if name in batch.targets] == list(NAMES[::2])


def test_labels_without_a_crop_have_boxes_in_pixels() -> None:
    targets, present = labels_of([labelled(lhand=LEFT), labelled(2)], "smpl24")
    np.testing.assert_allclose(targets["extra.lhand_box"].numpy(), [LEFT, [0] * 4], atol=1e-5)
    assert present["extra.lhand_box"].tolist() == [True, False]
