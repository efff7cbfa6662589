"""What happens before and after the crop, where pictures are stored whole, in part or smaller."""

import io
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from hpscli.data.augmentations import Patch
from hpscli.data.augmentations.changes import Changes, draw, unchanged
from hpscli.data.augmentations.colours import multiplied, multiply
from hpscli.data.augmentations.cutouts import load_cutouts
from hpscli.data.augmentations.erasing import Erasing
from hpscli.data.augmentations.occluders import Object
from hpscli.data.augmentations.pictures import After, Before, apply_before
from hpscli.data.batch import make_batch, pack, ready, to_batch
from hpscli.data.epochs.generators import sample_generators
from hpscli.errors import InvalidData, MissingError
from hpscli.recipe import Augment
from tests.data.people import person

WINDOW = (64, 64)
WHOLE = np.eye(2, 3)
HALF = np.array([[0.5, 0, -10.25], [0, 0.5, -5.25]])  # half as large, from (20, 10) on


def white(patch: Patch) -> Erasing:
    return Erasing(patch, 1.0, np.full((patch.height, patch.width, 3), 255.0))


def grey(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 80, np.uint8)


def test_an_erased_rectangle_lies_where_it_was_drawn() -> None:
    change = Before(erasings=(white(Patch(top=30, left=40, height=20, width=10)),))
    whole = apply_before(grey(100, 100), change, WHOLE)[..., 0] == 255
    assert whole[30:50, 40:50].all() and whole.sum() == 200
    part = apply_before(grey(40, 40), change, HALF)[..., 0] == 255
    assert part[10:20, 10:15].all() and part.sum() == 50


def test_what_lies_outside_of_the_stored_part_is_lost() -> None:
    change = Before(erasings=(white(Patch(top=0, left=0, height=24, width=30)),))
    part = apply_before(grey(40, 40), change, HALF)[..., 0] == 255
    assert part[:7, :5].all() and part.sum() == 35
    far = Before(erasings=(white(Patch(top=0, left=0, height=5, width=5)),))
    assert (apply_before(grey(40, 40), far, HALF) == 80).all()


def test_an_object_is_as_large_and_at_the_same_place_in_a_smaller_picture() -> None:
    cutout = np.full((16, 16, 4), 255, np.uint8)
    change = Before(objects=(Object(cutout, 1.0, np.array([60.0, 50.0])),))
    whole = apply_before(grey(100, 100), change, WHOLE)[..., 0] == 255
    part = apply_before(grey(40, 40), change, HALF)[..., 0] == 255
    assert whole.sum() == 256 and part.sum() == 64
    middle = np.argwhere(part).mean(axis=0)[::-1]
    assert np.abs(middle - (HALF[:, :2] @ [60, 50] + HALF[:, 2])).max() < 1


@pytest.mark.parametrize(
    ("setting", "area"),
    [("hard_erasing", 0.35), ("random_occlusion", 0.35), ("occluders", 0.3)],
)
def test_what_hides_people_hides_a_part_of_them(setting: str, area: float) -> None:
    settings = Augment(flip=0, rotation_degrees=0, scale=0, colour=0, **{setting: 1.0})
    hidden = []
    for seed in range(40):
        sample = person(1)
        changes = draw(sample_generators(seed, 0, 1), [sample], settings, WINDOW)
        plain = make_batch([sample], WINDOW, "smpl24").image
        changed = make_batch([sample], WINDOW, "smpl24", changes=changes)
        hidden.append(float((changed.image != plain).any(dim=1).float().mean()))
    assert 0.02 < np.mean(hidden) < 2 * area
    assert max(hidden) < 1


@pytest.mark.parametrize(
    "setting", ["soft_erasing", "self_mixing", "coarse_dropout", "motion_blur"]
)
def test_what_changes_the_crop_changes_no_label(setting: str) -> None:
    settings = Augment(flip=0, rotation_degrees=0, scale=0, colour=0, **{setting: 1.0})
    changes = draw(sample_generators(3, 0, 1), [person(1)], settings, WINDOW)
    plain = make_batch([person(1)], WINDOW, "smpl24")
    changed = make_batch([person(1)], WINDOW, "smpl24", changes=changes)
    assert not torch.equal(plain.image, changed.image)
    for name in plain.targets:
        assert torch.equal(plain.targets[name], changed.targets[name])


def test_objects_on_joints_need_a_joint_that_is_seen() -> None:
    settings = Augment(occluders=1, occluders_on="joints")
    blind = person(1, arrays={"keypoints2d.smpl24": np.zeros((24, 3), np.float32)})
    changes = draw(sample_generators(0, 0, 2), [person(1), blind], settings, WINDOW)
    assert changes.before[0] is not None and changes.before[1] is None


