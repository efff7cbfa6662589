"""What a leaderboard of hands refuses, or takes and punishes: counts, units, axes, order, side."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpscli.run.hands.files import HandFile
from hpscli.run.hands.freihand import MEMBER

Array = NDArray[np.float64]

JOINTS, VERTICES = 21, 778
# Of one finger from its root to its tip, from the thumb on; the wrist is 0 in both orders.
FINGERS = {
    "FreiHAND": ((1, 2, 3, 4), (5, 6, 7, 8), (9, 10, 11, 12), (13, 14, 15, 16), (17, 18, 19, 20)),
    "MANO": ((13, 14, 15, 16), (1, 2, 3, 17), (4, 5, 6, 18), (10, 11, 12, 19), (7, 8, 9, 20)),
}
ENOUGH = 8  # hands, before anything is said about all of them
MOST = 0.6  # of the hands must look wrong
HAND_M = 0.17  # metres from corner to corner of a hand, about
UNITS = {2: "centimetres", 3: "millimetres"}  # power of ten
SHORTER = 0.75  # length of the fingers in another order
APART_M = 0.2  # middle of the joints to the middle of the mesh
WRIST_M = 0.02  # a wrist so near to the origin is the origin
SAME = 0.5  # of the hands may be alike
BENT = 0.02  # sine of the angle between bones, below which a finger says nothing


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What one leaderboard expects."""

    name: str
    counts: tuple[int, ...]  # of its evaluation list, or of any of its versions
    order: str  # of the joints: a name in FINGERS
    forward: float  # sign of z before the camera
    axes: str  # in words


def check_hands(file: HandFile, rules: Rules, *, mesh: str = "mano") -> None:
    """The hands of a file -> more findings in it. mesh: "mano", or "any" other one."""
    joints, vertices = file.joints, file.vertices
    if joints is None or vertices is None:
        return
    if (joints.shape[1], vertices.shape[1]) == (VERTICES, JOINTS):
        file.say("vertices come first, joints second.", "Swap the two lists: [joints, vertices].")
        joints, vertices = vertices, joints
    _counts(file, joints, vertices, rules, mesh)
    if not (_finite(file, "joints", joints) and _finite(file, "vertices", vertices)):
        return
    if joints.shape[1] == JOINTS and len(joints):
        _unit(file, joints, vertices)
        _order(file, joints, rules)
        _place(file, joints, vertices, rules)
        _side(file, joints, rules)
        _alike(file, joints)


def _counts(file: HandFile, joints: Array, vertices: Array, rules: Rules, mesh: str) -> None:
    if len(joints) != len(vertices):
        file.say(
            f"{len(joints)} hands have joints, {len(vertices)} have vertices.",
            "Write one entry of each for every picture of the list.",
        )
    expected = " or ".join(str(count) for count in rules.counts)
    for count, what in ((len(joints), "joints"), (len(vertices), "vertices")):
        if count not in rules.counts:
            file.say(
                f"it holds {what} of {count} hands, {rules.name}'s evaluation list has {expected}.",
                "Predict every picture of the list, in its order.",
            )
            break
    if joints.shape[1] != JOINTS:
        file.say(
            f"every hand has {joints.shape[1]} joints instead of {JOINTS}.",
            "Add the five finger tips: MANO itself has 16 joints."
            if joints.shape[1] == 16
            else "Give the wrist and four joints per finger.",
        )
    if vertices.shape[1] != VERTICES:
        file.say(
            f"every hand has {vertices.shape[1]} vertices, MANO's mesh has {VERTICES}: the server then "
            "gives no mesh error and scales the mesh wrongly.",
            "Predict MANO's fine mesh; for a mesh that is meant to be another: mesh=any",
            error=mesh == "mano",
        )


def _finite(file: HandFile, name: str, points: Array) -> bool:
    bad = np.flatnonzero(~np.isfinite(points).all(axis=(1, 2)))
    if len(bad):
        file.say(
            f"the {name} of {len(bad)} of {len(points)} hands are NaN or infinite, first hand "
            f"{bad[0]}: the server stops there.",
            "A model that diverged predicts this; try an earlier checkpoint: RUN@EPOCH",
        )
    return not len(bad)


def _unit(file: HandFile, joints: Array, vertices: Array) -> None:
    for name, points in (("joints", joints), ("vertices", vertices)):
        extent = np.linalg.norm(points.max(axis=1) - points.min(axis=1), axis=1)
        if not (extent > 0).any():
            continue
        size = float(np.median(extent[extent > 0]))
        power = round(np.log10(size / HAND_M))
        if power in UNITS:
            fix = f"Divide by {10**power}: the list is in metres."
            file.say(f"the {name} are in {UNITS[power]}: hands are {size:.0f} long.", fix)
        elif power and len(points) >= ENOUGH:
            file.say(
                f"half of the hands are less, half more than {size:.3g} m long: no hand is.",
                f"Give the {name} in metres.",
                error=False,
            )


