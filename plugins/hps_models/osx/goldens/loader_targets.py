"""What OSX's loaders make of one person: targets and masks under a change of training, in NumPy.

Joints of a data set come by name into OSX's 137, as the official loaders take them; training here
matches them by what they are (hps_models.osx.targets), which differs in necks and hips.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from hps_models.osx.geometry import BODY_GRID, CROP, FACE, JOINT_SET, LEFT_HAND, RIGHT_HAND
from hps_models.osx.mesh import part_relative
from hps_models.osx.targets import depth_cells, inside
from hpscli.body.joints import joint_set
from hpscli.data.crops import move_points
from hpscli.data.official_crops.osx import Change

Array = np.ndarray[Any, np.dtype[Any]]
POSE_SET = "osx_smplx_pose53"
BODY_ROTATIONS, LEFT_ROTATIONS, RIGHT_ROTATIONS = 22, slice(22, 37), slice(37, 52)
JAW = 52
FARTHEST_BETA = 3.0  # a shape with a coefficient beyond is set to zero as a whole
CELLS = np.array(
    [BODY_GRID[2] / CROP[1], BODY_GRID[1] / CROP[0]]
)  # of pixels of the patch, x and y
CELLS_EHF = np.array([BODY_GRID[1] / CROP[1], BODY_GRID[0] / CROP[0]])  # as its copy has them
NO_BOX = np.array([0.0, 0.0, 1.0, 1.0])  # where a hand or face has none
PARTS = ("lhand", "rhand", "face")
UNFITTED_ROTATIONS = ("L_Ankle", "R_Ankle", "L_Wrist", "R_Wrist")
UNFITTED_JOINTS = ("L_Big_toe", "L_Small_toe", "L_Heel", "R_Big_toe", "R_Small_toe", "R_Heel")


@dataclass(frozen=True, kw_only=True)
class Patch:
    """How a picture becomes a patch: affine (2,3) of the picture, mirrored first if that is drawn."""

    affine: Array
    change: Change
    image_width: int

    def cells(self, pixels: Array, unit: Array = CELLS) -> Array:
        """Points (J,2) px of the picture -> cells of the 12x16 map."""
        points = np.array(pixels, np.float64)
        if self.change.flip:
            points[:, 0] = self.image_width - 1 - points[:, 0]
        return move_points(points, np.asarray(self.affine, np.float64)) * unit

    def turned(self) -> Array:
        """-> the rotation (3,3) that undoes what the patch is turned by."""
        angle = np.deg2rad(-self.change.rotation_degrees)
        cosine, sine = np.cos(angle), np.sin(angle)
        return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])

    def mirrored(self, values: Array, joints: str) -> Array:
        """Values of a set of joints (J,...) -> the other side's, if the patch is mirrored."""
        return values[list(joint_set(joints).mirror)] if self.change.flip else values


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The body of NeuralAnnot's parameters: 137 joints (137,3) metres in the camera, and parameters."""

    joints: Array
    pose: Array  # (53,3) axis-angle
    betas: Array
    expression: Array
    pose_valid: Array  # (53,)
    joint_valid: Array  # (137,)
    expression_valid: bool


def by_name(values: Array, joints: str) -> tuple[Array, Array]:
    """Values (J,C) of a set -> (137,C) of the joints of the same names, and which there are (137,)."""
    names = {name: index for index, name in enumerate(joint_set(joints).joints)}
    index = np.array([names.get(name, -1) for name in joint_set(JOINT_SET).joints])
    found = np.where((index >= 0)[:, None], values[index], 0)
    return found, index >= 0


def annotated(points: Array, metres: Array | None, joints: str, patch: Patch) -> dict[str, Array]:
    """Joints (J,3) px and validity, and (J,3) metres if known -> joint_img, _cam, _valid, _trunc."""
    pixels, there = by_name(points, joints)
    valid = pixels[:, 2:] * there[:, None]
    placed, depth = np.zeros((len(pixels), 3)), np.zeros((len(pixels), 1))
    if metres is not None:
        placed, _ = by_name(metres, joints)
        placed, depth = _from_roots(placed)
        placed, depth = placed * there[:, None], depth * there[:, None]
    image = np.concatenate([patch.cells(pixels[:, :2]), depth], axis=1)
    image = patch.mirrored(image * there[:, None], JOINT_SET)
    valid = patch.mirrored(valid, JOINT_SET)
    return {
        "joint_img": image,
        "joint_cam": _turned(patch.mirrored(placed, JOINT_SET), patch),
        "joint_valid": valid,
        "joint_trunc": valid * _inside(image),
    }


