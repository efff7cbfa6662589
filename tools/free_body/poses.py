"""A hand-made prior of human poses, without motion capture; self-hits are rejected."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

POSE_SEED = 4
COUNT = 2000
MODES = {"stand": 0.25, "walk": 0.25, "sit": 0.13, "squat": 0.07, "free": 0.18, "raise": 0.12}
MEAN_CAMERA = (0.9, 0.0, 0.0)
TRUNK_RADIUS, THIGH_RADIUS, HEAD_RADIUS, SHIN_GAP = 0.14, 0.085, 0.13, 0.07
SIDES = {"L": 0, "R": 1}


@dataclass(frozen=True)
class PoseSet:
    """poses (N,24,3) axis-angle, mode (N,), and the share of draws that hit themselves."""

    poses: Array
    mode: Array
    rejected: float


def matrix(axis_angle: Array) -> Array:
    """axis-angle (...,3) -> rotation matrices (...,3,3)."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    axis = axis_angle / np.maximum(angle[..., 0], 1e-12)
    skew = np.zeros((*axis_angle.shape, 3))
    skew[..., 0, 1], skew[..., 0, 2] = -axis[..., 2], axis[..., 1]
    skew[..., 1, 0], skew[..., 1, 2] = axis[..., 2], -axis[..., 0]
    skew[..., 2, 0], skew[..., 2, 1] = -axis[..., 1], axis[..., 0]
    return np.asarray(np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * skew @ skew)


def axis_angle(rotation: Array) -> Array:
    """rotation (3,3) -> axis-angle (3,), by way of the quaternion so that pi is safe."""
    m = rotation
    four = np.array(
        [
            [m[0, 0] + m[1, 1] + m[2, 2], 0, 0, 0],
            [m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], 0, 0],
            [m[0, 2] - m[2, 0], m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], 0],
            [m[1, 0] - m[0, 1], m[2, 0] + m[0, 2], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    _, vectors = np.linalg.eigh(four / 3)
    quaternion = vectors[:, -1]
    quaternion = quaternion if quaternion[0] >= 0 else -quaternion
    sine = np.linalg.norm(quaternion[1:])
    if sine < 1e-12:
        return np.zeros(3)
    return np.asarray(quaternion[1:] / sine * 2 * np.arctan2(sine, quaternion[0]))


def draw_pose(rng: np.random.Generator, mode: str) -> Array:
    """-> one pose (24,3): axis-angle, upright, T-pose is zero."""
    pose = np.zeros((24, 3))
    vivid = rng.uniform(0.45, 1.2)
    trunk = vivid * np.array([rng.normal(0.10, 0.25), rng.normal(0, 0.18), rng.normal(0, 0.12)])
    if mode == "squat":
        trunk[0] += 0.3
    pose[[3, 6, 9]] = trunk / 3
    pose[12] = rng.normal(0, [0.15, 0.25, 0.10]) * vivid
    pose[15] = rng.normal(0, [0.15, 0.25, 0.10]) * vivid
    _legs(rng, mode, pose)
    _arms(rng, mode, pose)
    pose[0] = _root(rng, mode)
    return pose


def _legs(rng: np.random.Generator, mode: str, pose: Array) -> None:
    phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 0.75)
    level = {"sit": rng.normal(1.45, 0.12), "squat": rng.normal(1.6, 0.28)}.get(mode, 0.0)
    for side, index in SIDES.items():
        sign = 1 if side == "L" else -1
        step = phase + index * np.pi
        if mode == "walk":
            flexion = 0.08 + stride * np.sin(step)
            bend = 0.12 + stride * 0.9 * max(0.0, np.cos(step)) + abs(rng.normal(0, 0.08))
        elif mode == "sit":
            flexion, bend = level + rng.normal(0, 0.08), rng.normal(1.4, 0.36)
        elif mode == "squat":
            flexion, bend = level + rng.normal(0, 0.12), level * 1.1 + rng.normal(0, 0.15)
        elif mode == "free":
            flexion = np.clip(rng.normal(0.4, 0.55), -0.5, 1.9)
            bend = abs(rng.normal(0.6, 0.6))
        else:
            flexion, bend = rng.normal(0.09, 0.07), abs(rng.normal(0.10, 0.10))
        spread = abs(rng.normal(0.04, 0.25 if mode == "free" else 0.14))
        hip = [-flexion, rng.normal(0, 0.18), sign * spread]
        pose[1 + index] = hip
        pose[4 + index, 0] = np.clip(bend, 0, 2.5)
        pose[7 + index] = rng.normal(0, [0.14, 0.08, 0.06])
        pose[10 + index, 0] = rng.normal(0, 0.08)


