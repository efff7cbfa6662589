"""A body seen from another frame: what happens to its root's rotation and to its translation.

A body turns about its pelvis, which at rest is not the origin. So a camera's rotation R and
translation T take `transl` t to R (J + t) + T - J, where J is the pelvis at rest of that gender and
shape. Without a body J is unknown, and then so is `transl`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hpscli.body.assets.files import have_asset
from hpscli.body.layer import load_body
from hpscli.body.rotations import axis_angle_to_matrix, matrix_to_axis_angle

Array = np.ndarray[Any, np.dtype[Any]]


def in_camera(
    arrays: Mapping[str, Array], kind: str, gender: str, rotation: Array, translation: Array
) -> dict[str, Array]:
    """Arrays of a body in the world -> the same in the camera.

    Without `KIND.transl` where the body that knows the pelvis is not here; a camera that only moves
    needs none.
    """
    seen = dict(arrays)
    transl = seen.pop(f"{kind}.transl")
    if np.allclose(rotation, np.eye(3)):
        return {**seen, f"{kind}.transl": transl + translation}
    seen[f"{kind}.global_orient"] = turned_root(seen[f"{kind}.global_orient"], rotation)
    pelvis = rest_pelvis(kind, gender, seen[f"{kind}.betas"])
    if pelvis is not None:
        seen[f"{kind}.transl"] = moved_translation(transl, pelvis, rotation, translation)
    return seen


def turned_root(root: Array, rotation: Array) -> Array:
    """Axis-angle (...,3) in the world, world -> camera (...,3,3) -> axis-angle (...,3) in the camera."""
    turned = torch.from_numpy(np.array(rotation, np.float64)) @ axis_angle_to_matrix(
        torch.from_numpy(np.array(root, np.float64))
    )
    return matrix_to_axis_angle(turned).numpy()


def moved_translation(transl: Array, pelvis: Array, rotation: Array, translation: Array) -> Array:
    """`transl` (...,3) in the world, pelvis at rest, camera -> `transl` (...,3) in the camera, metres."""
    placed = np.einsum("...ij,...j->...i", rotation, pelvis + transl)
    return np.asarray(placed + translation - pelvis)


def rest_pelvis(kind: str, gender: str, betas: Array) -> Array | None:
    """Shape (10,) -> the pelvis at rest (3,) metres of the imported body; None when it is not here."""
    stored = _pelvis(kind, gender) if have_asset(f"{kind}-{gender}") else None
    if stored is None:
        return None
    template, directions = stored
    count = min(len(betas), directions.shape[-1])
    with np.errstate(invalid="ignore"):  # of shapes that are no numbers, which are refused later
        return np.asarray(template + directions[:, :count] @ np.asarray(betas, np.float64)[:count])


def _pelvis(kind: str, gender: str) -> tuple[Array, Array]:
    """-> where the pelvis of the mean body rests (3,), and how it moves with the shape (3,S)."""
    body = load_body(kind, gender=gender, source="imported")
    numbers = [
        body.get_buffer(name)[0].double().numpy() for name in ("joint_template", "joint_dirs")
    ]
    return numbers[0], numbers[1][:, : body.betas]
