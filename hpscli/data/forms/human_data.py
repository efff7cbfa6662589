"""HumanData, the form of mmhuman3d: every joint set scattered into 190 common slots."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpscli.body.joints import COMMON, joint_set
from hpscli.records import Person

Arrays = dict[str, Any]
JOINTS_OF_POSE = 3  # numbers of an axis-angle rotation
OWN_WORD = "human_data."  # what only this form has
OWN = f"extra.{OWN_WORD}"


def human_data(people: Sequence[Person]) -> Arrays:
    """People -> {entry: array}; entries of dictionaries by a dotted name ("smpl.betas").

    Numbers keep their precision. An entry that some people lack is zero for them, with
    `has_smpl` where that is SMPL. What an official file has and shards know in another shape or
    word, people bring as `extra.human_data.ENTRY` and meta `human_data.WORD`; it goes before.
    """
    found: Arrays = {"image_path": np.array([person.image for person in people])}
    boxes = [np.full(4, np.nan) if p.box is None else np.asarray(p.box) for p in people]
    found["bbox_xywh"] = np.concatenate([np.stack(boxes), np.ones((len(people), 1))], axis=1)
    for group in ("keypoints2d", "keypoints3d"):
        found |= _keypoints(people, group)
    names = {name for person in people for name in person.arrays}
    for name in sorted(names):
        body, _, part = name.partition(".")
        if body in ("smpl", "smplx", "mano"):
            found[name] = _parameter(people, name, part)
    for name in sorted(name for name in names if name.startswith(OWN)):
        entry = name.removeprefix(OWN)
        found[entry] = _parameter(people, name, entry.rpartition(".")[2])
    lacking = [not any(name.startswith("smpl.") for name in person.arrays) for person in people]
    if any(lacking) and not all(lacking):
        found["has_smpl"] = (~np.array(lacking)).astype(np.uint8)
    words = {word for person in people for word in person.meta}
    for word in sorted(words, key=lambda word: (word.startswith(OWN_WORD), word)):
        entry = f"meta.{word.removeprefix(OWN_WORD)}"
        found[entry] = np.array([person.meta.get(word, "") for person in people])
    return found


def _keypoints(people: Sequence[Person], group: str) -> Arrays:
    """-> the joints in the 190 slots, and the mask of slots that the data set defines."""
    columns = {"keypoints2d": 3, "keypoints3d": 4}[group]
    slots = np.zeros((len(people), len(joint_set(COMMON)), columns))
    mask = np.zeros(len(joint_set(COMMON)), np.uint8)
    for row, person in enumerate(people):
        for name, points in person.arrays.items():
            start, _, joints = name.partition(".")
            if start == group:
                defined = person.arrays.get(f"extra.{group}_mask")
                mask |= scatter(slots[row], points, joints, defined)
    if not mask.any():
        return {}
    return {
        group: slots,
        f"{group}_mask": mask,
        f"{group}_convention": np.array(COMMON),
    }


def scatter(
    slots: np.ndarray, points: np.ndarray, joints: str, defined: np.ndarray | None = None
) -> np.ndarray:
    """Points (J,C) of a joint set into slots (190,C), in place -> which slots (190,) uint8 it has."""
    index = np.array(joint_set(joints).slots)
    known = index >= 0
    slots[index[known]] = points[known]
    mask = np.zeros(len(slots), np.uint8)
    mask[index[known]] = 1
    return mask if defined is None else np.asarray(defined, np.uint8)


def _parameter(people: Sequence[Person], name: str, part: str) -> np.ndarray:
    """-> a body's parameter of all people; poses as (N, joints, 3)."""
    like = next(np.asarray(p.arrays[name]) for p in people if name in p.arrays)
    rows = np.stack([np.asarray(p.arrays.get(name, np.zeros_like(like))) for p in people])
    single = ("jaw_pose", "leye_pose", "reye_pose")
    if part.endswith("_pose") and part not in single and rows.ndim == 2:
        return rows.reshape(len(people), -1, JOINTS_OF_POSE)
    return rows


def flattened(document: Mapping[str, Any]) -> Arrays:
    """Entries whose values are dictionaries -> the same by dotted names."""
    found: Arrays = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{part}": item for part, item in value.items()}
        else:
            found[name] = value
    return found
