"""Labels of B people, moved into their crops: the same affine, rotation and mirror as the picture.

Works on whole batches of arrays with the same names; what a sample lacks, or what cannot follow a
change (see turning.py), is marked absent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from hpscli.body.joints import conversion_index, joint_set
from hpscli.data.crops import move_points, to_crop_units
from hpscli.data.turning import (
    LOST_BY_MIRROR,
    MIRROR_PARTNERS,
    mirror_pose,
    pose_order,
    turn_axis_angle,
    turn_points,
)
from hpscli.records import Sample

if TYPE_CHECKING:
    from torch import Tensor

# They belong to the untouched picture; a turned crop has neither this box nor this world.
OF_THE_ORIGINAL = ("box.xywh", "camera.rotation", "camera.translation")
PART_BOXES = {  # x0, y0, x1, y1: px in shards, crop units in a batch; and what each is in the mirror
    "extra.lhand_box": "extra.rhand_box",
    "extra.rhand_box": "extra.lhand_box",
    "extra.face_box": "extra.face_box",
}
AROUND = [0, 1, 2, 1, 2, 3, 0, 3]  # x0, y0, x1, y1 -> the four corners
UNTOUCHED = "untouched."  # before `transl`: as it was before the crop was turned
Labels = dict[str, tuple[np.ndarray, np.ndarray]]  # name -> values (B,...), present (B,)


@dataclass(frozen=True)
class Moves:
    """How B crops were cut: affines (B,2,3) original -> window px, degrees (B,), mirrored (B,)."""

    affines: np.ndarray
    rotation_degrees: np.ndarray
    flip: np.ndarray
    window: tuple[int, int]

    def take(self, rows: Sequence[int]) -> "Moves":
        return Moves(self.affines[rows], self.rotation_degrees[rows], self.flip[rows], self.window)


def move_labels(records: Sequence[Mapping[str, np.ndarray]], moves: Moves, joints: str) -> Labels:
    """Arrays of B samples -> targets (B,...) and present (B,), keypoints in joint set `joints`."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, record in enumerate(records):
        groups.setdefault(tuple(record), []).append(row)
    gathered: Labels = {}
    for names, rows in groups.items():
        stacked = {
            name: np.stack([records[row][name] for row in rows])
            for name in names
            if name in PART_BOXES
            or (not name.startswith(("extra.", "image.")) and name not in OF_THE_ORIGINAL)
        }
        whole = len(rows) == len(records)
        labels = _move_group(stacked, moves if whole else moves.take(rows), joints)
        if whole:
            return labels
        for name, (values, present) in labels.items():
            if name not in gathered:
                empty = np.zeros((len(records), *values.shape[1:]), np.float32)
                gathered[name] = empty, np.zeros(len(records), bool)
            gathered[name][0][rows], gathered[name][1][rows] = values, present
    return gathered


def labels_of(
    samples: Sequence[Sample], joints: str, *, mirror_left: bool = True
) -> tuple[dict[str, "Tensor"], dict[str, "Tensor"]]:
    """B samples -> targets and present as a batch has them, without a crop: key points in px.

    mirror_left: left hands (meta hand = "left" with arrays mano.*) mirrored, as crops of them are.
    """
    import torch

    count = len(samples)
    left = [mirror_left and is_left_hand(sample) for sample in samples]
    affine = np.tile(np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), (count, 1, 1))
    moves = Moves(affine, np.zeros(count), np.array(left), (2, 2))
    labels = move_labels([sample.arrays for sample in samples], moves, joints)
    targets = {name: torch.from_numpy(np.array(values)) for name, (values, _) in labels.items()}
    present = {name: torch.from_numpy(np.array(kept)) for name, (_, kept) in labels.items()}
    for name in targets:
        if name.startswith("keypoints2d."):
            targets[name][..., :2] += 1.0  # crop units of a window of 2 px are px minus one
        elif name in PART_BOXES:
            targets[name] += present[name][:, None]
    return targets, present


def is_left_hand(sample: Sample) -> bool:
    """-> whether this is a left hand, which hand models see in the mirror."""
    hand = any(name.startswith("mano.") for name in sample.arrays)
    return hand and sample.meta.get("hand") == "left"


def _move_group(stacked: dict[str, np.ndarray], moves: Moves, joints: str) -> Labels:
    everyone: np.ndarray = np.ones(len(moves.flip), bool)
    upright: np.ndarray = (moves.rotation_degrees == 0) & ~moves.flip
    labels: Labels = {}
    for name, values in _points(stacked, moves, joints).items():
        labels[name] = values, np.asarray(values[..., -1].any(axis=1))
    for name, values in stacked.items():
        group, _, rest = name.partition(".")
        if group in ("keypoints2d", "keypoints3d") or name in PART_BOXES:
            continue
        present = everyone
        if rest == "transl":
            labels[UNTOUCHED + name] = values.astype(np.float32, copy=False), everyone
            present = upright
        elif group == "vertices":
            values = turn_points(values, moves.rotation_degrees, ~everyone)
        elif rest == "global_orient" or rest.endswith("_pose"):
            values, present = _pose(name, stacked, moves)
        if name in LOST_BY_MIRROR:
            present = np.logical_and(present, ~moves.flip)
        if present is not everyone:
            values = values * present.reshape(-1, *[1] * (values.ndim - 1))
        labels[name] = values.astype(np.float32, copy=False), present
    if moves.flip.any():
        labels |= _crossed(stacked, moves.flip)
    labels |= _part_boxes(stacked, moves)
    if "camera.intrinsics" in stacked:
        values = crop_intrinsics(stacked["camera.intrinsics"], moves)
        labels["camera.crop_intrinsics"] = values.astype(np.float32), everyone
    return labels


