"""A batch as authors prepare it: their pixels, our labels, left hands in the mirror."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from hpscli.data.batch import make_batch, ready
from hpscli.data.crops import invert, move_points
from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.preparation import METRO, MMHUMAN3D, OSX, SPIN, Preparation
from hpscli.data.sample import decode_image
from hpscli.errors import InvalidData
from hpscli.records import Sample
from tests.data.people import person

WINDOW = (96, 96)


def left_hand(sample: Sample) -> Sample:
    kept = {n: v for n, v in sample.arrays.items() if not n.startswith(("smpl.", "keypoints"))}
    arrays = {
        **kept,
        "mano.global_orient": np.float32([0.1, 0.2, 0.3]),
        "mano.hand_pose": np.zeros(45, np.float32),
        "mano.betas": np.zeros(10, np.float32),
    }
    return replace(sample, arrays=arrays, meta={**sample.meta, "hand": "left"})


@pytest.mark.parametrize("found", [METRO, SPIN, MMHUMAN3D], ids=lambda p: p.name)
def test_a_person_is_cropped_as_the_preparation_says(found: Preparation) -> None:
    sample = person(3)
    batch = prepared_batch([sample, person(4)], WINDOW, "smpl24", found, crop_scale=1.1)
    image = decode_image(sample.image)
    alone = found.pixels(image, (32.0, 30.0), 40.0 * 1.1, window=WINDOW)
    assert batch.image.dtype == torch.float32 and batch.image.shape == (2, 3, *WINDOW)
    np.testing.assert_allclose(batch.image[0].numpy(), alone, atol=1e-6)
    expected = found.affine((32.0, 30.0), 44.0, WINDOW)
    np.testing.assert_allclose(batch.affine[0].numpy(), expected, rtol=1e-6)


def test_pictures_that_are_ready_are_not_normalised_again() -> None:
    batch = prepared_batch([person(3)], WINDOW, "smpl24", METRO)
    assert ready(batch, (0.5, 0.5, 0.5), (0.1, 0.1, 0.1)).image is batch.image


@pytest.mark.parametrize("found", [METRO, OSX, None], ids=lambda p: p.name if p else "ours")
@pytest.mark.parametrize("left", [False, True])
def test_a_turn_is_counter_clockwise_and_labels_turn_along(
    found: Preparation | None, left: bool
) -> None:
    window = found.window if found else WINDOW
    sample = left_hand(person(5)) if left else person(5)
    points = {"keypoints3d.mano21": np.random.RandomState(0).randn(21, 4).astype(np.float32)}
    sample = replace(sample, arrays={**sample.arrays, **points})
    straight, turned = (
        prepared_batch([sample], window, "mano21", found, rotation_degrees=degrees)
        for degrees in (0, 30)
    )
    # METRO and we mirror what is turned already, so that the mirror image turns the other way
    angle = np.deg2rad(30 if left and found is not OSX else -30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    places = [batch.targets["keypoints3d.mano21"][0, :, :2].numpy() for batch in (straight, turned)]
    np.testing.assert_allclose(places[1], places[0] @ turn.T, atol=1e-4)
    affines = [batch.affine[0, :, :2].double().numpy() for batch in (straight, turned)]
    np.testing.assert_allclose(affines[1], turn @ affines[0], atol=1e-4)


@pytest.mark.parametrize("found", [METRO, OSX], ids=lambda p: p.name)
def test_labels_are_where_the_affine_takes_them(found: Preparation) -> None:
    sample = person(5)
    batch = prepared_batch([sample], found.window, "smpl24", found)
    points = batch.targets["keypoints2d.smpl24"][0, :, :2].double().numpy()
    height, width = found.window
    pixels = (points + 1) / 2 * [width, height]
    back = move_points(pixels, invert(batch.affine[0].double().numpy()))
    np.testing.assert_allclose(back, sample.arrays["keypoints2d.smpl24"][:, :2], atol=1e-3)


def test_without_a_preparation_it_is_our_own_warp() -> None:
    ours = prepared_batch([person(1)], WINDOW, "smpl24", None)
    assert ours.image.dtype == torch.uint8
    torch.testing.assert_close(ours.image, make_batch([person(1)], WINDOW, "smpl24").image)


def test_the_targets_are_those_of_our_own_warp() -> None:
    """Same box, same labels, to the last bit but for rounding: only the pixels differ."""
    ours = make_batch([person(1), person(2)], WINDOW, "smpl24", crop_scale=1.2)
    theirs = prepared_batch([person(1), person(2)], WINDOW, "smpl24", METRO, crop_scale=1.2)
    assert ours.keys == theirs.keys and ours.targets.keys() == theirs.targets.keys()
    for name, values in ours.targets.items():
        torch.testing.assert_close(theirs.targets[name], values, atol=1e-5, rtol=1e-5)
        assert torch.equal(theirs.present[name], ours.present[name])


@pytest.mark.parametrize("found", [METRO, SPIN], ids=lambda p: p.name)
def test_a_left_hand_is_shown_in_the_mirror(found: Preparation) -> None:
    left = left_hand(person(3))
    right = replace(left, meta={**left.meta, "hand": "right"})
    batch = prepared_batch([left, right], WINDOW, "mano21", found)
    assert batch.flipped.tolist() == [True, False]
    torch.testing.assert_close(batch.image[0], batch.image[1].flip(-1))
    turned = batch.targets["mano.global_orient"]
    torch.testing.assert_close(turned[0], turned[1] * torch.tensor([1.0, -1.0, -1.0]))
    ours = make_batch([left], WINDOW, "mano21")
    torch.testing.assert_close(batch.affine[:1], ours.affine)


def test_a_picture_that_is_stored_smaller_is_cropped_at_the_same_place() -> None:
    sample = person(3)
    image = decode_image(sample.image)
    large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    affine = np.float32([[2, 0, 0.5], [0, 2, 0.5]])  # resizing keeps edges, not centres
    stored = replace(
        sample,
        image=cv2.imencode(".png", large[..., ::-1])[1].tobytes(),
        arrays={**sample.arrays, "image.affine": affine},
    )
    one, other = prepared_batch([sample, stored], WINDOW, "smpl24", MMHUMAN3D).image
    assert (one - other).abs().mean() < 0.02
    moved = replace(stored, arrays={**stored.arrays, "image.affine": np.eye(2, 3)})
    wrong = prepared_batch([moved], WINDOW, "smpl24", MMHUMAN3D).image[0]
    assert (one - wrong).abs().mean() > 0.2


def test_a_picture_that_cannot_be_decoded_names_its_person() -> None:
    broken = person(1, image=b"\xff\xd8\xff\xe0 nothing")
    with pytest.raises(InvalidData, match="sample 'person-0001'"):
        prepared_batch([broken], WINDOW, "smpl24", METRO)


def test_a_box_in_the_proportions_of_the_window_is_the_crop_itself() -> None:
    """OSX's loader stores its 3:4 boxes: the square around one would be a third too wide."""
    box = np.array([10.0, 5.0, 30.0, 40.0], np.float32)
    arrays = {
        **person(3).arrays,
        "box.xywh": box,
        "box.center": box[:2] + box[2:] / 2,
        "box.size": np.float32([40]),
    }
    sample = replace(person(3), arrays=arrays)
    batch = prepared_batch([sample], OSX.window, "smpl24", OSX)
    corners = np.array([[10.0, 5.0], [40.0, 45.0]])
    found = move_points(corners, batch.affine[0].double().numpy())
    np.testing.assert_allclose(found, [[0, 0], [384, 512]], atol=1e-3)
    other = {**arrays, "box.xywh": np.array([10, 5, 20, 40], np.float32)}
    (wide,) = prepared_batch([replace(sample, arrays=other)], OSX.window, "smpl24", OSX).affine
    assert wide[0, 0] == pytest.approx(384 / 30)  # OSX widens 20 x 40 to 30 x 40


@pytest.mark.parametrize("found", [METRO, OSX, SPIN], ids=lambda p: p.name)
def test_the_box_of_the_authors_own_evaluation_is_the_crop(found: Preparation) -> None:
    """METRO's square and OSX's 3:4 box stand beside the annotated one; other crops see neither."""
    own = {"metro": [10.0, 12.0, 36.0, 36.0], "osx": [14.0, 4.0, 36.0, 48.0]}
    arrays = {f"extra.box_{name}": np.float32(box) for name, box in own.items()}
    plain, sample = person(3), person(3, arrays=arrays)
    batch = prepared_batch([sample], found.window, "smpl24", found)
    x, y, width, height = own.get(found.name, [12.0, 10.0, 40.0, 40.0])
    corners = np.array([[x, y], [x + width, y + height]])
    placed = move_points(corners, batch.affine[0].double().numpy())
    np.testing.assert_allclose(placed, [[0, 0], found.window[::-1]], atol=1e-3)
    unseen = prepared_batch([sample], found.window, "smpl24", None)
    same = prepared_batch([plain], found.window, "smpl24", None)
    assert torch.equal(unseen.affine, same.affine)
    assert unseen.targets.keys() == same.targets.keys() == batch.targets.keys()