def test_a_colour_factor_means_the_same_for_bytes_and_on_a_device() -> None:
    levels = np.tile(np.arange(256, dtype=np.uint8), (1, 3, 1)).reshape(1, 3, 16, 16)
    for seed in range(200):
        factors = np.random.default_rng(seed).uniform(0.2, 1.8, 3).astype(np.float32)
        device = torch.from_numpy(levels).float() * torch.from_numpy(factors).view(1, 3, 1, 1)
        device = device.round().clamp(max=255).byte().numpy()
        table = multiplied(levels[0].transpose(1, 2, 0)[..., ::-1], factors)[..., ::-1]
        for channel in range(3):
            out = levels[0, channel].copy()
            multiply(out, float(factors[channel]), out)
            np.testing.assert_array_equal(out, device[0, channel])
            np.testing.assert_array_equal(out, table[..., channel])


def busy_changes() -> Changes:
    plain = unchanged(5)
    plain.colour[:] = [0.7, 1.0, 1.4]
    plain.erase[1] = [0.2, 0.2, 0.5, 0.5]
    hole = After(holes=(Patch(5, 5, 10, 10),))
    moving = After(blur=np.full((3, 3), 1 / 9, np.float32))
    cutout = np.full((9, 9, 4), 255, np.uint8)
    before = Before(objects=(Object(cutout, 1.0, np.array([30.0, 30.0])),))
    return Changes(
        **{
            **vars(plain),
            "after": (None, None, hole, None, moving),
            "before": (None, None, None, before, None),
        }
    )


def test_colours_that_are_left_for_the_device_end_in_the_same_numbers() -> None:
    people = [person(number) for number in range(5)]
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    here = to_batch(pack(people, WINDOW, "smpl24", changes=busy_changes()))
    later = to_batch(pack(people, WINDOW, "smpl24", changes=busy_changes(), colour_later=True))
    assert here.colour is None and later.colour is not None
    assert (later.colour != 1).any(dim=1).tolist() == [True, False, False, False, True]
    assert not torch.equal(here.image, later.image)
    done = ready(later, mean, std)
    assert torch.equal(done.image, ready(here, mean, std).image)
    assert done.colour is None and ready(done, mean, std) is done


def test_pasted_objects_keep_their_colours() -> None:
    batch = make_batch([person(3)] * 5, WINDOW, "smpl24", changes=busy_changes())
    assert (batch.image[3] == 255).all(dim=0).sum() > 50  # white, though red is multiplied by 0.7


def test_shapes_are_drawn_alike_every_time_and_are_no_two_alike() -> None:
    first = load_cutouts("")
    load_cutouts.cache_clear()
    again = load_cutouts("")
    assert len(first) == len({one.tobytes() for one in first}) > 10
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
        assert 0.1 < (one[..., 3] > 127).mean() < 1 and one[..., :3].std() > 5


def numpy_file(things: list[Any]) -> bytes:
    array: Any = np.empty(len(things), dtype="O")
    array[:] = things
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def test_cutouts_of_a_file_are_read_from_an_array_of_objects_or_a_list(tmp_path: Path) -> None:
    cutouts = [np.random.RandomState(n).randint(0, 256, (9 + n, 7, 4), np.uint8) for n in (1, 2)]
    (tmp_path / "a.npy").write_bytes(numpy_file(cutouts))
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(cutouts))
    for name in ("a.npy", "b.pkl"):
        found = load_cutouts(str(tmp_path / name))
        for one, other in zip(found, cutouts, strict=True):
            np.testing.assert_array_equal(cv2.cvtColor(other, cv2.COLOR_RGBA2BGRA), one)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("run",)


def test_files_that_hold_no_cutouts_are_refused_and_nothing_in_them_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "evil.npy").write_bytes(numpy_file([Evil(), Evil()]))
    with pytest.raises(InvalidData):
        load_cutouts(str(tmp_path / "evil.npy"))
    assert "run" not in capsys.readouterr().out
    (tmp_path / "flat.npy").write_bytes(numpy_file([np.zeros((4, 4), np.uint8), 3]))
    with pytest.raises(InvalidData, match="2 things that are no"):
        load_cutouts(str(tmp_path / "flat.npy"))
    with pytest.raises(MissingError, match="occluders_file|cannot be read"):
        load_cutouts(str(tmp_path / "none.npy"))
