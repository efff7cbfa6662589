"""A hand-made prior of body poses: standing, walking, sitting ..., without limbs inside the body.

Angles in radians, in the rest frame of the bodies: T-pose, y up, facing +z, the left is +x. The
numbers are choices, made by eye; no motion capture went into them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hps_datasets.synthetic.bodies import FreeBody
from hps_datasets.synthetic.rotations import IDENTITY, shortest, turn

Array = NDArray[np.float64]
Rng = np.random.Generator

MODES = {"stand": 0.25, "walk": 0.25, "sit": 0.13, "squat": 0.07, "free": 0.18, "raise": 0.12}
TRIES = 30
LEFT, RIGHT = 0, 1
HIP, KNEE, ANKLE = (1, 2), (4, 5), (7, 8)
SPINE, NECK, HEAD = (3, 6, 9), 12, 15
COLLAR, SHOULDER, ELBOW, WRIST, HAND = (13, 14), (16, 17), (18, 19), (20, 21), (22, 23)


def sample_pose(rng: Rng, body: FreeBody) -> tuple[str, Array]:
    """-> mode, rotations (24,3,3) of a pose that does not hit itself; the root only leans."""
    mode = str(rng.choice(list(MODES), p=list(MODES.values())))
    rotations = _draw(rng, mode)
    for _ in range(TRIES):
        joints, _ = body.chain(rotations, body.rest_joints[:24].astype(np.float64))
        if not hits_itself(joints):
            break
        rotations = _draw(rng, mode)
    return mode, rotations


def _draw(rng: Rng, mode: str) -> Array:
    rotations = np.tile(IDENTITY, (24, 1, 1))
    lively = rng.uniform(0.45, 1.2)
    phase = rng.uniform(0, 2 * np.pi)
    _trunk(rng, rotations, mode, lively)
    for side in (LEFT, RIGHT):
        _leg(rng, rotations, side, mode, phase, lively)
        _arm(rng, rotations, side, mode, phase, lively)
    rotations[0] = _lean(rng, mode)
    return rotations


def _trunk(rng: Rng, rotations: Array, mode: str, lively: float) -> None:
    forward = rng.normal(0.10 + (0.35 if mode == "squat" else 0.0), 0.25) * lively
    twist, side = rng.normal(0, 0.18) * lively, rng.normal(0, 0.12) * lively
    share = turn(1, twist / 3) @ turn(0, forward / 3) @ turn(2, side / 3)
    for joint in SPINE:
        rotations[joint] = share
    for joint, spread in ((NECK, 0.15), (HEAD, 0.20)):
        nod, shake, tilt = rng.normal(0, [spread, 1.25 * spread, 0.7 * spread])
        rotations[joint] = turn(1, shake) @ turn(0, nod) @ turn(2, tilt)


def _leg(rng: Rng, rotations: Array, side: int, mode: str, phase: float, lively: float) -> None:
    phase = phase + np.pi * side
    foot = rng.normal(0, 0.12)
    if mode == "walk":
        stride = rng.normal(0.42, 0.06) * lively
        flex = stride * np.sin(phase) + 0.08
        knee = 0.12 + 1.0 * lively * max(0.0, np.cos(phase)) ** 2  # bent while swinging forward
    elif mode == "sit":
        flex, knee = rng.normal(1.45, 0.15), rng.normal(1.40, 0.28)
    elif mode == "squat":
        flex = rng.normal(1.6, 0.35)
        knee, foot = flex + rng.normal(0.3, 0.2), -0.4 + foot
    elif mode == "free":
        flex = np.clip(rng.normal(0.4, 0.55), -0.5, 1.9)
        knee = abs(rng.normal(0.5, 0.6))
    else:
        flex = rng.normal(0.03, 0.10)
        knee = abs(rng.normal(0.06, 0.10)) + max(0.0, flex)
    outward = abs(rng.normal(0.04, 0.14)) * (1.0, -1.0)[side]
    rotations[HIP[side]] = turn(0, -flex) @ turn(2, outward) @ turn(1, rng.normal(0, 0.18))
    rotations[KNEE[side]] = turn(0, float(np.clip(knee, 0, 2.5)))
    rotations[ANKLE[side]] = turn(0, foot) @ turn(1, rng.normal(0, 0.08))


def _arm(rng: Rng, rotations: Array, side: int, mode: str, phase: float, lively: float) -> None:
    """The direction of the upper arm is drawn, not its angles: all directions stay natural."""
    sign = (1.0, -1.0)[side]
    if mode == "walk":  # arms swing against the legs
        swing = -0.6 * lively * np.sin(phase + np.pi * side) + rng.normal(0, 0.1)
        away = abs(rng.normal(0.14, 0.08))
        elevation = float(np.hypot(swing, away))
        azimuth = float(np.arctan2(swing, away))
    else:
        elevation = abs(
            {
                "stand": rng.normal(0.22, 0.30),
                "sit": rng.normal(0.55, 0.40),
                "squat": rng.normal(0.90, 0.45),
                "free": rng.uniform(0.10, 2.30),
                "raise": rng.uniform(1.45, 2.90),
            }[mode]
        )
        azimuth = np.radians(rng.uniform(-50, 97))
    flat, height = np.sin(elevation), -np.cos(elevation)
    goal = np.array([sign * flat * np.cos(azimuth), height, flat * np.sin(azimuth)])
    upper = shortest(np.array([sign, 0.0, 0.0]), goal / np.linalg.norm(goal))
    lift = turn(2, sign * (0.25 * max(0.0, elevation - 1.2) + rng.normal(0, 0.04)))
    bend = min(abs(rng.normal(0.35, 0.65)), 2.4)
    rotations[COLLAR[side]] = lift
    rotations[SHOULDER[side]] = lift.T @ upper @ turn(0, rng.normal(0, 0.5))
    rotations[ELBOW[side]] = turn(1, -sign * bend) @ turn(0, rng.normal(0, 0.25))
    twist, wave, flap = rng.normal(0, [0.12, 0.15, 0.2])
    rotations[WRIST[side]] = turn(2, flap) @ turn(1, wave) @ turn(0, twist)
    rotations[HAND[side]] = turn(2, rng.normal(0, 0.05))


def _lean(rng: Rng, mode: str) -> Array:
    """-> the root: nearly upright; every fifth free pose leans far or lies."""
    lean, side = rng.normal(0, 0.10, 2)
    if mode == "free" and rng.random() < 0.2:
        lean, side = rng.normal(0, 0.9), rng.normal(0, 0.7)
    return turn(2, side) @ turn(0, lean)


def hits_itself(joints: Array) -> bool:
    """joints (24,3) metres -> whether a limb runs through the body, tested with capsules on bones."""
    trunk = [(joints[0], joints[6], 0.15), (joints[6], joints[12], 0.14)]
    head = [(joints[15], joints[15] + 0.5 * (joints[15] - joints[12]), 0.13)]
    thighs = [(joints[HIP[s]], joints[KNEE[s]], 0.085) for s in (LEFT, RIGHT)]
    shins = [(joints[KNEE[s]], joints[ANKLE[s]], 0.07) for s in (LEFT, RIGHT)]
    arms = []
    for side in (LEFT, RIGHT):
        elbow, wrist, hand = joints[ELBOW[side]], joints[WRIST[side]], joints[HAND[side]]
        tip = hand + 0.8 * (hand - wrist)
        arms.append(np.stack([0.5 * (elbow + wrist), wrist, hand, tip]))
        if _inside(arms[side], trunk + thighs + head + shins):
            return True
    forearm = (joints[ELBOW[LEFT]], joints[HAND[LEFT]], 0.075)
    shin = np.linspace(0.25, 1.0, 4)[:, None] * (shins[0][1] - shins[0][0]) + shins[0][0]
    foot = np.concatenate([shin, joints[10][None]])
    other = [shins[1], (joints[8], joints[11], 0.07), thighs[1]]
    return _inside(arms[RIGHT], [forearm]) or _inside(foot, other)


def _inside(points: Array, capsules: list[tuple[Array, Array, float]]) -> bool:
    """-> whether any point (N,3) lies in any capsule (end, end, radius)."""
    for start, stop, radius in capsules:
        along = stop - start
        share = np.clip((points - start) @ along / (along @ along + 1e-12), 0, 1)
        gap = points - start - share[:, None] * along
        if (gap * gap).sum(1).min() < radius * radius:
            return True
    return False
