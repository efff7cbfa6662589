"""The .npz form of SPIN: centre, scale = side / 200 px, 24 joints in SPIN's own order."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hpscli.body.joints import convert
from hpscli.records import Person

BOX_UNIT = 200.0  # px: scale * 200 is the side of the box
FIELDS = {  # entry: group of arrays, joint set
    "part": ("keypoints2d", "spin_gt24"),
    "openpose": ("keypoints2d", "openpose25"),
    "S": ("keypoints3d", "spin_gt24"),
}
NAMES = ("maskname", "partname")  # of segmentations, in the test file of LSP; in people's metadata


def spin_arrays(people: Sequence[Person]) -> dict[str, Any]:
    """People -> {entry: array} of a SPIN file; entries that nobody has are left out."""
    boxes = np.stack([np.asarray(person.box, np.float64) for person in people])
    found: dict[str, Any] = {
        "imgname": np.array([person.image for person in people]),
        "center": boxes[:, :2] + boxes[:, 2:] / 2,
        "scale": boxes[:, 2:].max(1) / BOX_UNIT,
    }
    for entry, (group, joints) in FIELDS.items():
        rows = [_joints(person, group, joints) for person in people]
        like = next((row for row in rows if row is not None), None)
        if like is not None:
            found[entry] = np.stack([np.zeros_like(like) if r is None else r for r in rows])
    has = np.array(["smpl.body_pose" in person.arrays for person in people])
    if has.any():
        found["pose"] = np.stack([_pose(person) for person in people])
        found["shape"] = np.stack([p.arrays.get("smpl.betas", np.zeros(10)) for p in people])
        if not has.all():
            found["has_smpl"] = has.astype(np.uint8)
    for name in NAMES:
        if any(name in person.meta for person in people):
            found[name] = np.array([person.meta.get(name, "") for person in people])
    if any("gender" in person.meta for person in people):
        found["gender"] = np.array([str(p.meta.get("gender", "n"))[:1] for p in people])
    return found


def _pose(person: Person) -> np.ndarray:
    """-> (72,) root and body, zero without a fit."""
    if "smpl.body_pose" not in person.arrays:
        return np.zeros(72)
    root, body = person.arrays["smpl.global_orient"], person.arrays["smpl.body_pose"]
    return np.concatenate([np.ravel(root), np.ravel(body)])


def _joints(person: Person, group: str, joints: str) -> np.ndarray | None:
    """-> the joints of a person in this set, converted from the set that has most of them."""
    exact = person.arrays.get(f"{group}.{joints}")
    if exact is not None or joints == "openpose25":
        return exact
    best: np.ndarray | None = None
    for name, points in person.arrays.items():
        start, _, source = name.partition(".")
        if start == group:
            converted = convert(np.asarray(points), source, joints)[0]
            if best is None or (converted[:, -1] > 0).sum() > (best[:, -1] > 0).sum():
                best = converted
    return best
