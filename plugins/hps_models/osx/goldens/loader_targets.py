"""What OSX is trained towards, under its loaders' names: a person's labels under a change -> its targets.

The targets are those of training (hps_models.osx.targets); here are the way there from a person that
was just read, and the way back to the words and masks of the recordings.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from hps_models.osx.geometry import CROP, JOINT_SET
from hps_models.osx.goldens.training import NAMES
from hps_models.osx.targets import Targets, from_batch
from hpscli.body.layer import PARAMETERS, Body, matrices
from hpscli.body.placement import moved_translation
from hpscli.data.crops import compose
from hpscli.data.labels import Moves, move_labels
from hpscli.data.official_crops.osx import Change
from hpscli.records import Batch, Person

Array = np.ndarray[Any, np.dtype[Any]]
PARTS = ("lhand", "rhand", "face")
MASKS = {  # official arrays -> those that say what of them is learnt
    "joint_cam": "joint_valid",
    "smplx_joint_img": "smplx_joint_trunc",
    "smplx_joint_cam": "smplx_joint_valid",
    "smplx_pose": "smplx_pose_valid",
    "smplx_shape": "smplx_shape_valid",
    "smplx_expr": "smplx_expr_valid",
    **{
        f"{part}_bbox_{what}": f"{part}_bbox_valid" for part in PARTS for what in ("center", "size")
    },
}


def targets_of(
    person: Person, affine: Array, change: Change, body: Body, image_width: int
) -> Targets:
    """A person as read, the affine (2,3) of the picture, mirrored first if drawn -> what is learnt."""
    forward = np.asarray(affine, np.float64)
    if change.flip:
        mirror = np.array([[-1.0, 0.0, image_width - 1.0], [0.0, 1.0, 0.0]])
        forward = compose(mirror, forward)
    # there the mirrored picture is turned, here the turned one is mirrored
    degrees = change.rotation_degrees if change.flip else -change.rotation_degrees
    moves = Moves(forward[None], np.array([degrees]), np.array([change.flip]), CROP)
    arrays = {
        name: np.asarray(array, np.float32)
        for name, array in with_smplx(person.arrays, body).items()
    }
    labels = move_labels([arrays], moves, JOINT_SET)
    batch = Batch(
        keys=(person.key,),
        image=torch.zeros(1, 1, 1, 1).expand(1, 3, *CROP),
        targets={name: torch.from_numpy(np.array(values)) for name, (values, _) in labels.items()},
        present={name: torch.from_numpy(np.array(there)) for name, (_, there) in labels.items()},
        affine=torch.from_numpy(np.float32(forward))[None],
        flipped=torch.tensor([change.flip]),
        meta=(person.meta,),
    )
    return from_batch(batch, body)


def with_smplx(arrays: Mapping[str, Array], body: Body) -> dict[str, Array]:
    """A person's arrays -> the same with what readers add where this SMPL-X is imported."""
    found = dict(arrays)
    for side in ("left", "right"):
        pose = found.get(f"extra.{side}_hand_pose_from_mean")
        if pose is not None:
            mean = np.asarray(body.hand_means[f"hands_mean{side[0]}"], np.float64)
            found[f"smplx.{side}_hand_pose"] = pose + mean
    if "camera.rotation" in found and "extra.world_transl" in found:
        found["smplx.transl"] = moved_translation(
            found["extra.world_transl"],
            _rest_pelvis(body, found["smplx.betas"]),
            found["camera.rotation"],
            found["camera.translation"],
        )
    return found


def _rest_pelvis(body: Body, betas: Array) -> Array:
    """Shape (10,) -> where the pelvis rests (3,) metres."""
    numbers = {name: torch.zeros(1, 3 * count) for name, count in PARAMETERS["smplx"].items()}
    numbers |= {
        "betas": torch.from_numpy(np.float32(betas))[None],
        "expression": torch.zeros(1, 10),
    }
    with torch.no_grad():
        return np.asarray(body(matrices(numbers))[1][0, 0].double())


def named(targets: Targets, row: int = 0) -> dict[str, Array]:
    """-> one person's targets by their official names; joint_valid is of 3D, as it is used."""
    found = {theirs: getattr(targets, ours)[row].numpy() for ours, theirs in NAMES.items()}
    for index, part in enumerate(PARTS):
        for what, ours in (("center", "centres"), ("size", "sizes")):
            found[f"{part}_bbox_{what}"] = getattr(targets, f"box_{ours}")[row, index].numpy()
        found[f"{part}_bbox_valid"] = targets.boxes_valid[row, index].numpy()
    return found


def learnt(stored: Mapping[str, Array], ours: Mapping[str, Array]) -> dict[str, Array]:
    """A loader's arrays -> the same, zero where nothing is learnt from them.

    Masks are the loader's, and `ours` where it returns none: MPI_INF_3DHP's.
    """
    found = dict(stored)
    if "joint_valid" in stored:
        found["joint_img"] = stored["joint_img"] * (stored["joint_valid"] > 0)
        found["joint_valid"] = stored["joint_valid"] * stored["is_3D"]
    for name, mask in MASKS.items():
        if name in stored:
            found[name] = stored[name] * found.get(mask, ours[mask])
    return found
