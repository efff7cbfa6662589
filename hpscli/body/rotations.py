"""Rotations as matrices, axis-angle vectors, quaternions and six numbers; batched, differentiable."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Layout6D = Literal["interleaved", "concatenated"]

# As the official SMPL layers: added to every component, and only inside the norm, so that the
# identity has a gradient. Without it d|x| at x = 0 is undefined.
ANGLE_EPSILON = 1e-8
# Below this |xyz|^2 of a unit quaternion the angle comes from a series (error below 1e-9 relative).
SMALL_SQUARE = 1e-8


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """axis_angle (...,3) radians -> rotation matrices (...,3,3)."""
    angle = torch.linalg.vector_norm(axis_angle + ANGLE_EPSILON, dim=-1, keepdim=True)
    axis = axis_angle / angle.clamp_min(1e-12)
    half = 0.5 * angle
    return quaternion_to_matrix(torch.cat([half.cos(), half.sin() * axis], dim=-1))


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Rotation matrices (...,3,3) -> axis-angle (...,3) radians, angle within 0..pi.

    Stable at the identity and at half turns (where the sign of the axis is arbitrary).
    """
    quaternion = matrix_to_quaternion(matrix)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    square = (imaginary * imaginary).sum(dim=-1, keepdim=True)
    small = square < SMALL_SQUARE
    sine = torch.where(small, torch.ones_like(square), square).sqrt()
    cosine = torch.where(small, real, torch.ones_like(real))
    series = (2 / cosine) * (1 - square / (3 * cosine * cosine))
    factor: Tensor = torch.where(small, series, 2 * torch.atan2(sine, real) / sine)
    return imaginary * factor


def rotation6d_to_matrix(six: Tensor, layout: Layout6D = "interleaved") -> Tensor:
    """Six numbers (...,6) -> rotation matrices (...,3,3) by Gram-Schmidt; two columns are given.

    interleaved (SPIN, mmhuman3d, PARE): column 1 = x0 x2 x4, column 2 = x1 x3 x5;
    concatenated (HMR2): column 1 = x0 x1 x2, column 2 = x3 x4 x5.
    """
    if layout == "interleaved":
        first, second = six[..., 0::2], six[..., 1::2]
    else:
        first, second = six[..., :3], six[..., 3:]
    one = functional.normalize(first, dim=-1)
    two = functional.normalize(second - (one * second).sum(dim=-1, keepdim=True) * one, dim=-1)
    return torch.stack([one, two, torch.linalg.cross(one, two, dim=-1)], dim=-1)


def matrix_to_rotation6d(matrix: Tensor, layout: Layout6D = "interleaved") -> Tensor:
    """Rotation matrices (...,3,3) -> their first two columns as six numbers (...,6)."""
    columns = matrix[..., :2]
    if layout == "concatenated":
        columns = columns.transpose(-1, -2)
    return columns.reshape(*matrix.shape[:-2], 6)


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """Quaternions w, x, y, z (...,4), of any length but 0 -> rotation matrices (...,3,3)."""
    w, x, y, z = functional.normalize(quaternion, dim=-1).unbind(dim=-1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Rotation matrices (...,3,3) -> unit quaternions w, x, y, z (...,4) with w >= 0.

    A matrix gives all products 4 * q_i * q_j; the row of the largest q_i is the quaternion, scaled.
    No division by a small number, and no branch on values.
    """
    m = [[matrix[..., i, j] for j in range(3)] for i in range(3)]
    wx, wy, wz = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    xy, xz, yz = m[0][1] + m[1][0], m[0][2] + m[2][0], m[1][2] + m[2][1]
    ww = 1 + m[0][0] + m[1][1] + m[2][2]
    xx = 1 + m[0][0] - m[1][1] - m[2][2]
    yy = 1 - m[0][0] + m[1][1] - m[2][2]
    zz = 1 - m[0][0] - m[1][1] + m[2][2]
    rows = ((ww, wx, wy, wz), (wx, xx, xy, xz), (wy, xy, yy, yz), (wz, xz, yz, zz))
    products = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    largest = torch.stack([ww, xx, yy, zz], dim=-1).argmax(dim=-1)
    index = largest[..., None, None].expand(*largest.shape, 1, 4)
    quaternion = functional.normalize(products.gather(-2, index).squeeze(-2), dim=-1)
    return torch.where(quaternion[..., :1] < 0, -quaternion, quaternion)
