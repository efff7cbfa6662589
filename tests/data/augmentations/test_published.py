"""Augmentations of hmr-benchmarks, on cases where the right answer is plain; goldens are exact."""

import numpy as np
import pytest

from hpscli.data.augmentations import Patch, draws
from hpscli.data.augmentations.blurs import apply_motion_blur, draw_motion_blur
from hpscli.data.augmentations.boxes import draw_random_crop
from hpscli.data.augmentations.colours import (
    Photometric,
    apply_channel_noise,
    apply_photometric,
    draw_channel_noise,
    draw_photometric,
)
from hpscli.data.augmentations.erasing import (
    Erasing,
    apply_erasing,
    apply_holes,
    draw_coarse_dropout,
    draw_grid_dropout,
    draw_hard_erasing,
    draw_mixing,
)
from hpscli.data.augmentations.occluders import (
    Object,
    apply_occluders,
    draw_occluders,
    draw_occluders_on_joints,
)

SIZE = (60, 80)
SEEDS = range(40)


def picture() -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, (*SIZE, 3)).astype(np.uint8)


def inside(patch: Patch) -> bool:
    return (
        min(patch.top, patch.left) >= 0
        and patch.top + patch.height <= SIZE[0]
        and patch.left + patch.width <= SIZE[1]
    )


def test_a_line_of_motion_has_two_ends_and_weighs_one() -> None:
    lines = [draw_motion_blur(draws(seed)) for seed in range(400)]
    drawn = [line for line in lines if line is not None]
    assert len(drawn) / len(lines) == pytest.approx(0.5, abs=0.08)
    assert {line.shape for line in drawn} == {(3, 3), (5, 5), (7, 7)}
    for line in drawn:
        assert line.sum() == pytest.approx(1)
        assert 2 <= (line > 0).sum() <= len(line) and len(np.unique(line[line > 0])) == 1


def test_what_moves_is_the_mean_of_what_lies_on_its_line() -> None:
    line = np.zeros((3, 3), np.float32)
    line[1] = [0, 0.5, 0.5]  # to the right
    image = picture()
    right = np.concatenate([image[:, 1:], image[:, -2:-1]], axis=1)  # mirrored at the edge
    wanted = (image.astype(float) + right) / 2
    assert np.abs(apply_motion_blur(image, line) - wanted).max() <= 0.5


@pytest.mark.parametrize("kind", ["soft", "self", "const"])
def test_a_mixed_rectangle_lies_inside_and_nothing_else_changes(kind: str) -> None:
    for seed in SEEDS:
        erasing = draw_mixing(draws(seed), SIZE, kind=kind, probability=1)  # type: ignore[arg-type]
        assert erasing is not None and inside(erasing.patch)
        image = picture()
        result = apply_erasing(image, erasing)
        assert (image == picture()).all()
        erasing.patch.of(result)[:] = erasing.patch.of(image)
        assert (result == image).all()


def test_what_was_there_and_what_is_new_are_mixed_by_their_share() -> None:
    image = np.full((4, 4, 3), 100, np.uint8)
    erasing = Erasing(Patch(1, 1, 2, 2), 0.25, np.full((2, 2, 3), 205.0))
    result = apply_erasing(image, erasing)
    assert result[1:3, 1:3].flatten().tolist() == [126] * 12  # 126.25, cut off
    assert result[0].flatten().tolist() == [100] * 12


def test_half_of_the_pictures_stay_as_they_are() -> None:
    left = sum(draw_mixing(draws(seed), SIZE, kind="soft") is None for seed in range(400))
    assert 160 < left < 240


def test_a_hard_erasing_stays_inside_the_box() -> None:
    center, size_px = (40.0, 30.0), 50.0
    drawn = [draw_hard_erasing(draws(s), SIZE, center, size_px, probability=1) for s in SEEDS]
    found = [erasing for erasing in drawn if erasing is not None]
    assert len(found) > 10
    for erasing in found:
        assert inside(erasing.patch)
        assert erasing.patch.left >= 15 and erasing.patch.left + erasing.patch.width <= 65


def test_holes_are_black_and_of_the_sizes_that_were_asked_for() -> None:
    for seed in SEEDS:
        holes = draw_coarse_dropout(draws(seed), SIZE, probability=1)
        assert 1 <= len(holes) <= 8
        assert all(inside(hole) and 10 <= hole.height <= 40 for hole in holes)
        assert not any(hole.of(apply_holes(picture(), holes)).any() for hole in holes)


def test_a_grid_of_holes_covers_a_quarter_of_the_picture() -> None:
    covered = [
        (apply_holes(np.ones((*SIZE, 3), np.uint8), draw_grid_dropout(draws(s), SIZE)) == 0).mean()
        for s in SEEDS
    ]
    hit = [share for share in covered if share]
    assert 0.15 < np.mean(hit) < 0.35
    assert 8 < len(hit) < 32


def test_a_random_crop_moves_the_box_up_and_down_only() -> None:
    for seed in SEEDS:
        center, side = draw_random_crop(draws(seed), (50.0, 45.0), 80.0, probability=1)
        assert (center[0], side) == (50, 48)
        assert 29 <= center[1] <= 61


def test_channel_noise_rounds_half_to_even_and_saturates() -> None:
    image = np.array([[[5, 3, 200]]], np.uint8)
    assert apply_channel_noise(image, np.array([0.5, 0.5, 1.4])).tolist() == [[[2, 2, 255]]]
    factors = draw_channel_noise(draws(0), 0.2)
    assert factors.shape == (3,) and (np.abs(factors - 1) <= 0.2).all()


def test_brightness_and_contrast_cut_fractions_off() -> None:
    image = np.full((1, 1, 3), 101, np.uint8)
    brighter = Photometric(brightness=10.9)
    assert apply_photometric(image, brighter).tolist() == [[[111] * 3]]
    assert apply_photometric(image, Photometric(contrast=0.5)).tolist() == [[[50] * 3]]
    assert apply_photometric(image, Photometric()).tolist() == [[[101] * 3]]


def test_hue_turns_around() -> None:
    red = np.array([[[0, 0, 255]]], np.uint8)
    assert apply_photometric(red, Photometric(hue=-60)).tolist() == [[[255, 0, 0]]]


def test_contrast_comes_before_or_after_the_other_colours() -> None:
    drawn = [draw_photometric(draws(seed)) for seed in range(200)]
    assert {change.contrast_first for change in drawn if change.contrast} == {True, False}


def test_an_object_is_blended_by_its_transparency_and_cut_at_the_border() -> None:
    cutout = np.zeros((4, 4, 4), np.uint8)
    cutout[..., :3], cutout[..., 3] = 200, 255
    cutout[0, :, 3] = 0  # the first row is transparent
    image = np.zeros((6, 6, 3), np.uint8)
    result = apply_occluders(image, [Object(cutout, 1.0, np.array([6.0, 3.0]))])
    assert result[..., 0].nonzero()[0].tolist() == [2, 2, 3, 3, 4, 4]
    assert result[2, 4:].tolist() == [[200] * 3] * 2


def test_objects_are_put_on_joints_that_were_seen() -> None:
    joints = np.array([[20.0, 30, 1], [70, 50, 0]])
    cutouts = [np.full((10, 10, 4), 255, np.uint8)]
    for seed in SEEDS:
        for one in draw_occluders_on_joints(draws(seed), SIZE, cutouts, joints, 10.0):
            assert np.abs(one.center - joints[0, :2]).max() <= 6
        assert 1 <= len(draw_occluders(draws(seed), SIZE, cutouts)) <= 7
