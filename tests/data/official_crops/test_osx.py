"""OSX's boxes and patches, by hand-made cases; the recordings are replayed in tests/plugins/osx."""

import random

import numpy as np
import pytest

from hpscli.data.official_crops.osx import (
    Change,
    draw_change,
    network_input,
    patch,
    patch_affines,
    person_box,
)

PICTURE = (160, 200)  # height, width px


def picture() -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, (*PICTURE, 3)).astype(np.uint8)


def test_a_box_is_enlarged_to_three_to_four_and_by_a_quarter() -> None:
    box = person_box((40, 20, 91, 121), PICTURE)
    assert box is not None
    assert box.tolist() == [28.75, 5.0, 112.5, 150.0]  # 90 x 120 px about the same centre


@pytest.mark.parametrize("outside", [(50, 50, 0, 10), (199.5, 10, 20, 20), (20, 300, 30, 30)])
def test_a_box_without_anything_in_the_picture_is_none(
    outside: tuple[float, float, float, float],
) -> None:
    assert person_box(outside, PICTURE) is None


def test_the_affine_takes_the_box_to_the_patch_and_back() -> None:
    box = np.array([28.75, 5.0, 112.5, 150.0], np.float32)
    change = Change(scale=1.1, rotation_degrees=25.0)
    forward, back = patch_affines(box, change)
    centre = np.array([85.0, 80.0, 1.0])
    assert np.allclose(forward @ centre, [192, 256], atol=1e-3)
    assert np.allclose(back @ [*(forward @ [40.0, 50.0, 1.0]), 1.0], [40, 50], atol=1e-3)
    assert np.linalg.det(forward[:, :2]) == pytest.approx((384 / (1.1 * 112.5)) ** 2, rel=1e-4)


def test_a_flipped_person_is_the_patch_of_the_mirrored_picture() -> None:
    image, box = picture(), np.array([28.75, 5.0, 112.5, 150.0], np.float32)
    mirrored_box = box.copy()
    mirrored_box[0] = PICTURE[1] - 1 - box[0] - box[2]
    flipped = patch(image, box, Change(flip=True))
    assert np.array_equal(flipped, patch(image[:, ::-1], mirrored_box))


def test_colours_are_multiplied_by_channel_and_cut() -> None:
    image, box = picture(), np.array([28.75, 5.0, 112.5, 150.0], np.float32)
    plain, coloured = patch(image, box), patch(image, box, Change(colour=(0.5, 1.0, 1.2)))
    assert np.allclose(coloured, np.clip(plain * [0.5, 1.0, 1.2], 0, 255), atol=1e-3)
    assert network_input(plain).shape == (3, 512, 384)
    assert network_input(plain).min() >= 0 and network_input(plain).max() <= 1


def test_changes_stay_within_their_limits_and_repeat_with_their_seeds() -> None:
    def drawn() -> list[Change]:
        normal, uniform = np.random.RandomState(3), random.Random(4)
        return [draw_change(normal, uniform) for _ in range(200)]

    changes = drawn()
    assert changes == drawn()
    assert all(0.75 <= change.scale <= 1.25 for change in changes)
    assert all(abs(change.rotation_degrees) <= 60 for change in changes)
    assert 0.5 < np.mean([change.rotation_degrees != 0 for change in changes]) < 0.7
    assert 0.4 < np.mean([change.flip for change in changes]) < 0.6
