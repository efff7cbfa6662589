"""What OSX is trained towards, in its own frames: cells of heat maps, metres from each part's root.

Source: the official data sets' __getitem__ and process_db_coord (SPEC 6). Absent labels have validity 0,
and everything that has is zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from hps_models.osx.cells import depth_cells, inside, to_cells
from hps_models.osx.fitted import POSE_NUMBERS, body_joints, parameters
from hps_models.osx.geometry import JOINT_SET, JOINTS
from hps_models.osx.mesh import part_relative
from hps_models.osx.part_boxes import part_boxes
from hpscli.body.joints import convert
from hpscli.body.layer import Body
from hpscli.records import Batch


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Labels of B people. 137 joints: x, y in cells of the 12x16 map and z in 0..16; metres from the
    part's root. Boxes: left hand, right hand, face; centre and size in cells."""

    joint_image: Tensor  # (B,137,3) of 2D and 3D annotations
    joint_seen: Tensor  # (B,137,1) annotated, and inside the volume
    joint_metres: Tensor  # (B,137,3)
    joint_valid: Tensor  # (B,137,1)
    has_depth: Tensor  # (B,): 3D annotations
    body_image: Tensor  # (B,137,3) of the fitted SMPL-X
    body_seen: Tensor  # (B,137,1)
    body_metres: Tensor  # (B,137,3)
    body_valid: Tensor  # (B,137,1)
    pose: Tensor  # (B,159) axis-angle, hands relative to the mean hand
    pose_valid: Tensor  # (B,159)
    betas: Tensor  # (B,10)
    betas_valid: Tensor  # (B,)
    expression: Tensor  # (B,10)
    expression_valid: Tensor  # (B,)
    box_centres: Tensor  # (B,3,2)
    box_sizes: Tensor  # (B,3,2)
    boxes_valid: Tensor  # (B,3)


def from_batch(batch: Batch, body: Body, *, fitted: bool = True) -> Targets:
    """Batch -> Targets, out of keypoints2d.*, keypoints3d.* and smplx.*, whichever are there.

    fitted: also body_*, joints of the annotated SMPL-X, which take a mesh.
    """
    labels = {**_pixels(batch), **_metres(batch), **parameters(batch, body)}
    empty = _nothing(len(batch), batch.image.device)
    found = replace(empty, **labels)
    known = found.joint_seen.maximum(found.joint_valid)
    depth = depth_cells(found.joint_metres) * found.has_depth[:, None, None] * known
    image = torch.cat([found.joint_image[..., :2], depth], dim=2)
    found = replace(
        found,
        joint_image=image,
        joint_seen=found.joint_seen * inside(image),
        **part_boxes(batch, image, found.joint_seen),
    )
    return replace(found, **body_joints(batch, body)) if fitted else found


def _nothing(batch: int, device: torch.device) -> Targets:
    shapes: Mapping[str, tuple[int, ...]] = {
        "joint_image": (JOINTS, 3),
        "joint_seen": (JOINTS, 1),
        "joint_metres": (JOINTS, 3),
        "joint_valid": (JOINTS, 1),
        "body_image": (JOINTS, 3),
        "body_seen": (JOINTS, 1),
        "body_metres": (JOINTS, 3),
        "body_valid": (JOINTS, 1),
        "pose": (POSE_NUMBERS,),
        "pose_valid": (POSE_NUMBERS,),
        "betas": (10,),
        "expression": (10,),
        "box_centres": (3, 2),
        "box_sizes": (3, 2),
        "boxes_valid": (3,),
    }
    return Targets(
        **{
            field.name: torch.zeros(batch, *shapes.get(field.name, ()), device=device)
            for field in fields(Targets)
        }
    )


def _gathered(batch: Batch, group: str) -> tuple[Tensor, Tensor] | None:
    """-> joints of `group` in the set of 137 (B,137,C), their confidence (B,137,1)."""
    for name, values in batch.targets.items():
        kind, _, joints = name.partition(".")
        if kind != group:
            continue
        points, present = convert(values, joints, JOINT_SET)
        here = batch.present[name].to(values.dtype)[:, None, None] * present[:, None]
        return points[..., :-1], points[..., -1:] * here
    return None


def _pixels(batch: Batch) -> dict[str, Tensor]:
    found = _gathered(batch, "keypoints2d")
    if found is None:
        return {}
    points, confidence = found
    seen = (confidence > 0).to(points.dtype)
    image = torch.cat([to_cells(points), torch.zeros_like(points[..., :1])], dim=2)
    return {"joint_image": image * seen, "joint_seen": seen}


def _metres(batch: Batch) -> dict[str, Tensor]:
    """Joints from their part's root; where the root is not known, they are not valid."""
    found = _gathered(batch, "keypoints3d")
    if found is None:
        return {}
    points, confidence = found
    known = (confidence > 0).to(points.dtype)
    roots = part_roots(known)
    valid = known * roots
    return {
        "joint_metres": part_relative(points) * valid,
        "joint_valid": valid,
        "has_depth": (valid.sum(dim=(1, 2)) > 0).to(points.dtype),
    }


def part_roots(values: Tensor) -> Tensor:
    """Values of joints (B,137,C) -> for each joint those of its part's root (B,137,C)."""
    return values - part_relative(values)
