"""People written as other code packs them: METRO's tables, 4D-Humans' tars, BEDLAM's labels."""

import base64
import io
import json
import pickle
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.assets.files import write_asset
from hpscli.body.joints import convert, joint_set
from hpscli.data.sample import image_kind
from hpscli.records import Person, Sample

BOX_UNIT = 200.0
MEAN_HAND = np.linspace(-0.6, 0.7, 45)  # of a MANO that tests import
MOVED = np.array([0.1, -0.2, 0.5])  # metres: a camera's place


def import_mano() -> None:
    """Put a MANO with MEAN_HAND on this machine, as far as reading hands needs it."""
    write_asset("mano-right", {"hands_mean": MEAN_HAND}, {})


def joints_in(sample: Sample | Person, group: str, target: str) -> np.ndarray:
    """-> the joints of a sample in the set of a form; zero where it has none."""
    columns = {"keypoints2d": 3, "keypoints3d": 4}[group]
    found = np.zeros((len(joint_set(target)), columns))
    for name, points in sample.arrays.items():
        start, _, source = name.partition(".")
        if start == group:
            moved, has = convert(np.asarray(points, np.float64), source, target)
            found[has] = moved[has]
    return found


def write_tsv(people: Sequence[Sample], folder: Path) -> dict[str, Any]:
    """People -> train.yaml with its tables, and an index of each."""
    tables: dict[str, list[str]] = {"img": [], "hw": [], "label": []}
    for person in people:
        key = f"{person.key}.jpg"
        label, (height, width) = tsv_label(person), person.meta["image_size_px"]
        tables["img"].append(f"{key}\t{base64.b64encode(person.image).decode()}")
        tables["hw"].append(f"{key}\t{json.dumps([{'height': height, 'width': width}])}")
        tables["label"].append(f"{key}\t{json.dumps([label])}")
    lines = []
    for name, rows in tables.items():
        write_table(folder / f"train.{name}.tsv", rows)
        lines.append(f"{name}: train.{name}.tsv\n")
    (folder / "train.linelist.tsv").write_text("".join(f"{i}\n" for i in range(len(people))))
    (folder / "train.yaml").write_text("".join(lines) + "linelist: train.linelist.tsv\n")
    return {}


def write_table(path: Path, rows: Sequence[str]) -> None:
    """Rows -> NAME.tsv, and NAME.lineidx with the bytes at which they begin."""
    data = [f"{row}\n".encode() for row in rows]
    path.write_bytes(b"".join(data))
    starts = np.cumsum([0, *(len(row) for row in data)])[:-1]
    path.with_suffix(".lineidx").write_text("".join(f"{start}\n" for start in starts))


def tsv_label(person: Sample) -> dict[str, Any]:
    """-> the dictionary of one person, a body or a hand."""
    hand = "mano.hand_pose" in person.arrays
    joints, pose = ("metro_hand21", "mano.hand_pose") if hand else ("metro24", "smpl.body_pose")
    body = pose.partition(".")[0]
    rest = person.arrays[pose] - (MEAN_HAND if hand else 0)  # METRO's count from the mean hand
    parts = [person.arrays[f"{body}.global_orient"], rest]
    return {
        "center": person.arrays["box.center"].tolist(),
        "scale": float(person.arrays["box.size"][0]) / BOX_UNIT,
        "2d_joints": [joints_in(person, "keypoints2d", joints).tolist()],
        "3d_joints": [joints_in(person, "keypoints3d", joints).tolist()],
        "has_2d_joints": 1,
        "has_3d_joints": 1,
        "pose": np.concatenate(parts).tolist(),
        "betas": person.arrays[f"{body}.betas"].tolist(),
        "has_smpl": 1,
        **({} if hand else {"gender": person.meta["gender"]}),
    }


def write_hmr2(people: Sequence[Sample], folder: Path) -> dict[str, Any]:
    """People -> two tars with a picture and a pickle each."""
    half = len(people) // 2
    for number, part in enumerate((people[:half], people[half:])):
        path = folder / "some-train" / f"{number:06d}.tar"
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w") as archive:
            for person in part:
                add(archive, f"some-train/{person.key}.{image_kind(person.image)}", person.image)
                pickled = pickle.dumps([hmr2_label(person)])
                add(archive, f"some-train/{person.key}.data.pyd", pickled)
    return {"tars": "some-train/{000000..00001}.tar"}


def add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Put a file into a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def hmr2_label(person: Sample) -> dict[str, Any]:
    """-> the dictionary of one person."""
    size = np.repeat(person.arrays["box.size"], 2)
    parts = [person.arrays["smpl.global_orient"], person.arrays["smpl.body_pose"]]
    return {
        "keypoints_2d": joints_in(person, "keypoints2d", "hmr2_44"),
        "keypoints_3d": joints_in(person, "keypoints3d", "hmr2_44"),
        "center": np.float64(person.arrays["box.center"]),
        "scale": np.float64(size) / BOX_UNIT,
        "body_pose": np.concatenate(parts),
        "betas": np.asarray(person.arrays["smpl.betas"]),
        "has_body_pose": np.array(1.0),
        "has_betas": np.array(1.0),
        "image_file": np.array("x.jpg"),
        "extra_info": {"fitting_loss": np.array({}, object)},
    }


def write_bedlam(people: Sequence[Sample], folder: Path) -> dict[str, Any]:
    """People -> scene_6fps.npz and its pictures."""
    rows = [bedlam_row(person) for person in people]
    arrays = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    np.savez(folder / "scene_6fps.npz", **arrays)  # type: ignore[arg-type]
    for person, row in zip(people, rows, strict=True):
        path = folder / "pictures" / "scene_6fps" / str(row["imgname"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(person.image)
    return {"images": "pictures/{scene}"}


def bedlam_row(person: Sample) -> dict[str, np.ndarray]:
    """-> the entries of one person."""
    arrays, outside = person.arrays, np.eye(4)
    outside[:3, 3] = MOVED
    names = ["global_orient", "body_pose", "jaw_pose", "leye_pose", "reye_pose"]
    names += ["left_hand_pose", "right_hand_pose"]
    pose = [np.asarray(arrays[f"smplx.{name}"]) for name in names]
    return {
        "imgname": np.array(f"seq/{person.key}.{image_kind(person.image)}"),
        "center": np.asarray(arrays["box.center"]),
        "scale": np.asarray(arrays["box.size"][0] / BOX_UNIT),
        "pose_cam": np.concatenate(pose),
        "shape": np.asarray(arrays["smplx.betas"]),
        "trans_cam": arrays["smplx.transl"] - MOVED,
        "gtkps": joints_in(person, "keypoints2d", "smplx127"),
        "cam_int": np.asarray(arrays["camera.intrinsics"]),
        "cam_ext": outside,
        "gender": np.array(str(person.meta["gender"])),
    }