def _arms(rng: np.random.Generator, mode: str, pose: Array) -> None:
    """The upper arm's direction is drawn, then reached by the smallest rotation plus a twist."""
    # Walking arms swing against the leg of their own side.
    swing = -pose[[1, 2], 0]
    for side, index in SIDES.items():
        sign = 1.0 if side == "L" else -1.0
        if mode == "raise":
            elevation = rng.uniform(1.6, 3.0)
        elif mode == "walk":
            elevation = abs(rng.normal(0.25, 0.12))
        elif mode == "stand":
            elevation = abs(rng.normal(0.35, 0.25))
        else:
            elevation = abs(rng.normal(0.65, 0.50))
        azimuth = np.radians(rng.uniform(-50, 97))
        if mode == "walk":
            back = -0.7 * swing[index]
            direction = np.array([sign * np.sin(elevation), -np.cos(elevation), 0])
            direction = matrix(np.array([-back, 0, 0])) @ direction
        else:
            out = np.sin(elevation) * np.array([sign * np.cos(azimuth), 0, np.sin(azimuth)])
            direction = out - np.array([0, np.cos(elevation), 0])
        start = np.array([sign, 0, 0])
        axis, cosine = np.cross(start, direction), start @ direction
        turn = matrix(axis / max(np.linalg.norm(axis), 1e-9) * np.arccos(np.clip(cosine, -1, 1)))
        lift = 0.25 * max(0.0, elevation - 1.2)
        pose[13 + index] = [0, rng.normal(0, 0.05), sign * lift + rng.normal(0, 0.04)]
        # The collar carries the arm: take its part back, so that the arm points as drawn.
        turn = matrix(pose[13 + index]).T @ turn
        pose[16 + index] = axis_angle(turn @ matrix(start * rng.normal(0, 0.5)))
        bend = np.clip(abs(rng.normal(0.35, 0.65)), 0, 2.4)
        pose[18 + index] = [rng.normal(0, 0.25), -sign * bend, 0]
        pose[20 + index] = rng.normal(0, [0.20, 0.14, 0.24])
        pose[22 + index, 2] = -sign * np.clip(rng.normal(0.28, 0.2), -0.1, 0.9)


def _root(rng: np.random.Generator, mode: str) -> Array:
    yaw = matrix(np.array([0, rng.uniform(-np.pi, np.pi), 0]))
    tilt = rng.normal(0, 0.1, 3) * [1, 0, 1]
    if mode == "free" and rng.random() < 0.2:
        tilt = tilt + rng.uniform(-1.5, 1.5, 3) * [1, 0, 0.4]
    return axis_angle(yaw @ matrix(tilt))


def forward_kinematics(poses: Array, joints: Array, parents: Array) -> tuple[Array, Array]:
    """poses (N,J,3), rest joints (J,3) -> world rotations (N,J,3,3), joints (N,J,3)."""
    local = matrix(poses)
    world, place = local.copy(), np.tile(joints, (len(poses), 1, 1))
    for joint in range(1, len(parents)):
        parent = parents[joint]
        world[:, joint] = world[:, parent] @ local[:, joint]
        reach = joints[joint] - joints[parent]
        place[:, joint] = place[:, parent] + world[:, parent] @ reach
    return world, place


def point_to_segment(point: Array, start: Array, end: Array) -> Array:
    """point (...,3), segment start, end (...,3) -> distance (...)."""
    along = end - start
    share = ((point - start) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
    nearest = start + np.clip(share, 0, 1)[..., None] * along
    return np.asarray(np.linalg.norm(point - nearest, axis=-1))


def hits_itself(poses: Array, joints: Array, parents: Array) -> Array:
    """poses (N,24,3) -> (N,) bool: forearm or hand in trunk, thigh or head, or shins crossed."""
    world, at = forward_kinematics(poses, joints, parents)
    skull = at[:, 15] + world[:, 15] @ np.array([0, 0.07, 0.02])
    hit = np.zeros(len(poses), bool)
    for elbow, wrist, hand in ((18, 20, 22), (19, 21, 23)):
        finger = at[:, hand] + (at[:, hand] - at[:, wrist]) * 0.5
        for point in ((at[:, elbow] + at[:, wrist]) / 2, at[:, wrist], at[:, hand], finger):
            hit |= point_to_segment(point, at[:, 0], at[:, 9]) < TRUNK_RADIUS
            hit |= point_to_segment(point, at[:, 1], at[:, 4]) < THIGH_RADIUS
            hit |= point_to_segment(point, at[:, 2], at[:, 5]) < THIGH_RADIUS
            hit |= np.linalg.norm(point - skull, axis=1) < HEAD_RADIUS
    for share in (0.25, 0.5, 0.75, 1.0):
        for a, b in ((1, 2), (2, 1)):
            shin = at[:, 3 + a] + share * (at[:, 6 + a] - at[:, 3 + a])
            hit |= point_to_segment(shin, at[:, 3 + b], at[:, 6 + b]) < SHIN_GAP
    return hit


def draw_poses(joints: Array, parents: Array, count: int = COUNT, seed: int = POSE_SEED) -> PoseSet:
    """rest joints (24,3) -> `count` poses that do not hit themselves."""
    rng = np.random.default_rng(seed)
    names, shares = list(MODES), np.array(list(MODES.values()))
    poses: list[Array] = []
    modes: list[int] = []
    drawn = 0
    while len(poses) < count:
        batch = rng.choice(len(names), 500, p=shares)
        made = np.stack([draw_pose(rng, names[mode]) for mode in batch])
        good = ~hits_itself(made, joints, parents)
        drawn += len(batch)
        poses += list(made[good])
        modes += batch[good].tolist()
    rejected = 1 - len(poses) / drawn
    return PoseSet(np.stack(poses[:count]), np.array(modes[:count]), rejected)


def pose_file(found: PoseSet) -> dict[str, Array]:
    """-> the arrays of free_poses.npz, with free mean parameters: facing the camera, y down."""
    rotations = matrix(found.poses).mean(0)
    left, _, right = np.linalg.svd(rotations)
    sign = np.linalg.det(left @ right)
    left[..., -1] *= sign[:, None]
    mean = left @ right
    mean[0] = np.diag([1.0, -1, -1])
    return {
        "poses": found.poses.astype(np.float16),
        "mode": found.mode.astype(np.int8),
        "mode_names": np.array(list(MODES)),
        "mean_pose_6d": mean[:, :, :2].reshape(-1).astype(np.float32),
        "mean_shape": np.zeros(10, np.float32),
        "mean_cam": np.array(MEAN_CAMERA, np.float32),
    }
