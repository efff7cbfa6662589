"""HumanData, the form of mmhuman3d: every joint set scattered into 190 common slots.

One person is one row of named numbers; `human_data` stacks rows (dictionaries under dotted names),
`write_human_data` makes the .npz that mmhuman3d itself writes, from people as they come.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.joints import COMMON, joint_set
from hpscli.data.forms.columns import Columns, stacked, write_columns
from hpscli.data.people import ABSENT
from hpscli.records import Person

Arrays = dict[str, Any]
JOINTS_OF_POSE = 3  # numbers of an axis-angle rotation
BODIES = ("smpl", "smplx", "mano")
SINGLE = ("jaw_pose", "leye_pose", "reye_pose")  # (3,) in the file; other poses are (joints, 3)
COLUMNS = {"keypoints2d": 3, "keypoints3d": 4}
HAS = ("has_smpl", "has_smplx", "has_mano")  # the first as SPIN; only where some lack it
TOP_WORDS = ("image_id", "frame_idx", "video_path")  # of our metadata, beside and not inside `meta`
OURS_ALONE = ("image_path", "image_size_px", "dataset", "split", "as_reference", *TOP_WORDS)
DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")  # extra.distortion, in this order
PART_BOXES = ("lhand_bbox_xywh", "rhand_bbox_xywh", "face_bbox_xywh")  # extra.NAME, SMPLer-X
OWN_WORD = "human_data."  # what only this form has
OWN = f"extra.{OWN_WORD}"
OPENPOSE = "_openpose"  # what the slots of OpenPose's joints end in


def human_data(people: Sequence[Person]) -> Arrays:
    """People -> {entry: array}; entries of dictionaries by a dotted name ("smpl.betas").

    Numbers keep their precision. An entry that some people lack is zero for them; `has_smpl` says
    who has SMPL, and what a file held beside it, `extra.absent.NAME`, is written again. What an official file has and shards know in another shape or word, people bring
    as `extra.human_data.ENTRY` and meta `human_data.WORD`; it goes before, and people without such
    an ENTRY have no row in it.
    """
    found = stacked([human_row(person) for person in people])
    for name in {name for person in people for name in person.arrays if name.startswith(OWN)}:
        entry = name.removeprefix(OWN)
        found[entry] = found[entry][[name in person.arrays for person in people]]
    cameras = found.pop("cam_param", None)
    if cameras is not None and all(isinstance(camera, Mapping) for camera in cameras):
        found["cam_param"] = list(cameras)
    for group in COLUMNS:
        if group in found:
            found[f"{group}_mask"] = found[f"{group}_mask"].max(0)
            found[f"{group}_convention"] = np.array(COMMON)
    return found


def write_human_data(people: Iterable[Person], path: Path, *, compressed: bool = True) -> int:
    """People -> the file as mmhuman3d writes it -> how many; memory holds parameters, not joints.

    compressed: of the 190 slots only those that somebody has.
    """
    relative: set[bool] = set()
    with Columns() as columns:
        for person in people:
            row = human_row(person)
            row |= {f"has_{b}": np.uint8(f"{b}.betas" in row) for b in ("smplx", "mano")}
            if "keypoints3d" in row:
                relative.add(bool(row.pop("meta.root_relative", False)))
            columns.append(row)
        document = _document(columns, compressed)
        document["misc"] = {"flat_hand_mean": True}  # as hand poses are in shards
        if len(relative) == 1:
            document["misc"]["kps3d_root_aligned"] = relative.pop()
        write_columns(path, document)
        return len(columns)


def human_row(person: Person) -> Arrays:
    """One person -> {entry: its row}: image_path, bbox_xywh (5,), keypoints2d (190,3), ..."""
    box = np.full(4, np.nan) if person.box is None else np.asarray(person.box)
    row: Arrays = {"image_path": person.image, "bbox_xywh": np.append(box, 1.0)}
    for group in COLUMNS:
        row |= keypoints(person, group)
    for name, array in person.arrays.items():
        name = name.removeprefix(ABSENT)
        body, _, part = name.partition(".")
        if body in BODIES:
            row[name] = _parameter(np.asarray(array), part)
        elif body == "vertices":
            row["vertices"] = np.asarray(array)
        elif part in PART_BOXES:
            row[part] = np.asarray(array)
    row["has_smpl"] = np.uint8(any(name.startswith("smpl.") for name in person.arrays))
    own = {word.removeprefix(OWN_WORD) for word in person.meta if word.startswith(OWN_WORD)}
    for word, value in person.meta.items():
        if word in TOP_WORDS:
            row[word] = value
        elif word not in (*OURS_ALONE, *own) and isinstance(value, str | int | float | np.generic):
            row[f"meta.{word.removeprefix(OWN_WORD)}"] = value
    for name in (name for name in person.arrays if name.startswith(OWN)):
        entry = name.removeprefix(OWN)
        row[entry] = _parameter(np.asarray(person.arrays[name]), entry.rpartition(".")[2])
    camera = camera_document(person)
    return row | ({"cam_param": camera} if camera else {})


def camera_document(person: Person) -> Arrays:
    """-> a camera as mmhuman3d spells it, world -> camera; empty when the person has none."""
    if "camera.intrinsics" not in person.arrays:
        return {}
    bent = np.ravel(person.arrays.get("extra.distortion", ()))
    if bent.size != len(DISTORTION):  # none, or somebody's own
        bent = np.zeros(len(DISTORTION))
    turned = person.arrays.get("camera.rotation", np.eye(3))
    moved = person.arrays.get("camera.translation", np.zeros(3))
    height, width = person.image_size_px or person.meta.get("image_size_px") or (0, 0)
    return {
        "in_mat": np.asarray(person.arrays["camera.intrinsics"], np.float64).tolist(),
        **dict(zip(DISTORTION, bent.tolist(), strict=True)),
        "H": int(height),
        "W": int(width),
        "rotation_mat": np.asarray(turned, np.float64).tolist(),
        "translation": np.asarray(moved, np.float64).tolist(),
        "name": "default",
    }


def keypoints(person: Person, group: str) -> Arrays:
    """-> {group: joints in the 190 slots, group_mask: slots that the data set defines}, or nothing.

    Where two sets have a joint in common, that of the larger set is taken.
    """
    slots = np.zeros((len(joint_set(COMMON)), COLUMNS[group]))
    mask = np.zeros(len(slots), np.uint8)
    sets = [name.partition(".")[2] for name in person.arrays if name.startswith(f"{group}.")]
    for joints in sorted(sets, key=lambda name: (-len(joint_set(name)), name)):
        scatter(slots, mask, person.arrays[f"{group}.{joints}"], joints)
    defined = person.arrays.get(f"extra.{group}_mask")
    mask = mask if defined is None or not sets else np.asarray(defined, np.uint8)
    return {group: slots, f"{group}_mask": mask} if mask.any() else {}


def scatter(slots: np.ndarray, mask: np.ndarray, points: np.ndarray, joints: str) -> None:
    """Points (J,C) of a joint set into slots (190,C) that `mask` (190,) does not mark, in place."""
    index = np.array(joint_set(joints).slots)
    free = (index >= 0) & (mask[index] == 0)
    slots[index[free]] = np.asarray(points)[free]
    mask[index[free]] = 1


def in_annotated_slots(points: np.ndarray, joints: str) -> Arrays:
    """2D joints (J,3) of a set of OpenPose's -> in the slots of annotated joints of the same names.

    hmr-benchmarks keeps them there, by conventions that it never released: its networks learn the 54
    joints of SMPL's layer, among which there is none of OpenPose's own.
    """
    common = joint_set(COMMON).joints
    index = [common.index(name.removesuffix(OPENPOSE)) for name in joint_set(joints).joints]
    slots = np.zeros((len(common), COLUMNS["keypoints2d"]))
    mask = np.zeros(len(common), np.uint8)
    slots[index], mask[index] = points, 1
    return {f"keypoints2d.{COMMON}": slots, "extra.keypoints2d_mask": mask}


def _parameter(values: np.ndarray, part: str) -> np.ndarray:
    """-> a body's parameter of one person; poses as (joints, 3)."""
    if part.endswith("_pose") and part not in SINGLE and values.ndim == 1:
        return values.reshape(-1, JOINTS_OF_POSE)
    return values


def _document(columns: Columns, compressed: bool) -> dict[str, Any]:
    """-> {entry: array, blocks of rows, or dictionary}, in the official file's own words."""
    document: dict[str, Any] = {
        "__key_strict__": np.array(False),
        "__data_len__": np.array(len(columns)),
        "__keypoints_compressed__": np.array(compressed),
    }
    nested: dict[str, Arrays] = {}
    for name in columns.names():
        group, _, part = name.partition(".")
        if name in COLUMNS:
            mask = columns.whole(f"{name}_mask").max(0)
            kept = np.flatnonzero(mask) if compressed else np.arange(len(mask))
            document[name] = columns.blocks(name, partial(np.take, indices=kept, axis=1))
            document[f"{name}_mask"] = mask
            document[f"{name}_convention"] = np.array(COMMON)
        elif part:
            nested.setdefault(group, {})[part] = columns.whole(name)
        elif name == "cam_param":
            document[name] = columns.whole(name)
        elif name in HAS:
            has = columns.whole(name)
            if has.any() and not has.all():
                document[name] = has
        elif not name.endswith("_mask"):
            document[name] = columns.blocks(name)
    return document | nested
