"""F-scores of surfaces, against every distance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.errors import InvalidData
from hpscli.metrics.geometry import surfaces
from hpscli.metrics.geometry.surfaces import f_scores, near_counts

LIMITS = (0.005, 0.015)
DRAW = np.random.RandomState(0)


def by_all_pairs(first: np.ndarray, second: np.ndarray, limits: tuple[float, ...]) -> np.ndarray:
    """-> counts (2,N,T), with distances as the official programs work them out."""
    found = []
    for a, b in zip(first, second, strict=True):
        distances = np.linalg.norm(a[:, None] - b[None], axis=-1)
        found.append([[(distances.min(axis=axis) < t).sum() for t in limits] for axis in (1, 0)])
    return np.array(found).transpose(1, 0, 2)


def surface_pairs(count: int, off: float, size: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    first = size * DRAW.standard_normal((count, 120, 3))
    second = first[:, DRAW.permutation(120)[:90]] + off * DRAW.standard_normal((count, 90, 3))
    return first, second


@pytest.mark.parametrize("off", [0.0, 1e-3, 5e-3, 0.02, 0.7])
@pytest.mark.parametrize("place", [0.0, 0.6, 40.0])
def test_counts_are_those_of_all_pairs(off: float, place: float) -> None:
    first, second = surface_pairs(40, off)
    first, second = first + place, second + place
    assert np.array_equal(near_counts(first, second, LIMITS), by_all_pairs(first, second, LIMITS))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10_000),
    st.integers(1, 30),
    st.integers(1, 30),
    st.sampled_from([0.01, 0.05, 1.0, 300.0]),
    st.sampled_from([1.0, 100.0]),
)
def test_counts_are_exact_for_any_size_and_unit(
    seed: int, points: int, others: int, size: float, stretch: float
) -> None:
    draw = np.random.RandomState(seed)
    first = size * draw.standard_normal((3, points, 3))
    second = size * draw.standard_normal((3, others, 3)) * [1.0, stretch, 1.0]
    limits = (0.1 * size, 0.005, 0.5 * size)
    assert np.array_equal(near_counts(first, second, limits), by_all_pairs(first, second, limits))


def test_the_surfaces_stay_as_they_are() -> None:
    first, second = DRAW.standard_normal((2, 3, 1, 3)) * 0.01
    before = first.copy(), second.copy()
    near_counts(first, second, LIMITS)
    assert np.array_equal(first, before[0]) and np.array_equal(second, before[1])


def test_a_distance_of_exactly_the_threshold_is_not_near() -> None:
    grid = np.stack(np.meshgrid(*[np.arange(4) * 0.25] * 3), -1).reshape(1, -1, 3)
    moved = grid + [0.125, 0, 0]
    assert near_counts(grid, moved, (0.125, 0.1250001))[0].tolist() == [[0, 64]]


def test_ties_and_neighbours_of_ties_are_decided_as_in_double_precision() -> None:
    for place in (0.0, 0.3, 0.7):
        first = place + 0.1 * DRAW.standard_normal((1, 1, 3))
        turned = DRAW.standard_normal((400, 3))
        turned *= 0.005 / np.linalg.norm(turned, axis=1, keepdims=True)
        second = first[0] + turned[:, None] * (1 + 1e-9 * DRAW.randint(-2, 3, (400, 1, 1)))
        many = np.repeat(first, 400, axis=0)
        assert np.array_equal(near_counts(many, second, LIMITS), by_all_pairs(many, second, LIMITS))


def test_equal_surfaces_have_f_one_and_distant_ones_zero() -> None:
    first, _ = surface_pairs(5, 0.0)
    assert (f_scores(first, first, LIMITS).f == 1).all()
    far = f_scores(first, first + 5.0, LIMITS)
    assert (far.f == 0).all() and (far.precision == 0).all() and (far.recall == 0).all()


def test_f_is_the_harmonic_mean_of_precision_and_recall() -> None:
    scores = f_scores(*surface_pairs(20, 0.004), LIMITS)
    both = scores.precision + scores.recall
    expected = np.where(
        both > 0, 2 * scores.precision * scores.recall / np.where(both > 0, both, 1), 0
    )
    np.testing.assert_allclose(scores.f, expected)
    assert (scores.f[:, 0] <= scores.f[:, 1]).all()


def test_the_way_through_single_precision_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("hands at hand are decided in single precision")

    monkeypatch.setattr(surfaces, "_one_exactly", never)
    first, second = surface_pairs(3, 0.004)
    near_counts(first + 0.7, second + 0.7, LIMITS)


def test_nan_and_wrong_shapes_are_refused() -> None:
    first, second = surface_pairs(2, 0.0)
    with pytest.raises(InvalidData, match="NaN"):
        near_counts(first * np.nan, second, LIMITS)
    with pytest.raises(InvalidData, match=r"\(N,P,3\)"):
        near_counts(first[:1], second, LIMITS)
    assert near_counts(first[:0], second[:0], LIMITS)[0].shape == (0, 2)
