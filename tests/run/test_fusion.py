"""Fusion of many crops of the same hands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.metrics.errors import mpjpe, procrustes
from hpscli.run.fusion import REFERENCE, fuse, views

POINTS = np.random.RandomState(0).standard_normal((2, 21, 3))


def turned(points: np.ndarray, degrees: float, scale: float, shift: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    moved: np.ndarray = scale * points @ turn.T + shift
    return moved


def test_there_are_95_views_and_the_reference_is_one_of_them() -> None:
    found = list(views())
    assert len(found) == len(set(found)) == 95
    assert found[:3] == [(0.7, 0), (0.7, 10), (0.7, -10)]
    assert found[-1] == (1.1, -90)
    assert REFERENCE in found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-90, 90), st.floats(0.5, 2), st.floats(-3, 3)), min_size=1, max_size=5
    )
)
def test_scale_rotation_and_place_of_a_view_are_undone(
    moves: list[tuple[float, float, float]],
) -> None:
    fused = fuse(POINTS, (turned(POINTS, *move) for move in moves))
    assert np.allclose(fused, POINTS, atol=1e-9)


def test_the_reference_counts_twice() -> None:
    other = POINTS + 0.1 * np.random.RandomState(1).standard_normal(POINTS.shape)
    fused = fuse(POINTS, [POINTS, other])
    assert np.allclose(fused, (2 * POINTS + procrustes(other, POINTS)) / 3)


def test_many_noisy_views_are_nearer_to_the_truth_than_one() -> None:
    draw = np.random.RandomState(2)
    runs = [POINTS + 0.1 * draw.standard_normal(POINTS.shape) for _ in range(40)]
    one = mpjpe(procrustes(runs[0], POINTS), POINTS).mean()
    many = mpjpe(procrustes(fuse(runs[0], runs), POINTS), POINTS).mean()
    assert many < one / 3


def test_every_person_is_aligned_alone() -> None:
    run = np.stack([turned(POINTS[0], 30, 2, 1), turned(POINTS[1], -80, 0.5, -1)])
    assert np.allclose(fuse(POINTS, [run]), POINTS, atol=1e-9)


def test_views_of_other_people_are_refused() -> None:
    with pytest.raises(Exception, match="must both be"):
        fuse(POINTS, [POINTS[:1]])
