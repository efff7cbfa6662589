"""Who is in the picture: shape, pose and the way they face, as parameters of a body."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hps_datasets.synthetic.bodies import free_body
from hps_datasets.synthetic.hands import sample_fingers
from hps_datasets.synthetic.poses import sample_pose
from hps_datasets.synthetic.rotations import matrices, mirrored, turn, vectors

Array = NDArray[Any]
Rng = np.random.Generator

LARGEST_BETA = 2.5
BODY_JOINTS = 22  # of SMPL's 24 joints those that SMPL-X shares: all but the two hands
# the right hand in front of its owner's face: fingers up, palm to +z, thumb to +x
HAND_UP = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True)
class Person:
    """A posed body. The root of `rotations` is upright in a world with y up, facing +z."""

    kind: str
    hand: str  # of MANO: right | left
    mode: str
    rotations: Array  # (J,3,3)
    shape: Array  # betas, for SMPL-X followed by expression
    parameters: dict[str, Array] = field(default_factory=dict)  # axis-angle, without global_orient


def sample_person(rng: Rng, kind: str, hand: str, yaw_degrees: float) -> Person:
    """-> a person of this kind, turned by at most `yaw_degrees` from facing the camera."""
    betas = np.clip(rng.standard_normal(10), -LARGEST_BETA, LARGEST_BETA)
    yaw = turn(1, np.radians(rng.uniform(-yaw_degrees, yaw_degrees)))
    if kind == "mano":
        return _sample_hand(rng, hand, betas, yaw)
    mode, rotations = sample_pose(rng, free_body("smpl"))
    rotations[0] = yaw @ rotations[0]
    if kind == "smpl":
        pose = vectors(rotations[1:]).ravel()
        return Person(kind, "", mode, rotations, betas, {"body_pose": pose, "betas": betas})
    return _whole_body(rng, mode, rotations[:BODY_JOINTS], betas)


def _sample_hand(rng: Rng, hand: str, betas: Array, yaw: Array) -> Person:
    """A hand seen from its palm or from its back, fingers more or less up."""
    gesture, fingers = sample_fingers(rng)
    back = turn(1, np.pi * rng.integers(2))
    root = turn(2, rng.normal(0, 0.7)) @ turn(0, rng.normal(0, 0.4)) @ back @ yaw @ HAND_UP
    if hand == "left":
        fingers = mirrored(fingers)
        root = matrices(mirrored(vectors(root[None])))[0]
    rotations = np.concatenate([root[None], matrices(fingers)])
    parameters = {"hand_pose": fingers.ravel(), "betas": betas}
    return Person("mano", hand, gesture, rotations, betas, parameters)


def _whole_body(rng: Rng, mode: str, rotations: Array, betas: Array) -> Person:
    """Fingers, jaw, gaze and a face for a body."""
    _, left = sample_fingers(rng, calm=True)
    _, right = sample_fingers(rng, calm=True)
    gaze = np.array([rng.normal(0, 0.10), rng.normal(0, 0.18), 0.0])
    parts = {
        "jaw_pose": np.array([abs(rng.normal(0, 0.16)), rng.normal(0, 0.03), 0.0]),
        "leye_pose": gaze,
        "reye_pose": gaze,
        "left_hand_pose": mirrored(left).ravel(),
        "right_hand_pose": right.ravel(),
    }
    expression = np.clip(rng.standard_normal(10), -2, 2)
    rest = matrices(np.concatenate([part.reshape(-1, 3) for part in parts.values()]))
    parameters = {"body_pose": vectors(rotations[1:]).ravel(), **parts}
    parameters |= {"betas": betas, "expression": expression}
    return Person(
        "smplx",
        "",
        mode,
        np.concatenate([rotations, rest]),
        np.concatenate([betas, expression]),
        parameters,
    )
