"""Small files of the .npz forms, and what the readers make of them."""

from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.forms.human_data import people as human_data_people
from hps_datasets.forms.spin import people as spin_people
from hpscli.body.joints import joint_set
from hpscli.records import Person

N = 3
COCO = sorted(joint_set("coco17").slots)
RNG = np.random.default_rng(4)
BASE: dict[str, Any] = {
    "image_path": np.array(["a/1.jpg", "a/1.jpg", "b/2.jpg"]),
    "bbox_xywh": np.tile([10.0, 20, 30, 40, 1], (N, 1)),
}
JOINTS = np.concatenate([RNG.uniform(0, 60, (N, 17, 2)), np.ones((N, 17, 1))], axis=2)
COMPRESSED = {
    "__keypoints_compressed__": np.array(True),
    "keypoints2d": JOINTS,
    "keypoints2d_mask": np.isin(np.arange(190), COCO).astype(np.uint8),
}
SMPL = {
    "body_pose": np.ones((N, 23, 3)),
    "global_orient": np.ones((N, 3)),
    "betas": np.ones((N, 10)),
}
SPIN: dict[str, Any] = {
    "imgname": np.array(["1.jpg", "2.jpg", "3.jpg"]),
    "center": np.full((N, 2), 50.0),
    "scale": np.full(N, 0.5),
    "part": np.ones((N, 24, 3)),
}


def whole() -> np.ndarray:
    """-> JOINTS in the 190 slots."""
    slots = np.zeros((N, 190, 3))
    slots[:, COCO] = JOINTS
    return slots


def read(
    folder: Path, entries: dict[str, Any], file: str = "people.npz", **options: Any
) -> list[Any]:
    wrapped = {
        k: np.array(v, dtype=object) if isinstance(v, dict | list) else v
        for k, v in entries.items()
    }
    np.savez_compressed(folder / file, allow_pickle=True, **wrapped)
    reader = spin_people if "imgname" in entries else human_data_people
    return list(reader(folder, "train", **options))


def one(folder: Path, entries: dict[str, Any], **options: Any) -> Person:
    person = read(folder, entries, **options)[0]
    assert isinstance(person, Person), person
    return person


def box_of(folder: Path, entries: dict[str, Any], **options: Any) -> np.ndarray:
    box = one(folder, entries, **options).box
    assert box is not None
    return box
