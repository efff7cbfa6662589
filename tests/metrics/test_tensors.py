"""Errors between tensors beside those between arrays, for every kind of points."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from hpscli.errors import InvalidData
from hpscli.metrics import errors, tensors
from hpscli.metrics.geometry import angles
from hpscli.metrics.geometry.similarity import rotations

CLOSE = {"rtol": 0, "atol": 1e-12}
POINTS = arrays(np.float64, (3, 6, 3), elements=st.floats(-2, 2, width=16))
MASKS = st.one_of(st.none(), arrays(np.bool_, (3, 6)))
ALIGNMENTS = ("none", "scale", "scale_translation", "procrustes")
STRETCHES = {
    "a volume": (1.0, 0.6, 0.3),
    "mirrored": (-1.0, 0.6, 0.3),
    "a plane": (1.0, 0.6, 0.0),
    "a line": (1.0, 0.0, 0.0),
    "nearly a line": (1.0, 1e-7, 1e-8),
    "nothing": (0.0, 0.0, 0.0),
}


def of(array: np.ndarray | None) -> torch.Tensor | None:
    return None if array is None else torch.from_numpy(array)


def people(stretch: tuple[float, float, float], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(seed)
    points = random.randn(40, 14, 3)
    turned = np.matmul(points * np.array([1.0, 0.6, 0.3]), Rotation.random(40, seed).as_matrix())
    return points * np.array(stretch), turned + 0.02 * random.randn(*points.shape)


@settings(deadline=None)
@given(POINTS, POINTS, MASKS)
def test_any_points_are_as_far_apart_as_arrays(
    first: np.ndarray, truth: np.ndarray, mask: np.ndarray | None
) -> None:
    away = errors.distances(first, truth)
    tensor = tensors.distances(of(first), of(truth))
    np.testing.assert_allclose(tensor, away, **CLOSE)
    np.testing.assert_allclose(
        tensors.mpjpe(of(first), of(truth), of(mask)), errors.mpjpe(first, truth, mask), **CLOSE
    )
    for how in ("none", "scale", "scale_translation"):
        ours = tensors.align(of(first), of(truth), how, of(mask))
        theirs = errors.align(first, truth, how, mask)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@settings(deadline=None)
@given(POINTS, POINTS)
def test_any_matrix_is_turned_as_well_as_an_array(first: np.ndarray, truth: np.ndarray) -> None:
    shared = np.matmul(first.transpose(0, 2, 1), truth)
    ours = rotations(torch.from_numpy(shared)).numpy()
    np.testing.assert_allclose(np.linalg.det(ours), 1.0, **CLOSE)
    np.testing.assert_allclose(
        np.einsum("nij,nij->n", ours, shared),
        np.einsum("nij,nij->n", rotations(shared), shared),
        rtol=1e-12,
        atol=1e-11,
    )


@pytest.mark.parametrize("kind", STRETCHES)
@settings(deadline=None, max_examples=20, derandomize=True)  # a mirrored body may have two answers
@given(st.integers(0, 10000), st.booleans())
def test_aligned_errors_are_those_of_arrays(kind: str, seed: int, masked: bool) -> None:
    first, truth = people(STRETCHES[kind], seed)
    mask = np.random.RandomState(seed).rand(40, 14) > 0.2 if masked else None
    ours = tensors.pa_mpjpe(of(first), of(truth), of(mask))
    assert ours.dtype == torch.float64
    np.testing.assert_allclose(ours, errors.pa_mpjpe(first, truth, mask), **CLOSE)
    fit, other = (
        tensors.similarity(of(first), of(truth), of(mask)),
        errors.similarity(first, truth, mask),
    )
    np.testing.assert_array_equal(fit.has_shape, other.has_shape)
    if kind in ("a volume", "mirrored", "a plane"):  # on a line the rotation is free
        moved = tensors.procrustes(of(first), of(truth), of(mask))
        np.testing.assert_allclose(moved, errors.procrustes(first, truth, mask), **CLOSE)
        turn = tensors.procrustes_rotation(of(first), of(truth), of(mask))
        theirs = errors.procrustes_rotation(first, truth, mask)
        np.testing.assert_allclose(turn, theirs, rtol=0, atol=1e-11)


@pytest.mark.parametrize("how", ALIGNMENTS)
def test_a_person_without_known_points_has_no_error(how: errors.Alignment) -> None:
    first, truth = people(STRETCHES["a volume"])
    mask = np.ones((40, 14), bool)
    mask[3] = False
    moved = tensors.align(of(first), of(truth), how, of(mask))
    ours = tensors.mpjpe(moved, of(truth), of(mask)).numpy()
    assert np.flatnonzero(np.isnan(ours)).tolist() == [3]
    theirs = errors.mpjpe(errors.align(first, truth, how, mask), truth, mask)
    np.testing.assert_allclose(ours, theirs, **CLOSE)


def test_a_distance_on_a_threshold_is_a_miss_and_nan_is_no_hit() -> None:
    away = np.array([[0.0, 0.150, 0.1, np.nan, np.inf, *errors.AUC_THRESHOLDS]])
    np.testing.assert_array_equal(tensors.pck(of(away)), errors.pck(away))
    np.testing.assert_array_equal(tensors.auc(of(away)), errors.auc(away))


def test_float32_is_measured_in_float64() -> None:
    first, truth = (points.astype(np.float32) for points in people(STRETCHES["a volume"]))
    ours = tensors.pa_mpjpe(of(first), of(truth))
    np.testing.assert_allclose(ours, errors.pa_mpjpe(first, truth), **CLOSE)


def test_angles_are_those_of_arrays_reflections_and_half_turns_included() -> None:
    turned = Rotation.random(60, 3).as_matrix().reshape(5, 12, 3, 3)
    truth = Rotation.random(60, 4).as_matrix().reshape(5, 12, 3, 3)
    turned[0] = truth[0]  # no angle
    turned[1] = -truth[1]  # a reflection through the origin: none, NaN
    turned[2] = truth[2] * np.array([1.0, -1.0, -1.0])  # half a turn
    turned[3] *= 1.7  # no rotation, scaled
    turn = Rotation.random(5, 5).as_matrix()
    for given_turn in (None, turn):
        ours = tensors.angle_errors(of(turned), of(truth), of(given_turn))
        theirs = angles.angle_errors(turned, truth, given_turn)
        # the angle of a half turn hangs on the square root of rounding
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-6)
        some = [3, 4] if given_turn is None else [0, 2, 3, 4]
        np.testing.assert_allclose(ours[some], theirs[some], rtol=0, atol=1e-11)


def test_nan_is_named_as_of_arrays() -> None:
    first, truth = people(STRETCHES["a volume"])
    first[4, 2] = np.nan
    for module, points in ((errors, (first, truth)), (tensors, (of(first), of(truth)))):
        with pytest.raises(InvalidData, match="person 4 are NaN or infinite \\(1 of 40"):
            module.pa_mpjpe(*points)
        keys = [f"p{row}" for row in range(40)]
        with pytest.raises(InvalidData, match="1 of 40 people is NaN or infinite, first 'p4'"):
            module.require_finite("the prediction", points[0], keys)
    broken = torch.full((1, 1, 3, 3), torch.nan)
    with pytest.raises(InvalidData, match="a rotation is NaN"):
        tensors.angle_errors(broken, broken)


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(InvalidData, match=r"\(2, 14, 3\).*\(2, 13, 3\)"):
        tensors.mpjpe(torch.zeros(2, 14, 3), torch.zeros(2, 13, 3))
    with pytest.raises(InvalidData, match="mask"):
        tensors.mpjpe(torch.zeros(2, 14, 3), torch.zeros(2, 14, 3), torch.ones(2, 13) > 0)


def test_no_people_have_no_errors() -> None:
    nobody = torch.zeros(0, 14, 3)
    assert tensors.pa_mpjpe(nobody, nobody).shape == (0,)
