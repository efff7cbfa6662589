"""Draws of a whole recipe: one person at a time, by member, and boxes that are cut."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hpscli.data.augmentations.changes import (
    Changes,
    check_only,
    draw,
    settings_of_members,
    unchanged,
)
from hpscli.data.epochs.generators import sample_generators
from hpscli.errors import UsageError
from hpscli.recipe import Augment
from tests.data.people import person

WINDOW = (64, 64)
EVERYTHING = Augment(
    erase=0.5,
    photometric=1,
    crop=0.8,
    hard_erasing=1,
    random_occlusion=1,
    occluders=1,
    occluders_on="joints",
    motion_blur=1,
    truncation=0.3,
    soft_erasing=1,
    self_mixing=1,
    coarse_dropout=1,
    grid_dropout=1,
)


def drawn(settings: Augment, count: int, seed: int = 0, first: int = 0) -> Changes:
    people = [person(number % 9) for number in range(first, first + count)]
    return draw(sample_generators(seed, first, count), people, settings, WINDOW)


def same(one: Any, other: Any) -> bool:
    """Whether two records of a draw are equal, arrays in them too."""
    if hasattr(one, "__dataclass_fields__"):
        return all(same(value, vars(other)[name]) for name, value in vars(one).items())
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(np.array_equal(one, other))


def test_a_place_has_its_draws_whatever_batch_it_is_read_in() -> None:
    whole, late = drawn(EVERYTHING, 8), drawn(EVERYTHING, 3, first=5)
    for name, values in vars(late).items():
        assert same(values, vars(whole)[name][5:]), name
    assert not same(drawn(EVERYTHING, 8, seed=1).before, whole.before)


def test_what_is_off_takes_no_numbers_and_changes_nothing_else() -> None:
    few, many = drawn(Augment(), 6), drawn(Augment(soft_erasing=1, photometric=1), 6)
    for name in ("flip", "rotation_degrees", "scale", "shift", "colour", "erase"):
        np.testing.assert_array_equal(vars(few)[name], vars(many)[name])
    assert few.before == (None,) * 6 and few.after == (None,) * 6
    assert all(after is not None and len(after.mixings) == 1 for after in many.after)


def test_rotation_and_scale_are_deviations_cut_where_the_field_cuts_them() -> None:
    settings = Augment(rotation_degrees=30, rotation_chance=1, scale=0.25)
    changes = drawn(settings, 4000)
    angles, growth = changes.rotation_degrees, changes.scale - 1
    assert np.abs(angles).max() == pytest.approx(60)
    # of a normal draw 68 % lie within one deviation, 95.4 % within two
    assert (np.abs(angles) < 30).mean() == pytest.approx(0.683, abs=0.03)
    assert (np.abs(angles) == np.abs(angles).max()).mean() == pytest.approx(0.046, abs=0.015)
    assert np.abs(growth).max() == pytest.approx(0.25)
    assert (np.abs(growth) < 0.2499).mean() == pytest.approx(0.683, abs=0.03)


def test_hands_of_metro_turn_by_up_to_half_a_circle_in_two_of_five() -> None:
    changes = drawn(Augment(rotation_degrees=90, rotation_chance=0.4), 4000)
    assert np.abs(changes.rotation_degrees).max() == pytest.approx(180)
    assert (changes.rotation_degrees != 0).mean() == pytest.approx(0.4, abs=0.03)


def test_a_random_crop_keeps_six_tenths_of_the_box_at_some_height() -> None:
    plain, cut = drawn(Augment(), 200), drawn(Augment(crop=1), 200)
    np.testing.assert_allclose(cut.scale, plain.scale * 0.6)  # 24 px of a box of 40
    moved = cut.shift * 40
    assert np.abs(moved[:, 0]).max() < 1e-9  # 32 - 20 is whole: nothing is cut off
    assert moved[:, 1].min() < -6 and moved[:, 1].max() > 5


def test_truncation_moves_one_side_in_and_leaves_the_opposite_one() -> None:
    settings = Augment(truncation=0.4, scale=0, flip=0)
    changes = drawn(settings, 400)
    kept = changes.scale
    assert 0.6 <= kept.min() < 0.65 and 0.97 < kept.max() <= 1
    low, high = changes.shift - kept[:, None] / 2, changes.shift + kept[:, None] / 2
    opposite = np.minimum(np.abs(low + 0.5), np.abs(high - 0.5)).min(axis=1)
    np.testing.assert_allclose(opposite, 0, atol=1e-9)  # one side stands where it stood
    assert (low >= -0.5 - 1e-9).all() and (high <= 0.5 + 1e-9).all()
    assert len({tuple(np.sign(np.round(shift, 6))) for shift in changes.shift}) == 4


def test_boxes_are_cut_before_they_are_shifted_and_scaled() -> None:
    base = Augment(shift=0.2, scale=0.25, flip=0)
    plain, cut = drawn(base, 50), drawn(base.model_copy(update={"truncation": 0.4}), 50)
    unshifted = drawn(base.model_copy(update={"truncation": 0.4, "shift": 0.0}), 50)
    shrunk = cut.scale / plain.scale
    expected = unshifted.shift + plain.shift * shrunk[:, None]
    np.testing.assert_allclose(cut.shift, expected, atol=1e-12)


def test_only_named_members_get_an_augmentation() -> None:
    augment = Augment(self_mixing=0.5, flip=0.5, only={"self_mixing": ("h36m",)})
    settings = settings_of_members(augment, ("h36m", "coco"))
    assert (settings["h36m"].self_mixing, settings["coco"].self_mixing) == (0.5, 0)
    assert settings["coco"].flip == 0.5
    rows = [settings[name] for name in ("h36m", "coco", "h36m")]
    always = [one.model_copy(update={"self_mixing": float(one.self_mixing > 0)}) for one in rows]
    changes = draw(sample_generators(0, 0, 3), [person(1)] * 3, always, WINDOW)
    assert [after is not None for after in changes.after] == [True, False, True]


def test_only_for_something_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="'h36', which is no member") as error:
        check_only(Augment(only={"flip": ("h36",)}), ("h36m",))
    assert error.value.fix == "Did you mean 'h36m'?"
    with pytest.raises(UsageError, match=r"augment\.only\.self_mix: there is no such"):
        check_only(Augment(only={"self_mix": ("h36m",)}), ("h36m",))


def test_unchanged_is_what_a_draw_without_any_setting_gives() -> None:
    nothing = Augment(flip=0, rotation_degrees=0, scale=0, colour=0)
    changes = replace(drawn(nothing, 4), erase_colour=unchanged(4).erase_colour)
    assert same(changes, unchanged(4))
