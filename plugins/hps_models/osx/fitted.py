"""The SMPL-X that was fitted to a person, as OSX learns it: parameters, joints, and which of them count.

Source: the official process_human_model_output (SPEC 6.4), and what the loaders of Human3.6M, MPII and
MPI-INF-3DHP do not trust in NeuralAnnot's fits: rotations of ankles and wrists, joints of the feet.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from hps_models.osx.cells import depth_cells, inside
from hps_models.osx.geometry import (
    CELL_PX,
    FACE,
    JOINT_SET,
    JOINTS,
    LEFT_HAND,
    PACKAGE_SET,
    PICTURE,
    RIGHT_HAND,
)
from hps_models.osx.mesh import part_relative
from hpscli.body.joints import conversion_index, joint_set
from hpscli.body.layer import PARAMETERS, Body, matrices
from hpscli.data.labels import UNTOUCHED
from hpscli.data.turning import MIRROR, MIRROR_PARTNERS, pose_order
from hpscli.records import Batch

POSE_PARTS = ("global_orient", "body_pose", "left_hand_pose", "right_hand_pose", "jaw_pose")
POSE_SET, POSE_NUMBERS = "osx_smplx_pose53", 159
BODY_LABELS = ("global_orient", "body_pose", "betas")
EXTREME = 3.0  # a shape with a coefficient beyond becomes the mean shape, its joints stay
DOUBTED_SETS = ("Human36M", "MPII", "MPI_INF_3DHP")  # metadata `set` of the reader `osx-json`
DOUBTED_ROTATIONS = ("L_Ankle", "R_Ankle", "L_Wrist", "R_Wrist")
DOUBTED_JOINTS = ("L_Big_toe", "L_Small_toe", "L_Heel", "R_Big_toe", "R_Small_toe", "R_Heel")


def parameters(batch: Batch, body: Body) -> dict[str, Tensor]:
    """Batch -> pose, betas, expression and their masks, as in Targets."""
    parts, valid = [], []
    means = {
        "left_hand_pose": body.hand_means["hands_meanl"],
        "right_hand_pose": body.hand_means["hands_meanr"],
    }
    like = batch.image.new_zeros(len(batch), dtype=torch.float32)
    for name in POSE_PARTS:
        numbers = 3 * PARAMETERS["smplx"][name]
        value = batch.targets.get(f"smplx.{name}")
        if value is None:
            parts.append(like[:, None].expand(-1, numbers))
            valid.append(parts[-1])
            continue
        if name in means:
            value = value - torch.as_tensor(means[name], dtype=value.dtype, device=value.device)
        present = batch.present[f"smplx.{name}"].to(value.dtype)[:, None].expand_as(value)
        parts.append(value)
        valid.append(present)
    rotations, _ = believed(batch)
    pose_valid = torch.cat(valid, dim=1) * rotations.repeat_interleave(3, dim=1)
    found = {"pose": torch.cat(parts, dim=1) * pose_valid, "pose_valid": pose_valid}
    for ours, name in (("betas", "betas"), ("expression", "expression")):
        if (value := batch.targets.get(f"smplx.{name}")) is not None:
            present = batch.present[f"smplx.{name}"].to(value.dtype)
            value = value[:, :10]
            if name == "betas":
                value = value * (value.abs() <= EXTREME).all(dim=1, keepdim=True)
            found |= {ours: value * present[:, None], f"{ours}_valid": present}
    return found


def body_joints(batch: Batch, body: Body) -> dict[str, Tensor]:
    """Joints of the annotated SMPL-X; in the picture only when it says where the body stands.

    Hands that are not annotated, and a face without jaw or expression, have no joints; the body has.
    In the mirror they are the mirrored joints of the person, as official, not those of the mirrored
    pose: neither bodies nor expressions are symmetric.
    """
    names = (*PARAMETERS["smplx"], "betas", "expression")
    given = {n: batch.targets[f"smplx.{n}"] for n in names if f"smplx.{n}" in batch.targets}
    if any(name not in given for name in BODY_LABELS):
        return {}
    valid = _annotated_joints(batch)
    with torch.no_grad():
        rotations = matrices(_not_mirrored(given, batch.flipped))
        vertices, joints = body(rotations)
        package = body.regress(vertices, PACKAGE_SET, joints=joints, parameters=rotations)
    pelvis = joints[:, :1]  # where a body's rotation leaves it
    points = package[:, conversion_index(PACKAGE_SET, JOINT_SET).tolist()] - pelvis
    mirrored = points[:, list(joint_set(JOINT_SET).mirror)] * points.new_tensor([-1.0, 1.0, 1.0])
    points = torch.where(batch.flipped[:, None, None], mirrored, points)
    metres = part_relative(points)
    result = {"body_metres": metres * valid, "body_valid": valid}
    place = batch.targets.get(UNTOUCHED + "smplx.transl")
    lens = batch.targets.get("camera.crop_intrinsics")
    if place is None or lens is None:
        return result
    placed = points + (pelvis + place[:, None]) @ turns(batch).mT
    window = place.new_tensor([batch.image.shape[-1], batch.image.shape[-2]])
    pixels = (placed @ lens.mT)[..., :2] / placed[..., 2:]
    cells = pixels / window * place.new_tensor([PICTURE[1], PICTURE[0]]) / CELL_PX
    image = torch.cat([cells, depth_cells(metres)], dim=2)
    there = batch.present[UNTOUCHED + "smplx.transl"] & batch.present["camera.crop_intrinsics"]
    seen = valid * there.to(valid.dtype)[:, None, None] * inside(image)
    return result | {"body_image": torch.where(seen > 0, image, 0.0), "body_seen": seen}


def _not_mirrored(given: Mapping[str, Tensor], flipped: Tensor) -> dict[str, Tensor]:
    """Parameters as labelled in a picture -> of mirrored ones (B,) those of the person before that."""
    found = dict(given)
    for name in PARAMETERS["smplx"]:
        partner = MIRROR_PARTNERS.get(f"smplx.{name}", f"smplx.{name}").removeprefix("smplx.")
        if name not in given and partner not in given:
            continue
        known = given[name if name in given else partner]
        kept, crossed = given.get(name, 0 * known), given.get(partner, 0 * known)
        turned = crossed.reshape(len(crossed), -1, 3) * known.new_tensor(MIRROR.tolist())
        if (order := pose_order(f"smplx.{name}")) is not None:
            turned = turned[:, list(order)]
        found[name] = torch.where(flipped[:, None], turned.flatten(1), kept)
    return found


def _annotated_joints(batch: Batch) -> Tensor:
    """-> joints (B,137,1) of the annotated SMPL-X: 1 where what moves them is annotated."""

    def has(*names: str) -> Tensor:
        every = torch.zeros(len(batch), dtype=torch.bool, device=batch.image.device)
        kept = [batch.present.get(f"smplx.{name}", every) for name in names]
        return torch.stack(kept).bool().all(dim=0).to(torch.float32)[:, None, None]

    valid = has(*BODY_LABELS).repeat(1, JOINTS, 1)
    for part, wanted in (
        (LEFT_HAND, ("left_hand_pose",)),
        (RIGHT_HAND, ("right_hand_pose",)),
        (FACE, ("jaw_pose", "expression")),
    ):
        valid[:, part] *= has(*wanted)
    return valid * believed(batch)[1][:, :, None]


def believed(batch: Batch) -> tuple[Tensor, Tensor]:
    """-> rotations (B,53) and joints (B,137): 0 where fits of a person's set are not to be trusted."""
    doubted = torch.tensor([person.get("set") in DOUBTED_SETS for person in batch.meta])
    found = []
    for joints, names in ((POSE_SET, DOUBTED_ROTATIONS), (JOINT_SET, DOUBTED_JOINTS)):
        known = joint_set(joints).joints
        mask = torch.ones(len(batch), len(known))
        if doubted.any():
            mask[doubted[:, None] & torch.tensor([name in names for name in known])] = 0
        found.append(mask.to(batch.image.device))
    return found[0], found[1]


def turns(batch: Batch) -> Tensor:
    """-> (B,3,3): what points of the original camera were multiplied by, a rotation about z and a mirror."""
    flat = batch.affine[:, :, :2].float()
    flat = flat / flat.norm(
        dim=2, keepdim=True
    )  # of whole pixels, width and height differ a little
    turned = torch.eye(3, device=flat.device).repeat(len(flat), 1, 1)
    turned[:, :2, :2] = flat
    return turned
