"""Tracks of people, and tables of parts of a set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpscli.metrics.results.breakdown import breakdown, joint_table
from hpscli.metrics.rules import Figure, Measured
from hpscli.metrics.sequences import acceleration_errors, runs

RANDOM = np.random.RandomState(0)


def meta(frames: list[int], person: int = 0) -> list[dict]:
    return [{"sequence": "a", "person": person, "frame": frame} for frame in frames]


def test_a_gap_and_another_person_end_a_run() -> None:
    rows = [*meta([0, 5, 10, 20]), *meta([0, 5], person=1), {"sequence": "a"}]
    assert [run.tolist() for run in runs(rows)] == [[0, 1, 2], [3], [4, 5]]


@given(st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    points, truth = RANDOM.randn(2, 6, 4, 3)
    known = np.ones((6, 4), bool)
    straight = acceleration_errors(points, truth, known, meta(list(range(6))))
    mixed = acceleration_errors(points[order], truth[order], known, [meta([f])[0] for f in order])
    np.testing.assert_allclose(mixed, straight[order])


def test_even_motion_has_no_acceleration_whatever_its_speed() -> None:
    steps = np.arange(5.0)[:, None, None]
    points, truth = steps * RANDOM.randn(1, 4, 3), steps * RANDOM.randn(1, 4, 3)
    errors = acceleration_errors(points, truth, np.ones((5, 4), bool), meta(list(range(5))))
    assert np.isnan(errors[[0, 4]]).all()
    np.testing.assert_allclose(errors[1:4], 0.0, atol=1e-12)


def test_without_frames_there_is_no_acceleration() -> None:
    points = RANDOM.randn(4, 2, 3)
    assert np.isnan(acceleration_errors(points, points, np.ones((4, 2), bool), [{}] * 4)).all()


def test_tables_are_of_groups_that_everybody_names() -> None:
    values = {"mpjpe": np.array([10.0, 20.0, np.nan, 50.0])}
    figures = {"mpjpe": Figure(label="MPJPE", meaning="m")}
    said = tuple({"action": word} for word in ("sit", "walk", "walk", "sit"))
    found = breakdown(Measured(keys=tuple("abcd"), values=values, meta=said), figures)
    assert found["actions"].rows == (("sit", 2, 30.0), ("walk", 2, 20.0))
    assert found["actions"].unit == "mm" and "sequences" not in found
    some = (*said[:3], {})
    assert breakdown(Measured(keys=tuple("abcd"), values=values, meta=some), figures) == {}


def test_joints_that_nobody_knows_have_no_number() -> None:
    errors = np.array([[1.0, np.nan], [3.0, np.nan]])
    (table,) = joint_table(("hip", "knee"), {"joint_errors_mm": errors}).values()
    assert table.rows == (("hip", pytest.approx(2.0)), ("knee", None))
    assert joint_table(("hip",), {"joint_errors_mm": np.full((2, 1), np.nan)}) == {}
