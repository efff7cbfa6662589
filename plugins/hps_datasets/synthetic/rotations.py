"""Rotations of a few joints at a time in numpy: a person is made one by one, without torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

IDENTITY = np.eye(3)


def turn(axis: int, angle: float) -> Array:
    """-> (3,3) rotation about x (0), y (1) or z (2)."""
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.eye(3)
    one, two = (axis + 1) % 3, (axis + 2) % 3
    matrix[one, one] = matrix[two, two] = cos
    matrix[one, two], matrix[two, one] = -sin, sin
    return matrix


def matrices(vectors: Array) -> Array:
    """axis-angle (N,3) -> (N,3,3), by Rodrigues."""
    angle = np.sqrt((vectors * vectors).sum(1))[:, None, None]
    axis = vectors / np.maximum(angle[:, 0], 1e-12)
    cross = np.zeros((len(vectors), 3, 3))
    cross[:, 2, 1], cross[:, 0, 2], cross[:, 1, 0] = axis.T
    cross -= cross.transpose(0, 2, 1)
    turned: Array = IDENTITY + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)
    return turned


def vectors(rotations: Array) -> Array:
    """(N,3,3) -> axis-angle (N,3) with angles in 0..pi, by way of the largest quaternion entry."""
    m = rotations
    trace = m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]
    # row k of `table` is 4*q_k*q for the unit quaternion q = (w, x, y, z): take the longest row
    table = np.empty((len(m), 4, 4))
    table[:, 0, 0] = 1 + trace
    for k in range(3):
        one, two = (k + 1) % 3, (k + 2) % 3
        table[:, k + 1, k + 1] = 1 + 2 * m[:, k, k] - trace
        table[:, 0, k + 1] = table[:, k + 1, 0] = m[:, two, one] - m[:, one, two]
        table[:, one + 1, two + 1] = table[:, two + 1, one + 1] = m[:, one, two] + m[:, two, one]
    best = np.argmax(np.einsum("nkk->nk", table), axis=1)
    q = table[np.arange(len(m)), best]
    q = q / np.linalg.norm(q, axis=1, keepdims=True)
    q = np.where(q[:, :1] < 0, -q, q)
    length = np.linalg.norm(q[:, 1:], axis=1, keepdims=True)
    angle = 2 * np.arctan2(length, q[:, :1])
    axis = q[:, 1:]
    found: Array = np.where(length > 1e-9, axis * angle / np.maximum(length, 1e-9), 2 * axis)
    return found


def shortest(start: Array, goal: Array) -> Array:
    """Unit vectors (3,) -> the smallest rotation (3,3) that takes `start` to `goal`."""
    axis, cos = np.cross(start, goal), float(start @ goal)
    if cos < -1 + 1e-9:  # opposite: any half turn across `start` will do
        side = np.cross(start, IDENTITY[int(np.argmin(np.abs(start)))])
        side /= np.linalg.norm(side)
        half_turn: Array = 2 * np.outer(side, side) - IDENTITY
        return half_turn
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    smallest: Array = IDENTITY + cross + cross @ cross / (1 + cos)
    return smallest


def mirrored(rotation_vectors: Array) -> Array:
    """axis-angle (...,3) -> that of the same pose in a mirror across x = 0."""
    return rotation_vectors * [1.0, -1.0, -1.0]
