"""The box of a part of the body: who gets one, and what it holds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from hpscli.data.augmentations import draws
from hpscli.data.augmentations.body_parts import LOWER, PARTS, UPPER, WHOLE, draw_body_part
from hpscli.data.augmentations.changes import draw
from hpscli.data.epochs.generators import sample_generators
from hpscli.recipe import Augment
from hpscli.records import Sample
from tests.data.people import person

BOX = (np.array([32.0, 30.0]), 40.0)
TIMES = 400


def labelled(unseen: Sequence[int] = ()) -> Sample:
    """A person with all 44 joints but these."""
    points = np.random.default_rng(6).uniform(0, 60, (44, 2))  # every part has a box of its own
    points = np.hstack([points, np.ones((44, 1))])
    points[list(unseen), 2] = 0
    known = person(0)
    arrays = {**known.arrays, "keypoints2d.hmr2_44": points.astype(np.float32)}
    del arrays["keypoints2d.smpl24"]
    return replace(known, arrays=arrays)


def boxes(sample: Sample, probability: float = 1.0) -> np.ndarray:
    """-> (TIMES,3): centre and side of each draw."""
    both = draws(0)
    found = [draw_body_part(both, sample, *BOX, probability=probability) for _ in range(TIMES)]
    return np.array([[*center, size] for center, size in found])


def shares(sample: Sample) -> dict[str, float]:
    """-> how often each part is drawn, by the boxes that hold it."""
    points, found = sample.arrays["keypoints2d.hmr2_44"], boxes(sample)
    named = {}
    for part, places in PARTS.items():
        kept = points[list(places)]
        kept = kept[kept[:, 2] > 0, :2].astype(np.float64)
        if len(kept) > 1:
            center = (kept.min(axis=0) + kept.max(axis=0)) / 2
            named[part] = float(np.isclose(found[:, :2], center).all(axis=1).mean())
    return named


def test_parts_of_a_whole_person_come_as_often_as_published() -> None:
    found = shares(labelled())
    assert list(found.values()) == pytest.approx(WHOLE, abs=0.06)


def test_who_has_no_labelled_legs_gives_a_part_of_the_upper_body() -> None:
    found = shares(labelled(unseen=LOWER))
    assert found["above the knees"] == found["legs"] == 0
    assert [found[part] for part in list(PARTS)[1:6]] == pytest.approx(UPPER[1:6], abs=0.06)


def test_a_box_is_a_third_larger_than_its_joints_and_half_larger_for_a_head() -> None:
    sample = labelled()
    points, found = sample.arrays["keypoints2d.hmr2_44"][:, :2].astype(np.float64), boxes(sample)
    for part, times in (("right arm", 1.32), ("shoulders", 1.44), ("head", 1.56)):
        joints = points[list(PARTS[part])]
        low, high = joints.min(axis=0), joints.max(axis=0)
        mine = found[np.isclose(found[:, :2], (low + high) / 2).all(axis=1)]
        assert len(mine) and mine[:, 2] == pytest.approx((high - low).max() * times)


def test_people_with_one_knee_or_no_labels_keep_their_box() -> None:
    for sample in (labelled(unseen=(10, 26)), labelled(unseen=range(44))):
        np.testing.assert_array_equal(boxes(sample), [[32, 30, 40]] * TIMES)


def test_one_in_ten_is_cut_where_a_recipe_says_so() -> None:
    changed = boxes(labelled(), probability=0.1)[:, 2] != 40
    assert changed.mean() == pytest.approx(0.1, abs=0.04)
    settings = Augment(body_part=1, scale=0, flip=0)
    scale = draw(sample_generators(0, 0, 4), [labelled()] * 4, settings, (64, 64)).scale
    assert (scale != 1).all()
