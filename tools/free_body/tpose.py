"""Brings MakeHuman bodies into the T-pose of the SMPL family, with flat hands."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from tools.free_body.read import Source
from tools.free_body.shape_space import mirrored_bones, rest_samples

Array = NDArray[Any]

LEG_DEGREES = 1.5  # from vertical
SPREAD = 0.35  # of the drawn angle between the fingers
OUT = np.array([1.0, 0, 0])  # the left arm points along +x
FLIP = np.diag([-1.0, 1, 1])
PELVIS = np.array([0.0, -0.23, 0.028])  # of every sample


@dataclass(frozen=True)
class People:
    """S bodies in the T-pose with the pelvis in one place."""

    vertices: Array  # (S,N,3)
    heads: Array  # (S,163,3)
    tails: Array  # (S,163,3)
    eye_radius: Array  # (S,)
    relaxed: dict[str, Array]  # rotations back to the drawn hand, of the mean body


def minimal_rotation(start: Array, end: Array) -> Array:
    """start (3,), end (3,) -> the smallest rotation (3,3) that turns start to end."""
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    cross, cosine = np.cross(a, b), float(a @ b)
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))


def roll(angle: float) -> Array:
    """-> rotation (3,3) about x."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def left_rotations(bones: tuple[str, ...], heads: Array, tails: Array) -> dict[str, Array]:
    """heads (163,3), tails (163,3) -> rotation (3,3) of every left bone that turns."""
    at = {name: heads[i] for i, name in enumerate(bones)}
    turned: dict[str, Array] = {}
    upper = minimal_rotation(at["lowerarm01.L"] - at["upperarm01.L"], OUT)
    forearm = upper @ (at["wrist.L"] - at["lowerarm01.L"])
    # The forearm is bent a little: roll until it points forward, so that the elbow bends as one.
    upper = roll(np.arctan2(forearm[1], forearm[2])) @ upper
    lower = minimal_rotation(upper @ (at["wrist.L"] - at["lowerarm01.L"]), OUT) @ upper
    hand = hand_rotation(at)
    relative = hand @ lower.T
    twist = np.arctan2(relative[2, 1] - relative[1, 2], relative[1, 1] + relative[2, 2])
    turned.update({"upperarm01.L": upper, "upperarm02.L": upper, "lowerarm01.L": lower})
    turned["lowerarm02.L"] = roll(twist / 2) @ lower
    turned["wrist.L"] = hand
    for name in bones:
        if name.startswith(("metacarpal", "finger")) and name.endswith(".L"):
            turned[name] = hand
    turned.update(_flat_fingers(bones, at, tails, hand))
    slope = np.radians(LEG_DEGREES)
    down = np.array([np.sin(slope), -np.cos(slope), 0])
    leg = minimal_rotation(at["foot.L"] - at["upperleg01.L"], down)
    for name in ("upperleg01.L", "upperleg02.L", "lowerleg01.L", "lowerleg02.L"):
        turned[name] = leg
    return turned


def hand_rotation(at: dict[str, Array]) -> Array:
    """heads by name -> rotation (3,3): middle knuckle to +x, index to little knuckle along -z."""
    along = at["finger3-1.L"] - at["wrist.L"]
    along = along / np.linalg.norm(along)
    across = at["finger2-1.L"] - at["finger5-1.L"]
    across = across - along * (along @ across)
    across = across / np.linalg.norm(across)
    return np.stack([along, np.cross(across, along), across])


def _flat_fingers(
    bones: tuple[str, ...], at: dict[str, Array], tails: Array, hand: Array
) -> dict[str, Array]:
    """-> rotations of the phalanges of fingers 2-5: in the palm plane, spread reduced."""
    turned = {}
    for finger in (2, 3, 4, 5):
        knuckle = hand @ (at[f"finger{finger}-1.L"] - at["wrist.L"])
        angle = SPREAD * np.arctan2(knuckle[2], knuckle[0])
        target = np.array([np.cos(angle), 0, np.sin(angle)])
        names = [f"finger{finger}-{phalanx}.L" for phalanx in (1, 2, 3)]
        ends = [at[names[1]], at[names[2]], tails[bones.index(names[2])]]
        for name, end in zip(names, ends, strict=True):
            turned[name] = minimal_rotation(hand @ (end - at[name]), target) @ hand
    return turned


def bone_motions(
    bones: tuple[str, ...], parents: Array, heads: Array, tails: Array
) -> tuple[Array, Array]:
    """heads (163,3) of a symmetric body -> rotations (163,3,3), moved heads (163,3)."""
    other = mirrored_bones(bones)
    rotations = np.tile(np.eye(3), (len(bones), 1, 1))
    for name, rotation in left_rotations(bones, heads, tails).items():
        index = bones.index(name)
        rotations[index] = rotation
        rotations[other[index]] = FLIP @ rotation @ FLIP
    moved = heads.copy()
    for index, parent in enumerate(parents):
        if parent >= 0:
            moved[index] = moved[parent] + rotations[parent] @ (heads[index] - heads[parent])
    return rotations, moved


def skin(
    vertices: Array, weights: sp.csr_matrix, rotations: Array, heads: Array, moved: Array
) -> Array:
    """vertices (N,3), weights (N,163) -> (N,3) by plain linear blend skinning."""
    offset = moved - np.einsum("bij,bj->bi", rotations, heads)
    motion = np.concatenate([rotations.reshape(-1, 9), offset], 1)
    blended = weights @ motion
    turned = np.einsum("nij,nj->ni", blended[:, :9].reshape(-1, 3, 3), vertices)
    return np.asarray(turned + blended[:, 9:])


def relaxed_hand(bones: tuple[str, ...], heads: Array, tails: Array) -> dict[str, Array]:
    """-> for every left finger bone the rotation (3,3), relative to its parent, flat -> drawn."""
    turned = left_rotations(bones, heads, tails)
    hand = turned["wrist.L"]
    local = {}
    for finger in (1, 2, 3, 4, 5):
        before = np.eye(3)
        for phalanx in (1, 2, 3):
            name = f"finger{finger}-{phalanx}.L"
            back = (turned[name] @ hand.T).T
            local[name] = before.T @ back
            before = back
    return local


def people(source: Source, sliders: dict[str, Array]) -> People:
    """-> the bodies that the sliders describe, posed and aligned."""
    rest, heads, tails, eye = rest_samples(source, sliders)
    number = {name: i for i, name in enumerate(source.bones)}
    radius = np.linalg.norm(eye - eye.mean(1, keepdims=True), axis=2).mean(1)
    relaxed = relaxed_hand(source.bones, heads.mean(0), tails.mean(0))
    for index in range(len(rest)):
        turn, moved = bone_motions(source.bones, source.bone_parents, heads[index], tails[index])
        rest[index] = skin(rest[index], source.weights, turn, heads[index], moved)
        tails[index] = moved + np.einsum("bij,bj->bi", turn, tails[index] - heads[index])
        heads[index] = moved
    root = (heads[:, number["spine05"]] + heads[:, number["spine04"]]) / 2
    offset = (PELVIS - root)[:, None]
    return People(rest + offset, heads + offset, tails + offset, radius, relaxed)
