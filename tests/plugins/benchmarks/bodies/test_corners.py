"""The corners of the papers' averages: nobody, one point, a batch without joints."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hps_benchmarks.bodies import score
from hps_benchmarks.bodies.families import HMR2, METRO, MMHUMAN3D, SPIN, Family
from hps_benchmarks.bodies.goldens import replay_protocols
from hps_benchmarks.bodies.options import BodyOptions
from hpscli.testing.goldens import ReplayOptions

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


def test_a_tie_at_a_threshold_falls_where_the_precision_of_the_points_puts_it() -> None:
    truth = (np.random.RandomState(0).randn(50, 17, 3) * 300).astype(np.float32)
    predicted = truth + np.float32([150, 0, 0])
    away = score.official_distances(predicted, truth, "none")
    official = np.linalg.norm(predicted - truth, axis=-1) < 150
    assert 0 < official.sum() < official.size
    np.testing.assert_array_equal(away < 150, official)


def test_metros_runs_are_read_from_their_names(reference: Path, tmp_path: Path) -> None:
    folder = tmp_path / "goldens"
    folder.mkdir()
    stored = reference / "metrics" / "goldens" / "body_protocols"
    shutil.copy(stored.with_suffix(".npz"), folder)
    printed = json.loads(stored.with_suffix(".json").read_text(encoding="utf-8"))
    printed["MeshTransformer_batch5"] = printed.pop("MeshTransformer_batch7")
    printed["MeshGraphormer_of_tomorrow"] = printed["MeshGraphormer"]
    (folder / "body_protocols.json").write_text(json.dumps(printed), encoding="utf-8")
    wrong = [check.name for check in replay_protocols(tmp_path, ReplayOptions()) if not check.ok]
    assert wrong == [f"MeshGraphormer_of_tomorrow.{name}" for name in ("mPVE", "mPJPE", "PAmPJPE")]
