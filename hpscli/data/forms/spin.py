"""The .npz form of SPIN: centre, scale = side / 200 px, 24 joints in SPIN's own order.

`spin_arrays` stacks people as they are; `write_spin` makes the file that SPIN's loader reads, with 3D
joints relative to the root, and what PARE and BEDLAM keep beside them where all people have it.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.joints import COMMON, convert
from hpscli.data.forms.columns import Columns, stacked, write_columns
from hpscli.data.forms.human_data import keypoints
from hpscli.data.people import joints_box
from hpscli.errors import InvalidData
from hpscli.records import Person

BOX_UNIT = 200.0  # px: scale * 200 is the side of the box
FIELDS = {  # entry: group of arrays, joint set
    "part": ("keypoints2d", "spin_gt24"),
    "openpose": ("keypoints2d", "openpose25"),
    "S": ("keypoints3d", "spin_gt24"),
}
WORDS = ("maskname", "partname")  # of our metadata: LSP's evaluation files
PELVIS, HIPS = 14, (2, 3)  # of spin_gt24
ONLY_OF_ALL = ("cam_int", "width", "height", "trans_cam")  # a zero would be taken for a number


def spin_arrays(people: Sequence[Person]) -> dict[str, Any]:
    """People -> {entry: array} of a SPIN file; entries that nobody has are left out."""
    found = stacked([spin_row(person) for person in people])
    if "pose" not in found or found["has_smpl"].all():
        del found["has_smpl"]
    return found


def write_spin(people: Iterable[Person], path: Path) -> int:
    """People -> the file -> how many; numbers wait on disk, not in memory."""
    with Columns() as columns:
        for person in people:
            row = spin_row(person)
            if "S" in row and not person.meta.get("root_relative"):
                row["S"] = _about_root(row["S"])
            columns.append(row | _camera(person))
        kept = [n for n in columns.names() if _kept(columns, n)]
        write_columns(path, {name: columns.blocks(name) for name in kept})
        return len(columns)


def spin_row(person: Person) -> dict[str, Any]:
    """One person -> {entry: its row}."""
    box = joints_box(person) if person.box is None else np.asarray(person.box, np.float64)
    if box is None:
        raise InvalidData(f"{person.image}: no box and no 2D joints, which SPIN's form needs.")
    row: dict[str, Any] = {
        "imgname": person.image,
        "center": box[:2] + box[2:] / 2,
        "scale": box[2:].max() / BOX_UNIT,
    }
    for entry, (group, joints) in FIELDS.items():
        points = _joints(person, group, joints)
        if points is not None:
            row[entry] = points
    fitted = "smpl.body_pose" in person.arrays
    row["has_smpl"] = np.uint8(fitted)
    if fitted:
        parts = (person.arrays["smpl.global_orient"], person.arrays["smpl.body_pose"])
        row["pose"] = np.concatenate([np.ravel(part) for part in parts])
        row["shape"] = np.asarray(person.arrays.get("smpl.betas", np.zeros(10)))
    if "gender" in person.meta:
        row["gender"] = str(person.meta["gender"])[:1]
    return row | {word: str(person.meta[word]) for word in WORDS if word in person.meta}


def _camera(person: Person) -> dict[str, Any]:
    """-> what PARE and BEDLAM add, and whose body the parameters belong to if it is a free one."""
    found: dict[str, Any] = {}
    if "camera.intrinsics" in person.arrays:
        found["cam_int"] = np.asarray(person.arrays["camera.intrinsics"])
    if "smpl.transl" in person.arrays:
        found["trans_cam"] = np.asarray(person.arrays["smpl.transl"])
    if size := person.image_size_px:
        found |= {"height": np.int64(size[0]), "width": np.int64(size[1])}
    if person.meta.get("body_source") == "free":
        found["body_source"] = "free"
    return found


def _kept(columns: Columns, name: str) -> bool:
    if name in ONLY_OF_ALL:
        return columns.given(name) == len(columns)
    return name != "has_smpl" or "pose" in columns.names()


def _about_root(points: np.ndarray) -> np.ndarray:
    """S (24,4) -> the same relative to the pelvis, or to the middle of the hips."""
    roots = [points[PELVIS], np.mean(points[list(HIPS)], axis=0)]
    labelled = [points[PELVIS, 3] > 0, (points[list(HIPS), 3] > 0).all()]
    root = next((r for r, known in zip(roots, labelled, strict=True) if known), None)
    if root is None:
        return points
    return np.concatenate([points[:, :3] - root[:3] * (points[:, 3:] > 0), points[:, 3:]], axis=1)


def _joints(person: Person, group: str, joints: str) -> np.ndarray | None:
    """-> the joints of a person in this set: its own, or those that other sets have in common."""
    exact = person.arrays.get(f"{group}.{joints}")
    if exact is not None or joints == "openpose25":
        return exact
    row = keypoints(person, group)
    return convert(row[group], COMMON, joints)[0] if row else None
