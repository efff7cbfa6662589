"""Errors against the official goldens and against cases with a known answer."""

import time
from pathlib import Path

import numpy as np
import pytest

from hpscli.errors import InvalidData
from hpscli.metrics import errors

RANDOM = np.random.RandomState(7)
PREDICTION = RANDOM.randn(5, 14, 3) * 0.3
TRUTH = PREDICTION + RANDOM.randn(5, 14, 3) * 0.05


@pytest.fixture(scope="module")
def golden(reference: Path) -> dict[str, np.ndarray]:
    return dict(np.load(reference / "hmr/goldens/metrics.npz"))


def random_rotation(seed: int) -> np.ndarray:
    matrix = np.linalg.qr(np.random.RandomState(seed).randn(3, 3))[0]
    return matrix * np.sign(np.linalg.det(matrix))


@pytest.mark.parametrize("mask_name", ["full", "partial"])
@pytest.mark.parametrize("how", ["none", "procrustes", "scale"])
def test_the_official_set_figures_are_reproduced(golden, mask_name: str, how) -> None:
    prediction, truth = golden["pred"] / 1000.0, golden["gt"] / 1000.0
    mask = np.ones((6, 14), bool) if mask_name == "full" else golden["mask_partial"] > 0
    gap = errors.distances(errors.align(prediction, truth, how), truth)
    ours = {
        "mpjpe": 1000 * errors.set_mean(gap, mask, pooled=True),
        "3dpck": errors.set_mean(errors.pck(gap), mask, pooled=True),
        "3dauc": errors.set_mean(errors.auc(gap), mask, pooled=True),
    }
    for name, value in ours.items():
        assert value == pytest.approx(float(golden[f"{mask_name}_{how}_{name}"]), abs=1e-3), name


def test_the_official_per_person_figures_are_reproduced(golden) -> None:
    prediction, truth = golden["pred"], golden["gt"]
    same = {"rtol": 1e-5, "atol": 1e-3}
    np.testing.assert_allclose(errors.mpjpe(prediction, truth), golden["per_sample_mpjpe"], **same)
    aligned = errors.procrustes(prediction, truth)
    np.testing.assert_allclose(aligned, golden["pa_aligned"], rtol=1e-4, atol=2e-3)
    for name in ("per_sample_pa_mpjpe", "spin_recon_error", "hmr2_re"):
        np.testing.assert_allclose(errors.pa_mpjpe(prediction, truth), golden[name], **same)
    acceleration = errors.acceleration_error(prediction, truth)
    np.testing.assert_allclose(acceleration, golden["accel_error"], **same)


def test_the_official_vertex_errors_are_reproduced(golden) -> None:
    prediction, truth = golden["verts_pred"], golden["verts_gt"]
    assert errors.mpjpe(prediction, truth).mean() == pytest.approx(float(golden["pve"]), abs=1e-3)
    aligned = errors.pa_mpjpe(prediction, truth).mean()
    assert aligned == pytest.approx(float(golden["pa_pve"]), abs=1e-3)


def test_the_official_3dpw_figures_follow_from_the_official_joints(golden) -> None:
    prediction, truth = golden["pw3d_pred14_mm"] / 1000, golden["pw3d_gt14_mm"] / 1000
    gap = errors.distances(prediction, truth)
    assert 1000 * gap.mean() == pytest.approx(float(golden["pw3d_mpjpe"]), abs=1e-3)
    pa = 1000 * errors.pa_mpjpe(prediction, truth).mean()
    assert pa == pytest.approx(float(golden["pw3d_pa_mpjpe"]), abs=1e-3)
    assert errors.set_mean(errors.pck(gap)) == pytest.approx(float(golden["pw3d_3dpck"]), abs=1e-3)
    assert errors.set_mean(errors.auc(gap)) == pytest.approx(float(golden["pw3d_3dauc"]), abs=1e-3)


def test_a_similarity_transform_costs_nothing_after_procrustes() -> None:
    moved = 1.7 * PREDICTION @ random_rotation(1).T + [0.3, -2.0, 5.0]
    np.testing.assert_allclose(errors.procrustes(moved, PREDICTION), PREDICTION, atol=1e-12)


def test_a_mirrored_body_is_not_aligned_perfectly() -> None:
    mirrored = PREDICTION * [-1, 1, 1]
    assert (errors.pa_mpjpe(mirrored, PREDICTION) > 0.02).all()


