"""The alignments of hand benchmarks, against SciPy and by their properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes

from hpscli.errors import InvalidData
from hpscli.metrics.hands.alignment import aligned, scale_translation, similarity

DRAW = np.random.RandomState(0)
TRUTH = 0.05 * DRAW.standard_normal((6, 21, 3)) + [0, 0, 0.7]


def by_scipy(truth: np.ndarray, points: np.ndarray) -> np.ndarray:
    """One hand, as the definition reads."""
    first, second = truth - truth.mean(0), points - points.mean(0)
    sizes = np.linalg.norm(first) + 1e-8, np.linalg.norm(second) + 1e-8
    turn, fit = orthogonal_procrustes(first / sizes[0], second / sizes[1])
    moved: np.ndarray = (second / sizes[1]) @ turn.T * fit * sizes[0] + truth.mean(0)
    return moved


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1e-4, 0.1, 1.0, 1000.0]))
def test_it_is_scipys_orthogonal_procrustes(seed: int, scale: float) -> None:
    points = scale * np.random.RandomState(seed).standard_normal(TRUTH.shape)
    expected = np.stack([by_scipy(t, p) for t, p in zip(TRUTH, points, strict=True)])
    np.testing.assert_allclose(aligned(points, TRUTH), expected, rtol=1e-9, atol=1e-12)


def test_a_mirrored_hand_fits_only_where_mirrors_are_allowed() -> None:
    mirrored = TRUTH * [-1, 1, 1]
    np.testing.assert_allclose(aligned(mirrored, TRUTH), TRUTH, atol=1e-7)
    proper = aligned(mirrored, TRUTH, mirrors=False)
    assert np.abs(proper - TRUTH).max() > 0.01
    turns = similarity(mirrored, TRUTH, mirrors=False).turn
    np.testing.assert_allclose(np.linalg.det(turns), 1.0)


def test_a_proper_fit_is_the_best_among_proper_ones() -> None:
    points = DRAW.standard_normal(TRUTH.shape)
    best = np.square(aligned(points, TRUTH, mirrors=False) - TRUTH).sum(axis=(1, 2))
    fit = similarity(points, TRUTH, mirrors=False)
    for _ in range(20):
        angle = 0.1 * DRAW.standard_normal()
        turn = np.array(
            [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        )
        other = (fit.apply(points) - TRUTH.mean(1, keepdims=True)) @ turn.T + TRUTH.mean(
            1, keepdims=True
        )
        assert (np.square(other - TRUTH).sum(axis=(1, 2)) >= best - 1e-12).all()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_one_point_becomes_the_middle_of_the_truth(value: float) -> None:
    found = similarity(np.full(TRUTH.shape, value), TRUTH)
    middle = np.broadcast_to(TRUTH.mean(1, keepdims=True), TRUTH.shape)
    np.testing.assert_allclose(found.apply(np.full(TRUTH.shape, value)), middle, atol=1e-7)
    assert (found.rank == 0).all()


def test_flat_hands_have_many_turns_and_say_so() -> None:
    flat = TRUTH * [1, 1, 0]
    assert similarity(flat, TRUTH).rank.tolist() == [2] * 6
    assert similarity(TRUTH, TRUTH).rank.tolist() == [3] * 6


def test_scale_and_translation_put_the_wrist_exactly() -> None:
    points = 3 * TRUTH + 0.1 * DRAW.standard_normal(TRUTH.shape)
    found = scale_translation(points, TRUTH)
    assert np.array_equal(found[:, 0], TRUTH[:, 0])
    sizes = [np.linalg.norm(p[:, 4] - p[:, 0], axis=1) for p in (found, TRUTH)]
    np.testing.assert_allclose(*sizes)


def test_a_hand_without_size_keeps_its_place_at_the_wrist() -> None:
    found = scale_translation(np.zeros_like(TRUTH), TRUTH)
    np.testing.assert_array_equal(found, np.broadcast_to(TRUTH[:, :1], TRUTH.shape))


def test_nan_is_refused() -> None:
    with pytest.raises(InvalidData, match="NaN"):
        similarity(TRUTH * np.nan, TRUTH)
