"""3DOH50K: people behind objects, SMPL in the world of each camera rig."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.studio.labels import rooted, sure
from hpscli.body.placement import turned_root
from hpscli.data.containers.json_records import json_values
from hpscli.data.people import BOX_SCALE, scaled_box, square_box
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person

FOLDERS = {"train": "trainset", "test": "testset"}
SMPL_JOINTS, LSP_JOINTS, ROOT = 24, 14, 0


def oh50k3d(root: Path, split: str, *, reference: str) -> Iterator[Person | HpsError]:
    """3DOH50K -> its people with SMPL and joints; ours in the camera's frame."""
    folder = FOLDERS[split]
    path = root / folder / "annots.json"
    if not path.is_file():
        raise MissingError(f"there is no file {path}.", "hps datasets show 3doh50k")
    for value in json_values(path, ()):
        try:
            yield _person(folder, value.name, value.value, reference)
        except BAD_RECORD as error:
            yield InvalidData(f"{folder}/annots.json {value.name}: {in_words(error)}.")


def _person(folder: str, name: str, entry: Any, reference: str) -> Person:
    def numbers(word: str, *shape: int) -> np.ndarray:
        return np.array(entry[word], np.float64).reshape(shape)

    place = numbers("extri", 4, 4)
    rotation, translation = place[:3, :3], place[:3, 3]
    pose, joints = numbers("pose", 72), numbers("smpl_joints_3d", SMPL_JOINTS, 3)
    corners = numbers("bbox", 2, 2)
    box = np.concatenate([corners[0], corners[1] - corners[0]])
    arrays = {
        "keypoints2d.smpl24": sure(numbers("smpl_joints_2d", SMPL_JOINTS, 2)),
        "smpl.global_orient": turned_root(pose[:3], rotation),
        "smpl.body_pose": pose[3:],
        "smpl.betas": numbers("betas", 10),
        "camera.intrinsics": numbers("intri", 3, 3),
        "camera.rotation": rotation,
        "camera.translation": translation,
    }
    if reference:  # hmr-benchmarks: joints and translation stay in the world
        arrays["keypoints3d.smpl24"] = sure(rooted(joints, ROOT))
        arrays["smpl.transl"] = numbers("trans", 3)
        box = scaled_box(box, BOX_SCALE)
    else:
        seen = numbers("lsp_joints_3d", LSP_JOINTS, 3)
        arrays["keypoints3d.smpl24"] = sure(joints @ rotation.T + translation)
        arrays["keypoints3d.lsp14"] = sure(seen @ rotation.T + translation)
        arrays["keypoints2d.lsp14"] = sure(numbers("lsp_joints_2d", LSP_JOINTS, 2))
        arrays["extra.scale"] = numbers("scale", 1).astype(np.float32)
        box = square_box(box[:2] + box[2:] / 2, BOX_SCALE * float(box[2:].max()))
    picture = str(entry["img_path"]).replace("\\", "/")
    return Person(
        key=f"{folder}-{name}" if name.isalnum() else "",
        image=f"{folder}/{picture}",
        arrays=arrays,
        meta={
            "gender": "neutral",
            "body_source": "imported",
            **({"root_relative": True} if reference else {}),
        },
        box=box,
    )