def test_procrustes_is_the_best_of_many_proper_transforms() -> None:
    aligned = errors.procrustes(PREDICTION, TRUTH)
    best = ((aligned - TRUTH) ** 2).sum(axis=(1, 2))
    for seed in range(50):
        small = random_rotation(seed) if seed % 2 else np.eye(3)
        factor = 1 + 0.05 * np.random.RandomState(seed).randn()
        centre = aligned.mean(axis=1, keepdims=True)
        other = (aligned - centre) @ small.T * factor + centre
        assert (((other - TRUTH) ** 2).sum(axis=(1, 2)) >= best - 1e-12).all()


@pytest.mark.parametrize("value", [0.0, 7.3, -1e3])
def test_a_prediction_in_one_point_lands_on_the_mean_and_spares_the_rest(value: float) -> None:
    prediction = PREDICTION.copy()
    prediction[2] = value
    aligned = errors.procrustes(prediction, TRUTH)
    np.testing.assert_allclose(aligned[2], np.tile(TRUTH[2].mean(axis=0), (14, 1)), atol=1e-9)
    np.testing.assert_allclose(aligned[3], errors.procrustes(PREDICTION, TRUTH)[3], atol=1e-12)


def test_a_straight_line_of_points_is_aligned() -> None:
    line = np.linspace(0, 1, 14)[None, :, None] * np.array([1.0, 2.0, 3.0])
    turned = 0.5 * line @ random_rotation(3).T + 1.0
    assert errors.pa_mpjpe(turned, line)[0] < 1e-12


def test_nan_is_named_by_person_and_by_key() -> None:
    prediction = PREDICTION.copy()
    prediction[3, 0, 0] = np.nan
    with pytest.raises(InvalidData, match="person 3"):
        errors.procrustes(prediction, TRUTH)
    with pytest.raises(InvalidData, match="'d'"):
        errors.require_finite("joints", prediction, list("abcde"))


def test_unknown_points_have_no_influence_even_when_they_are_nan() -> None:
    mask = np.ones((5, 14), bool)
    mask[1, 4:9] = False
    truth = TRUTH.copy()
    truth[1, 4:9] = np.nan
    known = [0, 1, 2, 3, 9, 10, 11, 12, 13]
    for measure in (errors.mpjpe, errors.pa_mpjpe):
        expected = measure(PREDICTION[1:2, known], TRUTH[1:2, known])
        np.testing.assert_allclose(measure(PREDICTION, truth, mask)[1], expected[0], atol=1e-12)


def test_a_person_without_known_points_is_nan_and_left_out_of_the_mean() -> None:
    mask = np.ones((5, 14), bool)
    mask[0] = False
    values = errors.pa_mpjpe(PREDICTION, TRUTH, mask)
    assert np.isnan(values[0]) and np.isfinite(values[1:]).all()
    gap = errors.distances(PREDICTION, TRUTH)
    assert errors.set_mean(gap, mask) == pytest.approx(gap[1:].mean())


def test_the_two_ways_to_average_differ_when_joints_are_missing() -> None:
    values = np.array([[1.0, 1.0, 1.0, 1.0], [3.0, 0.0, 0.0, 0.0]])
    mask = np.array([[1, 1, 1, 1], [1, 0, 0, 0]])
    assert errors.set_mean(values, mask) == pytest.approx(2.0)
    assert errors.set_mean(values, mask, pooled=True) == pytest.approx(7 / 5)


def test_a_hit_is_strictly_nearer_than_the_threshold() -> None:
    assert errors.pck([[0.150, 0.1499]]).tolist() == [[0.0, 100.0]]
    thresholds = np.linspace(0, 0.150, 31)
    values = np.array([[0.0, 0.02, 0.15, 0.2]])
    by_hand = [100 * np.mean(value < thresholds) for value in values[0]]
    np.testing.assert_allclose(errors.auc(values)[0], by_hand)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(InvalidData, match=r"\(N,P,3\)"):
        errors.mpjpe(PREDICTION, TRUTH[:, :3])


def test_the_size_of_3dpw_is_aligned_well_under_the_official_2_2_seconds() -> None:
    truth = np.random.RandomState(0).randn(35515, 14, 3)
    prediction = truth + np.random.RandomState(1).randn(35515, 14, 3) * 0.1
    start = time.perf_counter()
    errors.pa_mpjpe(prediction, truth)
    assert time.perf_counter() - start < 1.5