def _order(file: HandFile, joints: Array, rules: Rules) -> None:
    """Joints in another order make long fingers."""
    lengths = {name: finger_lengths(joints, name) for name in FINGERS}
    for name, length in lengths.items():
        shorter = np.mean(length < SHORTER * lengths[rules.order])
        if name != rules.order and len(joints) >= ENOUGH and shorter > MOST:
            file.say(
                f"the joints are in {name}'s order, {rules.name} wants {rules.order}'s.",
                f"Order them: {', '.join(str(i) for i in reordering(name, rules.order))}",
            )


def finger_lengths(joints: Array, order: str) -> Array:
    """joints (N,21,3) -> sum of all distances along the fingers (N,), wrist included."""
    chains = [(0, *finger) for finger in FINGERS[order]]
    bones = np.array([pair for chain in chains for pair in zip(chain, chain[1:], strict=False)])
    ends = joints[:, bones]
    return np.asarray(np.linalg.norm(ends[:, :, 1] - ends[:, :, 0], axis=2).sum(axis=1))


def reordering(given: str, wanted: str) -> tuple[int, ...]:
    """-> which joint of the one order is joint i of the other."""
    place = {0: 0}
    for ours, theirs in zip(FINGERS[wanted], FINGERS[given], strict=True):
        place.update(zip(ours, theirs, strict=True))
    return tuple(place[i] for i in range(JOINTS))


def _place(file: HandFile, joints: Array, vertices: Array, rules: Rules) -> None:
    count = min(len(joints), len(vertices))
    gap = np.linalg.norm(joints[:count].mean(axis=1) - vertices[:count].mean(axis=1), axis=1)
    if np.mean(gap > APART_M) > MOST:
        file.say(
            "joints and vertices of a hand lie in different places.",
            "Subtract the wrist from both, or from none.",
        )
        return
    wrist = np.linalg.norm(joints[:, 0], axis=1)
    if len(joints) >= ENOUGH and np.mean(wrist < WRIST_M) > MOST and (wrist >= WRIST_M).any():
        file.say(
            f"{int((wrist >= WRIST_M).sum())} of {len(wrist)} hands lie in the camera, the others at "
            "their wrist.",
            "Predict all hands in one frame.",
            error=False,
        )
    nearest = [(points[:count, :, 2] * rules.forward).max(axis=1) for points in (joints, vertices)]
    wrong = float(np.mean((nearest[0] < 0) & (nearest[1] < 0)))
    if wrong > MOST:
        file.say(
            f"{wrong:.0%} of the hands lie behind the camera: the axes are not {rules.axes}.",
            "Multiply y and z of all points by -1.",
        )


def _side(file: HandFile, joints: Array, rules: Rules) -> None:
    mirrored = handedness(joints, rules.order)
    telling = mirrored != 0
    if telling.sum() < ENOUGH:
        return
    left = float(np.mean(mirrored[telling] < 0))
    if left > MOST:
        file.say(
            f"{left:.0%} of the hands look like left hands: fingers bend towards their back. The "
            "aligned scores allow mirror images, the others punish them.",
            "All hands of the list are right ones; if pictures were mirrored, mirror back: x -> -x",
            error=False,
        )


def handedness(joints: Array, order: str) -> Array:
    """joints (N,21,3) -> above 0 for right hands, below 0 for left ones, 0 for stretched ones.

    Fingers bend towards the palm: the axis of bending points from the little finger to the index of a
    right hand.
    """
    fingers = np.array(FINGERS[order][1:])
    across = joints[:, fingers[3, 0]] - joints[:, fingers[0, 0]]  # index to little finger
    found = np.zeros(len(joints))
    for finger in fingers:
        first = joints[:, finger[1]] - joints[:, finger[0]]
        second = joints[:, finger[2]] - joints[:, finger[1]]
        length = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
        length *= np.linalg.norm(across, axis=1)
        axis = np.cross(first, second)
        bend = np.einsum("nc,nc->n", axis, across) / np.where(length > 0, length, 1.0)
        found -= np.where(np.abs(bend) > BENT, bend, 0.0)
    return found


def _alike(file: HandFile, joints: Array) -> None:
    if len(joints) < ENOUGH:
        return
    still = np.flatnonzero(np.ptp(joints, axis=1).max(axis=1) == 0)
    if len(still):
        file.say(
            f"{len(still)} of {len(joints)} hands are one point, first hand {still[0]}.",
            "They count as predictions; was something not predicted?",
            error=False,
        )
    shapes = np.round(joints - joints[:, :1], 5)
    distinct = len(np.unique(shapes.reshape(len(joints), -1), axis=0))
    if distinct < SAME * len(joints):
        file.say(
            f"{len(joints)} hands have only {distinct} different poses.",
            "Is one prediction repeated for many pictures?",
            error=False,
            place=MEMBER,
        )