def fitted(
    fit: Fit, lens: tuple[Array, Array], patch: Patch, *, legs_known: bool
) -> dict[str, Any]:
    """A fit, focal and centre (2,) px -> smplx_*; `legs_known`: feet and wrists are believed too."""
    pixels = fit.joints[:, :2] / fit.joints[:, 2:] * lens[0] + lens[1]
    metres, depth = _from_roots(fit.joints)
    image = np.concatenate([patch.cells(pixels), depth], axis=1)
    image = patch.mirrored(image, JOINT_SET)
    joint_valid = patch.mirrored(fit.joint_valid, JOINT_SET).copy()
    pose_valid = patch.mirrored(fit.pose_valid, POSE_SET).copy()
    if not legs_known:
        pose_valid[[joint_set(POSE_SET).joints.index(name) for name in UNFITTED_ROTATIONS]] = 0
        joint_valid[[joint_set(JOINT_SET).joints.index(name) for name in UNFITTED_JOINTS]] = 0
    betas = fit.betas * bool((np.abs(fit.betas) <= FARTHEST_BETA).all())
    return {
        "smplx_joint_img": image,
        "smplx_joint_cam": _turned(patch.mirrored(metres, JOINT_SET), patch),
        "smplx_joint_valid": joint_valid[:, None],
        "smplx_joint_trunc": joint_valid[:, None] * _inside(image),
        "smplx_pose": changed_pose(fit.pose, patch),
        "smplx_pose_valid": np.repeat(pose_valid, 3),
        "smplx_shape": betas,
        "smplx_shape_valid": 1.0,
        "smplx_expr": fit.expression,
        "smplx_expr_valid": float(fit.expression_valid),
    }


def unfitted() -> dict[str, Any]:
    """-> smplx_* of a person without a fit."""
    joints, rotations = len(joint_set(JOINT_SET)), len(joint_set(POSE_SET))
    shapes: Mapping[str, tuple[int, ...]] = {
        "joint_img": (joints, 3),
        "joint_cam": (joints, 3),
        "joint_valid": (joints, 1),
        "joint_trunc": (joints, 1),
        "pose": (3 * rotations,),
        "pose_valid": (3 * rotations,),
        "shape": (10,),
        "shape_valid": (),
        "expr": (10,),
        "expr_valid": (),
    }
    return {f"smplx_{name}": np.zeros(shape) for name, shape in shapes.items()}


def changed_pose(pose: Array, patch: Patch) -> Array:
    """Rotations (53,3) axis-angle -> (159,) of the mirrored and turned person."""
    import cv2

    pose = np.array(patch.mirrored(pose, POSE_SET), np.float64)
    if patch.change.flip:
        pose[:, 1:] *= -1
    pose[0] = cv2.Rodrigues(patch.turned() @ cv2.Rodrigues(pose[0])[0])[0].ravel()
    return pose.ravel()


def part_boxes(
    boxes: Mapping[str, Array | None], patch: Patch, unit: Array = CELLS
) -> dict[str, Any]:
    """Boxes x0, y0, x1, y1 px by part -> their centres and sizes in cells, and which there are."""
    found: dict[str, Any] = {}
    other = {"lhand": "rhand", "rhand": "lhand"} if patch.change.flip else {}
    for part in PARTS:
        box = boxes[other.get(part, part)]
        ends = NO_BOX
        if box is not None:
            ends = box[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)
            ends = patch.cells(ends, unit)
            ends = np.concatenate([ends.min(0), ends.max(0)])
        found[f"{part}_bbox_center"] = (ends[:2] + ends[2:]) / 2
        found[f"{part}_bbox_size"] = ends[2:] - ends[:2]
        found[f"{part}_bbox_valid"] = float(box is not None)
    return found


def no_part_boxes() -> dict[str, Any]:
    """-> the same of sets that have none at all."""
    return {
        f"{part}_bbox_{what}": value
        for part in PARTS
        for what, value in (("center", np.zeros(2)), ("size", np.zeros(2)), ("valid", 0.0))
    }


def part_masks(hands: tuple[bool, bool], face: bool) -> tuple[Array, Array]:
    """Which parts a fit holds -> masks of rotations (53,) and joints (137,)."""
    rotations, joints = np.ones(len(joint_set(POSE_SET))), np.ones(len(joint_set(JOINT_SET)))
    for known, turns, points in (
        (hands[0], LEFT_ROTATIONS, LEFT_HAND),
        (hands[1], RIGHT_ROTATIONS, RIGHT_HAND),
        (face, slice(JAW, None), FACE),
    ):
        rotations[turns], joints[points] = known, known
    return rotations, joints


def _from_roots(joints: Array) -> tuple[Array, Array]:
    """Joints (137,3) metres -> from their part's root, and depth (137,1) in cells."""
    metres = part_relative(torch.from_numpy(np.ascontiguousarray(joints))[None])
    return metres[0].numpy(), depth_cells(metres)[0].numpy()


def _inside(cells: Array) -> Array:
    return inside(torch.from_numpy(cells)[None])[0].numpy()


def _turned(metres: Array, patch: Patch) -> Array:
    mirrored = metres * np.array([-1.0 if patch.change.flip else 1.0, 1.0, 1.0])
    return np.asarray(mirrored @ patch.turned().T)
