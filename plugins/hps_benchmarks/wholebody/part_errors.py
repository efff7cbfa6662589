"""Errors of a whole-body mesh by its parts: all of it, hands, face, and joints regressed from it.

Arrays keep their precision (see similarity.py). Every error is in millimetres, one number a person.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hps_benchmarks.wholebody.similarity import onto

Array = np.ndarray[Any, np.dtype[Any]]
Align = Callable[[Array, Array], Array]

PELVIS, NECK = 0, 12  # rows of SMPL-X's joint regressor
WRISTS = {"left": 20, "right": 21}
# Wrist, then three joints and the tip of thumb, index, middle, ring and little finger: rows of the joint
# regressor, and after each finger its tip, a vertex. reference/metrics/tables.json, smplx_hand21.
FINGERS = {
    "left": ((37, 38, 39), (25, 26, 27), (28, 29, 30), (34, 35, 36), (31, 32, 33)),
    "right": ((52, 53, 54), (40, 41, 42), (43, 44, 45), (49, 50, 51), (46, 47, 48)),
}
TIPS = {"left": (5361, 4933, 5058, 5169, 5286), "right": (8079, 7669, 7794, 7905, 8022)}
MM_PER_M = 1000


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Where the parts of a mesh of V vertices are."""

    joints: Array  # (55,V): SMPL-X's own joint regressor
    left_hand: Array  # numbers of vertices
    right_hand: Array
    face: Array
    body: Array | None = None  # (14,V): SMPLX_to_J14; only protocols with joints need it
    left_tips: Array | tuple[int, ...] = TIPS["left"]
    right_tips: Array | tuple[int, ...] = TIPS["right"]

    def hand_joints(self, side: str) -> Array:
        """ "left" or "right" -> (21,V) float64."""
        tips = np.asarray(self.left_tips if side == "left" else self.right_tips)
        rows = [self.joints[[WRISTS[side]]]]
        for finger, tip in zip(FINGERS[side], tips, strict=True):
            vertex = np.zeros((1, self.joints.shape[1]))  # float64, as np.eye of official code
            vertex[0, tip] = 1
            rows += [self.joints[list(finger)], vertex]
        return np.concatenate(rows)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Which points count; people of whom nothing of a part counts have no error of it."""

    vertices: Array  # (N,V) bool
    body: Array  # (N,14) bool
    left_hand: Array  # (N,21) bool, joints
    right_hand: Array  # (N,21) bool, joints


def vertex_errors(
    predicted: Array, true: Array, parts: Parts, *, seen: Seen | None = None, align: Align = onto
) -> dict[str, Array]:
    """Meshes (N,V,3) metres -> {mpvpe_PART, pa_mpvpe_PART: (N,)} of all, hands, face."""
    shown = None if seen is None else seen.vertices
    joints = [np.matmul(parts.joints, mesh) for mesh in (predicted, true)]
    found: dict[str, Array] = {}
    for part, root, index in (
        ("all", PELVIS, None),
        ("left_hand", WRISTS["left"], parts.left_hand),
        ("right_hand", WRISTS["right"], parts.right_hand),
        ("face", NECK, parts.face),
    ):
        first, second = _chosen(predicted, index), _chosen(true, index)
        mask = None if shown is None else _chosen(shown, index)
        roots = [points[:, root : root + 1] for points in joints]
        moved = first - roots[0] + roots[1]
        found[f"mpvpe_{part}"] = mean_distance(moved, second, mask)
        found[f"pa_mpvpe_{part}"] = mean_distance(align(first, second), second, mask)
    masks = {"left_hand": parts.left_hand, "right_hand": parts.right_hand}
    there = [None if shown is None else _chosen(shown, index) for index in masks.values()]
    for kind in ("mpvpe", "pa_mpvpe"):
        sides = [found[f"{kind}_{part}"] for part in masks]
        found[f"{kind}_hands"] = both(*sides, *there)
    return found


def joint_errors(
    predicted: Array, true: Array, parts: Parts, *, seen: Seen | None = None, align: Align = onto
) -> dict[str, Array]:
    """Meshes (N,V,3) metres -> {pa_mpjpe_PART: (N,)} of body (14 joints) and hands (21 each)."""
    if parts.body is None:
        raise ValueError("these parts have no regressor of body joints")
    found: dict[str, Array] = {}
    for part, matrix in (
        ("body", parts.body),
        ("left_hand", parts.hand_joints("left")),
        ("right_hand", parts.hand_joints("right")),
    ):
        first, second = np.matmul(matrix, predicted), np.matmul(matrix, true)
        mask = None if seen is None else getattr(seen, part)
        found[f"pa_mpjpe_{part}"] = mean_distance(align(first, second), second, mask)
    there = (None, None) if seen is None else (seen.left_hand, seen.right_hand)
    hands = both(found["pa_mpjpe_left_hand"], found["pa_mpjpe_right_hand"], *there)
    return {**found, "pa_mpjpe_hands": hands}


def mean_distance(first: Array, second: Array, mask: Array | None = None) -> Array:
    """Points (N,P,3) metres -> mean distance (N,) mm over the points of the mask; NaN without any."""
    distances = np.sqrt(np.sum((first - second) ** 2, axis=2))
    if mask is None:
        return np.asarray(distances.mean(axis=1) * MM_PER_M)
    means = [
        row[known].mean() * MM_PER_M if known.any() else np.nan
        for row, known in zip(distances, mask, strict=True)
    ]
    return np.array(means, distances.dtype)


def both(
    left: Array, right: Array, left_seen: Array | None = None, right_seen: Array | None = None
) -> Array:
    """Errors (N,) of both hands, masks (N,P) -> their mean; of the one that is seen; NaN without any."""
    if left_seen is None or right_seen is None:
        return np.asarray((left + right) / 2)
    one, two = left_seen.any(axis=1), right_seen.any(axis=1)
    return np.where(one & two, (left + right) / 2, np.where(one, left, right))


def _chosen(values: Array, index: Array | None) -> Array:
    """values (N,V,...) -> (N,n,...), row by row in memory, on which sums of float32 depend."""
    return values if index is None else np.take(values, index, axis=1)
