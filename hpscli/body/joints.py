"""Joint sets: ordered names, what mirroring does to them, and how one set becomes another.

The names of each set are its authors'. Sets meet in 190 common slots (the names of mmhuman3d's
HumanData): two joints are the same joint when they have the same slot, whatever they are called.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from hpscli.errors import unknown_name

if TYPE_CHECKING:
    from torch import Tensor

    Points = TypeVar("Points", Tensor, np.ndarray[Any, Any])

# Spellings beyond underscores: the two ways to number Human3.6M start with different legs.
ALIASES = {"h36m17rfirst": "h36m17", "smpl": "smpl24", "coco": "coco17", "lsp": "lsp14"}
COMMON = "human_data"
# OSX trains on joints that have the same name in two sets, wherever annotators put them: the hips of
# Human3.6M are the hips of SMPL-X there (common/utils/transforms.py, transform_joint_to_other_db).
BY_NAME = "osx_"
# The head of METRO's 24 joints is the top of the head of Human3.6M and MPI-INF-3DHP, and its jaw the joint
# below (GraphCMR and SPIN, datasets/preprocess: joints 9 and 10 of 17 -> Jaw, Head). In the common slots,
# as in mmhuman3d, that lower joint is the head.
METRO = "metro24"
LOWERED = {"jaw_extra": "head_extra", "head_extra": "headtop"}


@dataclass(frozen=True, kw_only=True)
class JointSet:
    """An ordered set of joints. `mirror[i]` is the joint that supplies joint i in a mirrored picture.

    `slots[i]` is the common slot of joint i, or -1 when no other set has such a joint.
    """

    name: str
    joints: tuple[str, ...]
    mirror: tuple[int, ...]
    source: str
    note: str = ""
    slots: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.joints)

    def common_names(self) -> tuple[str | None, ...]:
        """-> the common name of each joint, None where it has none."""
        common = joint_set(COMMON).joints
        return tuple(common[slot] if slot >= 0 else None for slot in self.slots)


def joint_set_names() -> list[str]:
    """-> the names of all joint sets, sorted."""
    return sorted(_joint_sets())


def joint_set(name: str) -> JointSet:
    """-> the joint set of this name; underscores may be anywhere (smpl_24 is smpl24)."""
    known = _joint_sets()
    if name in known:
        return known[name]
    plain = name.lower().replace("_", "")
    plain = ALIASES.get(plain, plain)
    found = next((key for key in known if key.replace("_", "") == plain.replace("_", "")), None)
    if found is None:
        raise unknown_name("joint set", name, known, "hps info joints")
    return known[found]


@lru_cache(maxsize=256)
def _positions(source: str, target: str) -> tuple[int, ...]:
    start, goal = joint_set(source), joint_set(target)
    if start.name == goal.name:
        return tuple(range(len(goal)))
    if start.name.startswith(BY_NAME) and goal.name.startswith(BY_NAME):
        names = {name: index for index, name in reversed(list(enumerate(start.joints)))}
        return tuple(names.get(name, -1) for name in goal.joints)
    where = {slot: index for index, slot in reversed(list(enumerate(start.slots))) if slot >= 0}
    if goal.name == METRO and _has_both_heads(start):
        taken = {_slot(name): _slot(instead) for name, instead in LOWERED.items()}
        return tuple(where.get(taken.get(slot, slot), -1) for slot in goal.slots)
    return tuple(where.get(slot, -1) for slot in goal.slots)


def _has_both_heads(one: JointSet) -> bool:
    """-> whether a set has the two joints of a head that studios mark, and no jaw of its own."""
    names = one.common_names()
    return {"head_extra", "headtop"} <= set(names) and "jaw_extra" not in names


def _slot(name: str) -> int:
    return joint_set(COMMON).joints.index(name)


def conversion_index(source: str, target: str) -> np.ndarray[Any, Any]:
    """-> (J_target,) int64: which joint of `source` is joint i of `target`; -1 = it has none."""
    return np.array(_positions(source, target), dtype=np.int64)


def same_joints(first: str, second: str) -> bool:
    """Whether two sets have the same joints in the same order, whatever their authors call them."""
    return joint_set(first).slots == joint_set(second).slots


def convert(points: Points, source: str, target: str) -> tuple[Points, Points]:
    """points (...,J,C) of `source` -> points (...,J2,C) of `target`, and which are present (J2,) bool.

    Joints that `source` does not have are zero.
    """
    index = conversion_index(source, target)
    present = index >= 0
    if isinstance(points, np.ndarray):
        chosen = points[..., np.maximum(index, 0), :]
        chosen[..., ~present, :] = 0
        return chosen, present
    import torch

    kept = torch.from_numpy(present).to(points.device)
    picked = points[..., torch.from_numpy(np.maximum(index, 0)).to(points.device), :]
    return torch.where(kept[:, None], picked, torch.zeros_like(picked)), kept


def convertible_sets(name: str) -> dict[str, int]:
    """-> {other set: how many of ITS joints the set `name` can supply}, where that is all or some."""
    counts = {
        other: sum(position >= 0 for position in _positions(name, other))
        for other in joint_set_names()
        if other != joint_set(name).name
    }
    return {other: count for other, count in counts.items() if count}


@lru_cache(maxsize=1)
def _joint_sets() -> Mapping[str, JointSet]:
    text = files("hpscli.body").joinpath("data", "joint_sets.json").read_text(encoding="utf-8")
    return {
        name: JointSet(
            name=name,
            joints=tuple(entry["joints"]),
            mirror=tuple(entry["mirror"]),
            source=entry["source"],
            note=entry["note"],
            slots=tuple(entry["human_data_index"]),
        )
        for name, entry in json.loads(text).items()
    }
