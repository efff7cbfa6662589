"""Rotations against scipy, the official solvers, and the corners where formulas break."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hpscli.body.rotations import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_to_rotation6d,
    quaternion_to_matrix,
    rotation6d_to_matrix,
)

numbers = st.floats(-1.0, 1.0, allow_nan=False, width=64)
axes = st.tuples(numbers, numbers, numbers).filter(lambda v: np.linalg.norm(v) > 0.05)
# Every size of angle, with the corners 0 and pi far more often than chance would have them.
angles = st.one_of(
    st.floats(0.0, np.pi), st.floats(0.0, 1e-6), st.floats(np.pi - 1e-6, np.pi), st.just(np.pi)
)


def turn(axis: tuple[float, float, float], angle: float) -> np.ndarray:
    return np.asarray(axis) / np.linalg.norm(axis) * angle


@given(axes, angles)
@settings(max_examples=150, deadline=None)
def test_axis_angle_and_matrix_agree_with_scipy(
    axis: tuple[float, float, float], angle: float
) -> None:
    vector = turn(axis, angle)
    expected = Rotation.from_rotvec(vector).as_matrix()
    matrix = axis_angle_to_matrix(torch.from_numpy(vector))
    # 2e-8 is what the official epsilon inside the norm costs.
    np.testing.assert_allclose(matrix.numpy(), expected, atol=3e-8)
    back = matrix_to_axis_angle(torch.from_numpy(expected)).numpy()
    np.testing.assert_allclose(Rotation.from_rotvec(back).as_matrix(), expected, atol=1e-9)
    assert np.linalg.norm(back) <= np.pi + 1e-9


@given(axes, angles)
@settings(max_examples=100, deadline=None)
def test_quaternions_agree_with_scipy(axis: tuple[float, float, float], angle: float) -> None:
    rotation = Rotation.from_rotvec(turn(axis, angle))
    x, y, z, w = rotation.as_quat(canonical=False)
    matrix = torch.from_numpy(rotation.as_matrix())
    found = matrix_to_quaternion(matrix).numpy()
    assert found[0] >= 0
    assert abs(abs(found @ np.array([w, x, y, z])) - 1) < 1e-9
    scaled = torch.tensor([w, x, y, z], dtype=torch.float64) * 3
    np.testing.assert_allclose(quaternion_to_matrix(scaled).numpy(), matrix.numpy(), atol=1e-9)


@given(axes, angles, st.sampled_from(["interleaved", "concatenated"]))
@settings(max_examples=100, deadline=None)
def test_six_numbers_and_back_is_the_same_rotation(
    axis: tuple[float, float, float], angle: float, layout: str
) -> None:
    matrix = torch.from_numpy(Rotation.from_rotvec(turn(axis, angle)).as_matrix())
    six = matrix_to_rotation6d(matrix, layout)
    np.testing.assert_allclose(rotation6d_to_matrix(six, layout), matrix, atol=1e-9)
    np.testing.assert_allclose(rotation6d_to_matrix(2 * six, layout), matrix, atol=1e-9)


def test_the_identity_reads_1_0_0_1_0_0_interleaved_and_1_0_0_0_1_0_concatenated() -> None:
    eye = torch.eye(3)
    assert matrix_to_rotation6d(eye, "interleaved").tolist() == [1, 0, 0, 1, 0, 0]
    assert matrix_to_rotation6d(eye, "concatenated").tolist() == [1, 0, 0, 0, 1, 0]


def test_three_rotations_in_a_batch_take_the_same_axis_as_four() -> None:
    six = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(rotation6d_to_matrix(six[:3]), rotation6d_to_matrix(six)[:3])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_at_the_identity_and_at_half_turns(dtype: torch.dtype) -> None:
    vectors = torch.tensor(
        [[0, 0, 0], [1e-8, 0, 0], [-1e-8, -1e-8, -1e-8], [np.pi, 0, 0], [0, 2.2214, 2.2214]],
        dtype=dtype,
        requires_grad=True,
    )
    matrices = axis_angle_to_matrix(vectors)
    again = matrix_to_axis_angle(matrices)
    assert torch.isfinite(matrices).all() and torch.isfinite(again).all()
    (matrices.sum() + again.sum()).backward()
    assert torch.isfinite(vectors.grad).all()


def test_the_gradient_of_a_small_rotation_is_its_generator() -> None:
    vector = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    axis_angle_to_matrix(vector)[2, 1].backward()
    np.testing.assert_allclose(vector.grad, [1, 0, 0], atol=1e-7)
    matrix = torch.eye(3, dtype=torch.float64, requires_grad=True)
    matrix_to_axis_angle(matrix)[0].backward()
    np.testing.assert_allclose(matrix.grad[2, 1] - matrix.grad[1, 2], 1, atol=1e-7)


def test_gradients_agree_with_finite_differences() -> None:
    random = torch.Generator().manual_seed(1)
    vectors = torch.randn(4, 3, generator=random, dtype=torch.float64, requires_grad=True)
    six = torch.randn(4, 6, generator=random, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda v: matrix_to_axis_angle(axis_angle_to_matrix(v)), vectors
    )
    assert torch.autograd.gradcheck(rotation6d_to_matrix, six)


def test_any_leading_shape_is_a_batch() -> None:
    assert axis_angle_to_matrix(torch.zeros(2, 5, 3)).shape == (2, 5, 3, 3)
    assert matrix_to_axis_angle(torch.eye(3).expand(2, 5, 3, 3)).shape == (2, 5, 3)
    assert matrix_to_axis_angle(torch.eye(3)).shape == (3,)


def test_official_rotations_are_reproduced(reference: Path) -> None:
    golden = np.load(reference / "hmr" / "goldens" / "rotations.npz")

    def tensor(name: str) -> torch.Tensor:
        return torch.from_numpy(golden[name])

    pairs = [
        (axis_angle_to_matrix(tensor("axis_angle")), "rodrigues_rotmat"),
        (rotation6d_to_matrix(tensor("six"), "interleaved"), "rot6d_spin_mmhuman3d_pare"),
        (rotation6d_to_matrix(tensor("six"), "concatenated"), "rot6d_hmr2"),
        (matrix_to_axis_angle(tensor("rot6d_spin_mmhuman3d_pare")), "rotmat_to_axis_angle"),
    ]
    for ours, name in pairs:
        np.testing.assert_allclose(ours.numpy(), golden[name], atol=1e-6, err_msg=name)
