"""Shares of hits and the area under them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.metrics.curves import area, hit_counts, hit_shares

STEPS = np.linspace(0, 0.05, 100)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0, 0.1), min_size=1, max_size=20), st.booleans(), st.sampled_from([1, 2, 7])
)
def test_counts_are_those_of_comparing_one_by_one(
    values: list[float], inclusive: bool, rows: int
) -> None:
    errors = np.tile(values + STEPS[::9].tolist(), (rows, 1))
    found = hit_counts(errors, STEPS, inclusive=inclusive)
    compare = np.less_equal if inclusive else np.less
    assert np.array_equal(found, compare(errors[:, :, None], STEPS).sum(axis=1))


def test_an_error_of_exactly_the_threshold_is_a_hit_only_when_inclusive() -> None:
    assert hit_counts([[STEPS[3]]], STEPS)[0, 2:5].tolist() == [0, 1, 1]
    assert hit_counts([[STEPS[3]]], STEPS, inclusive=False)[0, 2:5].tolist() == [0, 0, 1]
    assert hit_counts([[0.0]], STEPS)[0, 0] == 1


def test_nan_never_hits() -> None:
    assert hit_shares([[np.nan, 0.0]], STEPS)[0].tolist() == [0.5] * 100


def test_the_area_is_that_of_trapezoids_over_the_axis() -> None:
    shares = hit_shares(np.abs(np.random.RandomState(0).standard_normal((5, 30))) * 0.03, STEPS)
    np.testing.assert_allclose(area(shares, STEPS), np.trapezoid(shares, STEPS) / 0.05, rtol=1e-12)
    assert area(np.ones(100), STEPS) == pytest.approx(1.0)
    assert area(np.linspace(0, 1, 100), STEPS) == pytest.approx(0.5)
    uneven = np.array([0.0, 1.0, 4.0])
    assert area(np.array([0.0, 1.0, 1.0]), uneven) == pytest.approx((0.5 + 3) / 4)


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize(
    "thresholds", [np.linspace(0, 0.05, 100), np.arange(0, 151, 5.0), np.geomspace(1, 9, 7)]
)
def test_values_at_and_beside_thresholds_are_counted_exactly(
    thresholds: np.ndarray, inclusive: bool
) -> None:
    beside = [np.nextafter(thresholds, np.inf), np.nextafter(thresholds, -np.inf)]
    values = np.concatenate([thresholds, *beside, [np.inf, -np.inf, np.nan, 1e300, -0.0]])
    compared = values[:, None] <= thresholds if inclusive else values[:, None] < thresholds
    assert (hit_counts(values[None], thresholds, inclusive=inclusive) == compared.sum(axis=0)).all()
