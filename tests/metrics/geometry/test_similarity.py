"""The best rotation in closed form, beside LAPACK's decomposition, for every kind of points."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from hpscli.errors import InvalidData
from hpscli.metrics.errors import pa_mpjpe, procrustes, procrustes_rotation
from hpscli.metrics.geometry.similarity import rotations, rotations_by_decomposition

COORDINATES = st.floats(-2, 2, width=32)
POINTS = arrays(np.float64, (3, 6, 3), elements=COORDINATES)
STRETCHES = (
    (1.0, 1.0, 1.0),
    (1.0, 1.0, 0.0),  # planar
    (1.0, 0.0, 0.0),  # collinear
    (1.0, 1e-7, 1e-8),
    (1e-120, 1e-120, 1e-120),
    (0.0, 0.0, 0.0),
)


def plain_pa(prediction: np.ndarray, truth: np.ndarray) -> float:
    """One person as the HMR family's code does it, float64."""
    moved, goal = prediction - prediction.mean(axis=0), truth - truth.mean(axis=0)
    u, _, vt = np.linalg.svd(moved.T @ goal)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turned = vt.T @ flip @ u.T
    scale = np.trace(turned @ (moved.T @ goal)) / (moved**2).sum()
    return float(np.linalg.norm(scale * moved @ turned.T - goal, axis=1).mean())


@settings(deadline=None)
@given(POINTS, POINTS)
def test_any_points_have_the_error_of_the_official_loop(
    first: np.ndarray, truth: np.ndarray
) -> None:
    spread = ((first - first.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2))
    kept = spread > 1e-6  # without extent the official code divides by nothing
    ours = pa_mpjpe(first[kept], truth[kept])
    for value, one, other in zip(ours, first[kept], truth[kept], strict=True):
        assert value == pytest.approx(plain_pa(one, other), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("mirrored", [False, True])
def test_points_without_volume_are_turned_as_well_as_by_decomposition(
    stretch: tuple[float, float, float], mirrored: bool
) -> None:
    random = np.random.RandomState(3)
    first = random.randn(40, 14, 3) * np.array(stretch)
    truth = np.matmul(first, Rotation.random(40, random_state=4).as_matrix())
    if mirrored:
        truth[:, :, 0] *= -1
    shared = np.matmul(first.transpose(0, 2, 1), truth)
    ours, lapack = rotations(shared), rotations_by_decomposition(shared)
    np.testing.assert_allclose(np.linalg.det(ours), 1.0, atol=1e-12)
    np.testing.assert_allclose(
        np.einsum("nij,nij->n", ours, shared),
        np.einsum("nij,nij->n", lapack, shared),
        rtol=1e-12,
        atol=1e-250,
    )


def test_repeated_singular_values_are_no_trouble() -> None:
    turn = Rotation.random(8, random_state=0).as_matrix()
    for values in ((1.0, 1.0, 1.0), (1.0, 1.0, -1.0), (2.0, 1.0, 1.0), (1.0, 0.5, -0.5)):
        shared = np.matmul(turn * np.array(values), turn[::-1].transpose(0, 2, 1))
        found = np.einsum("nij,nij->n", rotations(shared), shared)
        np.testing.assert_allclose(found, sum(values), rtol=1e-12)


@settings(deadline=None)
@given(arrays(np.float64, (4, 3, 3), elements=st.floats(-1, 1)))
def test_every_matrix_gives_a_rotation_with_the_largest_trace(shared: np.ndarray) -> None:
    ours, lapack = rotations(shared), rotations_by_decomposition(shared)
    np.testing.assert_allclose(
        np.matmul(ours, ours.transpose(0, 2, 1)), np.tile(np.eye(3), (4, 1, 1)), atol=1e-12
    )
    np.testing.assert_allclose(
        np.einsum("nij,nij->n", ours, shared),
        np.einsum("nij,nij->n", lapack, shared),
        atol=1e-13,
    )


def test_many_people_in_chunks_are_the_same_as_one_by_one() -> None:
    random = np.random.RandomState(0)
    first, truth = random.randn(9000, 5, 3), random.randn(9000, 5, 3)
    together = pa_mpjpe(first, truth)
    for person in (0, 4095, 4096, 8999):
        alone = pa_mpjpe(first[person : person + 1], truth[person : person + 1])
        assert together[person] == pytest.approx(alone[0], rel=1e-12)


def test_unknown_points_neither_count_nor_need_be_finite() -> None:
    random = np.random.RandomState(0)
    first, truth = random.randn(2, 6, 3), random.randn(2, 6, 3)
    mask = np.array([[True] * 4 + [False] * 2, [True] * 6])
    alone = pa_mpjpe(first[:1, :4], truth[:1, :4])[0]
    truth[0, 4:] = np.nan
    assert pa_mpjpe(first, truth, mask)[0] == pytest.approx(alone, rel=1e-12)


def test_the_rotation_turns_columns_and_is_none_without_extent() -> None:
    random = np.random.RandomState(0)
    first = random.randn(2, 6, 3)
    turn = Rotation.from_rotvec([0.3, -1.0, 0.2]).as_matrix()
    truth = 1.4 * first @ turn.T + 2.0
    first[1] = 0.5
    found = procrustes_rotation(first, truth)
    np.testing.assert_allclose(found, [turn, np.eye(3)], atol=1e-12)


def test_a_single_point_lands_on_the_mean_and_nan_is_refused() -> None:
    truth = np.random.RandomState(0).randn(1, 4, 3)
    landed = procrustes(np.full((1, 4, 3), 0.3), truth)
    np.testing.assert_allclose(landed, np.tile(truth.mean(axis=1, keepdims=True), (1, 4, 1)))
    with pytest.raises(InvalidData, match="person 0"):
        procrustes(np.full((1, 4, 3), np.nan), truth)


def test_nobody_gives_nothing() -> None:
    assert pa_mpjpe(np.zeros((0, 14, 3)), np.zeros((0, 14, 3))).shape == (0,)
