"""What official loaders make of these files, in the entries of their goldens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.joints import joint_set
from hpscli.data.official_crops.labels import metro_labels
from hpscli.data.people import picture_bytes
from hpscli.data.preparation import METRO
from hpscli.data.sample import decode_image
from hpscli.records import Person, Picture

BOX_UNIT = 200.0
ROOTS = {"metro24": 14, "metro_hand21": 0}  # pelvis, wrist


def metro_rows(people: Sequence[Person], root: Path) -> dict[str, np.ndarray]:
    """People -> the entries of expected/metro: as METRO's data sets give them for evaluation."""
    rows = [_metro_row(person, root) for person in people]
    found = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    found["img_key"] = np.array([person.image for person in people])
    found["line_list"] = np.arange(len(people))
    return found


def _metro_row(person: Person, root: Path) -> dict[str, Any]:
    box = np.asarray(person.box)
    center, side = box[:2] + box[2:] / 2, float(box[2])
    picture = person.picture or Picture(path=person.image)
    image = decode_image(picture_bytes(root, picture))
    pixels = METRO.pixels(image, center, side, window=METRO.window)
    body = "smpl" if "smpl.body_pose" in person.arrays else "mano"
    part = "body_pose" if body == "smpl" else "hand_pose"
    pose = np.concatenate([person.arrays[f"{body}.{name}"] for name in ("global_orient", part)])
    name = next(name for name in person.arrays if name.startswith("keypoints2d."))
    joints = name.partition(".")[2]
    points, places, turned = metro_labels(
        person.arrays[name],
        person.arrays[f"keypoints3d.{joints}"],
        pose,
        center.tolist(),
        side,
        root=ROOTS[joints],
        mirror=joint_set(joints).mirror,
    )
    return {
        "image_mean": pixels.mean(),
        "image_std": pixels.std(),
        "image_stride16": pixels[:, ::16, ::16],
        "image_first64": pixels[0].ravel()[:64],
        "pose": turned,
        "betas": person.arrays[f"{body}.betas"],
        "joints_3d": places,
        "joints_2d": points,
        "has_3d_joints": person.meta["has_3d_joints"],
        "has_2d_joints": person.meta["has_2d_joints"],
        "has_smpl": person.meta["has_smpl"],
        "scale": side / BOX_UNIT,
        "center": center,
        "gender": person.meta["gender"],
    }
