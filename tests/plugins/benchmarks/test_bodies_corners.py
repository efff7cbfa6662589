"""The corners of the papers' averages: nobody, one point, a batch without joints."""

import numpy as np
import pytest

from hps_benchmarks.bodies import score
from hps_benchmarks.bodies.families import HMR2, METRO, MMHUMAN3D, SPIN, Family
from hps_benchmarks.bodies.options import BodyOptions

RANDOM = np.random.RandomState(4)
TRUTH = RANDOM.randn(9, 24, 3) * 0.3
PREDICTED = RANDOM.randn(9, 17, 3) * 0.3


def values(
    family: Family, predicted: np.ndarray = PREDICTED, known: np.ndarray | None = None
) -> tuple[BodyOptions, dict[str, np.ndarray]]:
    rule = BodyOptions.of({**family.options, "batch": 4})
    shown = None if known is None else np.repeat(known[:, None], 24, axis=1)
    truth = score.Joints(TRUTH, "metro24", shown)
    return rule, score.joint_values(rule, score.Joints(predicted, "h36m17"), truth)


@pytest.mark.parametrize("family", [METRO, SPIN, HMR2, MMHUMAN3D])
def test_a_prediction_at_one_point_leaves_no_aligned_mean(family: Family) -> None:
    predicted = PREDICTED.copy()
    predicted[2] = 0.7
    rule, found = values(family, predicted)
    assert np.isnan(score.set_value(rule, "pa_mpjpe", found))
    assert np.isfinite(score.set_value(rule, "mpjpe", found))
    defined = BodyOptions.of({**family.options, **family.corrected})
    truth = score.Joints(TRUTH, "metro24")
    whole = score.joint_values(defined, score.Joints(predicted, "h36m17"), truth)
    assert np.isfinite(score.set_value(defined, "pa_mpjpe", whole))


def test_metro_aligns_people_without_joints_at_one_point_too() -> None:
    predicted, known = PREDICTED.copy(), np.ones(9, bool)
    predicted[2], known[2] = 0.0, False
    rule, found = values(METRO, predicted, known)
    assert np.isnan(score.set_value(rule, "pa_mpjpe", found))
    rule, found = values(SPIN, predicted, known)  # who is not in the list spoils nothing
    assert np.isfinite(score.set_value(rule, "pa_mpjpe", found))


def test_metros_averages_of_nobody_are_0_and_nothing() -> None:
    rule, found = values(METRO, known=np.zeros(9, bool))
    assert score.set_value(rule, "mpjpe", found) == 0.0
    assert np.isnan(score.set_value(rule, "pa_mpjpe", found))


def test_a_batch_without_any_joints_does_not_count() -> None:
    known = np.array([False] * 4 + [True] * 5)
    rule, found = values(METRO, known=known)
    expected = found["pa_mpjpe"][4:].mean()
    assert score.set_value(rule, "pa_mpjpe", found) == pytest.approx(expected, rel=1e-12)


def test_distances_that_mmhuman3d_divides_by_zero_for_are_nan() -> None:
    truth, predicted = TRUTH[:3], TRUTH[:3].copy()
    predicted[1] = 0.0
    for how in ("scale", "procrustes"):
        away = score.official_distances(predicted, truth, how)
        assert np.isnan(away).all(axis=1).tolist() == [False, True, False]
    assert np.isfinite(score.official_distances(predicted, truth, "none")).all()