def _points(stacked: Mapping[str, np.ndarray], moves: Moves, joints: str) -> dict[str, np.ndarray]:
    """2D points in crop units and 3D points in turned camera axes, mirrored joints swapped."""
    found = {}
    for group in ("keypoints2d", "keypoints3d"):
        points = gather_joints(stacked, group, joints)
        if points is None:
            continue
        if group == "keypoints2d":
            inside = move_points(points[..., :2].astype(np.float64), moves.affines)
            points[..., :2] = to_crop_units(inside, moves.window)
        else:
            points[..., :3] = turn_points(points[..., :3], moves.rotation_degrees, moves.flip)
        points[..., :-1] *= points[..., -1:] > 0
        if moves.flip.any():
            order = list(joint_set(joints).mirror)
            points = np.where(moves.flip[:, None, None], points[:, order], points)
        found[f"{group}.{joints}"] = points
    return found


def gather_joints(stacked: Mapping[str, np.ndarray], group: str, joints: str) -> np.ndarray | None:
    """Every `group.SET` of the samples -> (B,J,3|4) in set `joints`, confidence 0 where absent.

    A joint is taken from the first set that has it, the wanted set first, then those with most of it.
    """
    sets = tuple(name.partition(".")[2] for name in stacked if name.startswith(group + "."))
    sources = conversion_plan(sets, joints)
    if not sources:
        return None
    first = stacked[f"{group}.{sources[0][0]}"]
    if sources[0][0] == joints:
        gathered, sources = first.astype(np.float32), sources[1:]
    else:
        gathered = np.zeros(
            (len(first), len(joint_set(joints).joints), first.shape[-1]), np.float32
        )
    for name, target, source in sources:
        missing = gathered[:, target, -1:] == 0
        if missing.any():
            candidates = stacked[f"{group}.{name}"][:, source]
            gathered[:, target] = np.where(missing, candidates, gathered[:, target])
    return gathered


@cache
def conversion_plan(
    sets: tuple[str, ...], joints: str
) -> tuple[tuple[str, np.ndarray, np.ndarray], ...]:
    """Sets at hand -> (set, joints of the wanted set, joints of that set), best covering first."""
    plans = []
    for name in sets:
        index = conversion_index(name, joints)
        target = np.flatnonzero(index >= 0)
        if len(target):
            plans.append((name != joints, -len(target), name, target, index[target]))
    return tuple((name, t, s) for _, _, name, t, s in sorted(plans, key=lambda plan: plan[:3]))


def _pose(
    name: str, stacked: Mapping[str, np.ndarray], moves: Moves
) -> tuple[np.ndarray, np.ndarray]:
    """A rotation parameter after rotation (of the root) and mirror -> values, present."""
    values, flip = stacked[name], moves.flip
    if name.endswith("global_orient") and moves.rotation_degrees.any():
        turned = turn_axis_angle(values, moves.rotation_degrees)
        values = np.where((moves.rotation_degrees != 0)[:, None], turned, values)
    if not flip.any():
        return values, np.ones(len(flip), bool)
    partner = MIRROR_PARTNERS.get(name, name)
    if partner not in stacked:
        return values, ~flip
    origin = values if partner == name else stacked[partner]
    mirrored = mirror_pose(origin, pose_order(name))
    return np.where(flip[:, None], mirrored, values), np.ones(len(flip), bool)


def _crossed(stacked: Mapping[str, np.ndarray], flip: np.ndarray) -> Labels:
    """Of people with one labelled hand or eye: in the mirror it is the other one."""
    found: Labels = {}
    for name, partner in MIRROR_PARTNERS.items():
        if name in stacked and partner not in stacked:
            mirrored = mirror_pose(stacked[name]) * flip[:, None]
            found[partner] = mirrored.astype(np.float32), flip.copy()
    return found


def _part_boxes(stacked: Mapping[str, np.ndarray], moves: Moves) -> Labels:
    """Boxes of hands and face -> boxes around their moved corners; in the mirror hands change sides."""
    found: Labels = {}
    nowhere = np.zeros((len(moves.flip), 4), np.float32)
    for name, partner in PART_BOXES.items():
        present = np.where(moves.flip, partner in stacked, name in stacked)
        if not present.any():
            continue
        kept, mirrored = stacked.get(name, nowhere), stacked.get(partner, nowhere)
        ends = np.where(moves.flip[:, None], mirrored, kept)[:, AROUND].reshape(-1, 4, 2)
        moved = to_crop_units(move_points(ends.astype(np.float64), moves.affines), moves.window)
        boxes = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)
        found[name] = (boxes * present[:, None]).astype(np.float32), present
    return found


def crop_intrinsics(intrinsics: np.ndarray, moves: Moves) -> np.ndarray:
    """K (B,3,3) of the original -> K of the crop: window px = K' @ (turned and mirrored 3D points)."""
    angle = np.deg2rad(moves.rotation_degrees)
    sign = np.where(moves.flip, -1.0, 1.0)
    turn = np.zeros((len(angle), 3, 3))  # 3D points were multiplied by this
    turn[:, 0, 0], turn[:, 0, 1] = sign * np.cos(angle), -sign * np.sin(angle)
    turn[:, 1, 0], turn[:, 1, 1] = np.sin(angle), np.cos(angle)
    turn[:, 2, 2] = 1.0
    full = np.zeros((len(angle), 3, 3))
    full[:, :2], full[:, 2, 2] = moves.affines, 1.0
    return full @ intrinsics @ turn.transpose(0, 2, 1)  # type: ignore[no-any-return]
