"""Which leg is which: regressor files of the same name exist with the legs exchanged.

The rows named right_* must lie on the person's right. With an imported body the joints are taken
from its template (left is +x). Without one, the numbers of the vertices tell: the free bodies are
of no use here, since their vertices are numbered in another way.
"""

from dataclasses import dataclass

import numpy as np

from hpscli.body.assets.files import have_asset, read_asset

# SMPL numbers its left half before its right one. Checked on the adjacency of the official sampling
# file, by distance from the eye, ear, finger, toe and heel vertices of the smplx package: every one
# of the 3331 vertices nearer to a right one is >= 3500, and 99.5 % of the 3420 left ones are below.
SMPL_FIRST_RIGHT = 3500
# SMPL-X keeps its numbers of limbs in blocks: left finger tips, toes 4933-5780, right 7669-8474
# (smplx package), left knee 3545-3675, right 6306-6436 (regressor of OSX). Heads and feet are apart.
SMPLX_LEFT, SMPLX_RIGHT = (3200, 5894), (5894, 8600)
PAIRS = ("knee", "ankle", "hip")  # knees decide; hips alone only where there is nothing else
CLEAR_METRES, CLEAR_SHARE = 0.05, 0.3


@dataclass(frozen=True)
class SideTest:
    """swapped: True, False, or None when the rows do not tell; `by`: what was asked."""

    swapped: bool | None
    by: str


def side_test(regressor: np.ndarray, joints: tuple[str, ...], kind: str) -> SideTest:
    """regressor (J,V) with names of its rows -> whether right_* rows lie on the person's left."""
    template, by = _template(kind, regressor.shape[1])
    if template is not None:
        across = regressor @ template[:, 0]  # x of each joint, left positive
        clear = CLEAR_METRES
    else:
        across = regressor @ _sides_by_number(kind)
        clear = CLEAR_SHARE
    for part in PAIRS:
        left, right = (_row(joints, side, part) for side in ("left", "right"))
        if left is not None and right is not None:
            gap = across[left] - across[right]
            if abs(gap) > clear:
                return SideTest(swapped=bool(gap < 0), by=by)
    return SideTest(swapped=None, by=by)


def exchange_legs(regressor: np.ndarray, joints: tuple[str, ...]) -> np.ndarray:
    """regressor (J,V) -> the same with the rows of left and right hip, knee, ankle exchanged."""
    order = list(range(len(joints)))
    for part in PAIRS:
        left, right = (_row(joints, side, part) for side in ("left", "right"))
        if left is not None and right is not None:
            order[left], order[right] = right, left
    return regressor[order]


def _row(joints: tuple[str, ...], side: str, part: str) -> int | None:
    for index, name in enumerate(joints):
        words = name.lower().replace(" ", "_").split("_")
        if words[:2] == [side, part]:
            return index
    return None


def _template(kind: str, vertices: int) -> tuple[np.ndarray | None, str]:
    for gender in ("neutral", "female", "male"):
        asset = f"{kind}-{gender}"
        if have_asset(asset):
            template = read_asset(asset)[0]["v_template"]
            if len(template) == vertices:
                return template.astype(np.float64), f"template of {asset}"
    return None, "vertex numbers"


def _sides_by_number(kind: str) -> np.ndarray:
    """-> (V,) +1 left, -1 right, 0 unknown."""
    if kind == "smpl":
        sides = np.ones(6890)
        sides[SMPL_FIRST_RIGHT:] = -1
        return sides
    sides = np.zeros(10475)
    sides[slice(*SMPLX_LEFT)] = 1
    sides[slice(*SMPLX_RIGHT)] = -1
    return sides
