"""What OSX is trained towards, in its own frames: cells of heat maps, metres from each part's root.

Source: the official data sets' __getitem__ and process_db_coord (SPEC 6). Absent labels have validity 0,
and everything that has is zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from hps_models.osx.geometry import (
    BODY_GRID,
    BODY_SIZE,
    CELL_PX,
    FACE,
    JOINT_SET,
    LEFT_HAND,
    PACKAGE_SET,
    PART_SIZE,
    PICTURE,
    RIGHT_HAND,
)
from hps_models.osx.mesh import part_relative
from hpscli.body.joints import conversion_index, convert
from hpscli.body.layer import PARAMETERS, Body, matrices
from hpscli.data.labels import UNTOUCHED
from hpscli.records import Batch

JOINTS = FACE.stop
POSE_PARTS = ("global_orient", "body_pose", "left_hand_pose", "right_hand_pose", "jaw_pose")
POSE_NUMBERS = 159
BOX_PARTS = (LEFT_HAND, RIGHT_HAND, FACE)
BOX_GROWTH = 1.2  # of the extent of a part's 2D joints: AGORA's converter, SPEC 7.1
BOX_JOINTS = 2  # fewer seen joints have no extent
BODY_LABELS = ("global_orient", "body_pose", "betas")
EXTREME = 3.0  # a shape with a coefficient beyond becomes the mean shape, its joints stay


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


def from_batch(batch: Batch, body: Body) -> Targets:
    """Batch -> Targets, out of keypoints2d.*, keypoints3d.* and smplx.*, whichever are there."""
    labels = {**_pixels(batch), **_metres(batch), **_parameters(batch, body)}
    empty = _nothing(len(batch), batch.image.device)
    found = replace(empty, **labels)
    depth = depth_cells(found.joint_metres) * found.has_depth[:, None, None]
    image = torch.cat([found.joint_image[..., :2], depth], dim=2)
    found = replace(
        found,
        joint_image=image,
        joint_seen=found.joint_seen * inside(image),
        **_boxes(image, found.joint_seen),
    )
    return replace(found, **_body_joints(found, batch, body))


def depth_cells(metres: Tensor) -> Tensor:
    """Joints (B,137,3) metres from their part's root -> depth (B,137,1) in cells, 8 at the root."""
    size = metres.new_full((JOINTS, 1), PART_SIZE)
    size[: LEFT_HAND.start] = BODY_SIZE
    return (metres[..., 2:] / (size / 2) + 1) / 2 * BODY_GRID[0]


def inside(cells: Tensor) -> Tensor:
    """Joints (B,J,3) in cells -> (B,J,1): 1 inside the body's volume."""
    end = cells.new_tensor([BODY_GRID[2], BODY_GRID[1], BODY_GRID[0]])
    return ((cells >= 0) & (cells < end)).all(dim=2, keepdim=True).to(cells.dtype)


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
    cells = (points + 1) / 2 * points.new_tensor([BODY_GRID[2], BODY_GRID[1]])
    image = torch.cat([cells, torch.zeros_like(cells[..., :1])], dim=2)
    return {"joint_image": image, "joint_seen": (confidence > 0).to(points.dtype)}


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


def _parameters(batch: Batch, body: Body) -> dict[str, Tensor]:
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
        parts.append(value * present)
        valid.append(present)
    found = {"pose": torch.cat(parts, dim=1), "pose_valid": torch.cat(valid, dim=1)}
    for ours, name in (("betas", "betas"), ("expression", "expression")):
        if (value := batch.targets.get(f"smplx.{name}")) is not None:
            present = batch.present[f"smplx.{name}"].to(value.dtype)
            value = value[:, :10]
            if name == "betas":
                value = value * (value.abs() <= EXTREME).all(dim=1, keepdim=True)
            found |= {ours: value * present[:, None], f"{ours}_valid": present}
    return found


def _boxes(image: Tensor, seen: Tensor) -> dict[str, Tensor]:
    """The extent of each part's seen joints, enlarged: where no box is annotated."""
    centres, sizes, valid = [], [], []
    far = image.new_full((), float("inf"))
    for part in BOX_PARTS:
        here = seen[:, part] > 0
        low = torch.where(here, image[:, part, :2], far).amin(dim=1)
        high = torch.where(here, image[:, part, :2], -far).amax(dim=1)
        enough = (here.sum(dim=(1, 2)) >= BOX_JOINTS).to(image.dtype)
        low, high = (
            torch.where(enough[:, None] > 0, end, end.new_zeros(())) for end in (low, high)
        )
        centres.append((low + high) / 2)
        sizes.append((high - low) * BOX_GROWTH)
        valid.append(enough)
    return {
        "box_centres": torch.stack(centres, dim=1),
        "box_sizes": torch.stack(sizes, dim=1),
        "boxes_valid": torch.stack(valid, dim=1),
    }


def _body_joints(found: Targets, batch: Batch, body: Body) -> dict[str, Tensor]:
    """Joints of the annotated SMPL-X; in the picture only when it says where the body stands.

    Hands that are not annotated, and a face without jaw or expression, have no joints; the body has.
    """
    names = (*PARAMETERS["smplx"], "betas", "expression")
    given = {n: batch.targets[f"smplx.{n}"] for n in names if f"smplx.{n}" in batch.targets}
    if any(name not in given for name in BODY_LABELS):
        return {}
    valid = _annotated_joints(batch)
    with torch.no_grad():
        rotations = matrices(given)
        vertices, joints = body(rotations)
        package = body.regress(vertices, PACKAGE_SET, joints=joints, parameters=rotations)
    points = package[:, conversion_index(PACKAGE_SET, JOINT_SET).tolist()]
    metres = part_relative(points)
    result = {"body_metres": metres * valid, "body_valid": valid}
    place = batch.targets.get(UNTOUCHED + "smplx.transl")
    lens = batch.targets.get("camera.crop_intrinsics")
    if place is None or lens is None:
        return result
    pelvis = joints[:, :1]  # where a body's rotation leaves it
    placed = points - pelvis + (pelvis + place[:, None]) @ turns(batch).mT
    window = place.new_tensor([batch.image.shape[-1], batch.image.shape[-2]])
    pixels = (placed @ lens.mT)[..., :2] / placed[..., 2:]
    cells = pixels / window * place.new_tensor([PICTURE[1], PICTURE[0]]) / CELL_PX
    image = torch.cat([cells, depth_cells(metres)], dim=2)
    there = batch.present[UNTOUCHED + "smplx.transl"] & batch.present["camera.crop_intrinsics"]
    seen = valid * there.to(valid.dtype)[:, None, None] * inside(image)
    return result | {"body_image": torch.where(seen > 0, image, 0.0), "body_seen": seen}


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
    return valid


def turns(batch: Batch) -> Tensor:
    """-> (B,3,3): what points of the original camera were multiplied by, a rotation about z and a mirror."""
    flat = batch.affine[:, :, :2].float()
    flat = flat / flat.det().abs().sqrt()[:, None, None]
    turned = torch.eye(3, device=flat.device).repeat(len(flat), 1, 1)
    turned[:, :2, :2] = flat
    return turned
