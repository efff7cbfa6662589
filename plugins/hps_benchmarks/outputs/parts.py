"""What the files of other programs have in common: axis-angle poses, and columns of the right shape."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import InvalidData

Floats = NDArray[np.float64]
# How many joints a regressed array has -> the joint set: SPIN and mmhuman3d call 17 of Human3.6M
# with the left leg first (SPIN constants.H36M_TO_J17, mmhuman3d keypoints_mapping/h36m.py).
JOINT_SETS = {17: "h36m17_lfirst", 24: "smpl24", 45: "smpl45", 49: "smpl49", 54: "smpl54"}


def column(values: ArrayLike, name: str, shape: Sequence[int], source: str) -> Floats:
    """Anything that holds N people -> (N,*shape) float64; a -1 in the shape takes any size."""
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise InvalidData(f"{source}: '{name}' is not an array of numbers.") from None
    if found.ndim != 1 + len(shape) or any(
        wanted not in (-1, size) for size, wanted in zip(found.shape[1:], shape, strict=True)
    ):
        said = ",".join("any" if size < 0 else str(size) for size in shape)
        raise InvalidData(
            f"{source}: '{name}' has the shape {found.shape}, expected (N,{said}).",
            "Which layouts there are: hps info predictions",
        )
    return found


def rotations(axis_angles: ArrayLike) -> Floats:
    """Axis-angle (N,3J) or (N,J,3) -> rotation matrices (N,J,3,3)."""
    values = np.asarray(axis_angles, np.float64)
    vectors = torch.from_numpy(np.array(values.reshape(len(values), -1, 3)))
    turned: Floats = axis_angle_to_matrix(vectors).numpy()
    return turned


def smpl_pose(turned: Floats) -> dict[str, Floats]:
    """Rotation matrices (N,24,3,3), root first -> parameters of SMPL by their names."""
    return {
        "parameters.global_orient": turned[:, 0],
        "parameters.body_pose": turned[:, 1:],
    }


def joints(values: ArrayLike, name: str, source: str) -> dict[str, Floats]:
    """Joints (N,J,3) metres -> the same under the name of their set; of an unknown J nothing."""
    found = column(values, name, (-1, 3), source)
    known = JOINT_SETS.get(found.shape[1])
    return {f"joints.{known}": found} if known and np.any(found) else {}


def entry(document: Mapping[str, Any], name: str, source: str) -> Any:
    """-> an entry that has to be there."""
    if name not in document:
        raise InvalidData(
            f"{source} has no '{name}', only {', '.join(map(str, list(document)[:8]))}.",
            "Which layouts there are: hps info predictions",
        )
    return document[name]
