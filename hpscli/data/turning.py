"""Rotations and mirror images of labels: 3D points, axis-angle rotations, poses.

What cannot follow a mirror image is named here: meshes have no left-right permutation. Coefficients
of expressions have none either; they stay as they are, as OSX and Hand4Whole keep them, for most of what
they mean is symmetric.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from hpscli.body.joints import joint_set


def turn_points(points: np.ndarray, rotation_degrees: np.ndarray, flip: np.ndarray) -> np.ndarray:
    """Points (B,J,3) camera axes -> rotated about z by (B,) degrees, then mirrored where `flip`."""
    angle = np.deg2rad(rotation_degrees)[:, None]
    cosine, sine = np.cos(angle), np.sin(angle)
    x, y = points[..., 0], points[..., 1]
    sign = np.where(flip, -1.0, 1.0)[:, None]
    turned = np.stack([sign * (cosine * x - sine * y), sine * x + cosine * y, points[..., 2]], -1)
    return turned.astype(points.dtype)


def turn_axis_angle(vectors: np.ndarray, rotation_degrees: np.ndarray) -> np.ndarray:
    """Axis-angle (B,3) -> axis-angle of Rz(degrees) * R, by quaternions, in float64 inside."""
    vectors = vectors.astype(np.float64)
    angle = np.linalg.norm(vectors, axis=-1, keepdims=True)
    # sin(a/2)/a, by its series where the angle is tiny
    factor = np.where(
        angle < 1e-6, 0.5 - angle**2 / 48, np.sin(angle / 2) / np.maximum(angle, 1e-12)
    )
    w, (x, y, z) = np.cos(angle[:, 0] / 2), (vectors * factor).T
    half = np.deg2rad(rotation_degrees) / 2
    cosine, sine = np.cos(half), np.sin(half)
    turned = np.stack([cosine * x - sine * y, cosine * y + sine * x, cosine * z + sine * w], -1)
    scalar = cosine * w - sine * z
    flipped = scalar < 0  # q and -q are the same rotation: take the one with the smaller angle
    turned[flipped], scalar[flipped] = -turned[flipped], -scalar[flipped]
    length = np.linalg.norm(turned, axis=-1)
    tiny = length < 1e-9
    factor = np.where(tiny, 2.0, 2.0 * np.arctan2(length, scalar) / np.where(tiny, 1.0, length))
    return (turned * factor[:, None]).astype(np.float32)


MIRROR = np.array(
    [1.0, -1.0, -1.0], np.float32
)  # a mirror in x keeps x of axis-angle, negates y, z


def mirror_pose(pose: np.ndarray, order: Sequence[int] | None = None) -> np.ndarray:
    """Pose (B,3n) axis-angle -> the pose of the mirrored body; `order` swaps left and right joints."""
    joints = pose.reshape(len(pose), -1, 3)
    if order is not None:
        joints = joints[:, list(order)]
    return (joints * MIRROR).reshape(pose.shape)


@cache
def pose_order(name: str) -> tuple[int, ...] | None:
    """`smpl.body_pose` -> which joint's pose each joint takes under a mirror; None: its own."""
    sets = {"smpl.body_pose": ("smpl24", 24), "smplx.body_pose": ("smplx55", 22)}
    if name not in sets:
        return None
    base, count = sets[name]
    return tuple(joint - 1 for joint in joint_set(base).mirror[1:count])  # without the root


# Parameters that change places under a mirror, besides changing sign.
MIRROR_PARTNERS = {
    "smplx.left_hand_pose": "smplx.right_hand_pose",
    "smplx.right_hand_pose": "smplx.left_hand_pose",
    "smplx.leye_pose": "smplx.reye_pose",
    "smplx.reye_pose": "smplx.leye_pose",
}
LOST_BY_MIRROR = ("vertices.smpl", "vertices.smplx", "vertices.mano")
