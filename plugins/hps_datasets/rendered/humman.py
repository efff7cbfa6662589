"""HuMMan: .smc files (HDF5) of a capture each, with pictures of ten Kinects inside; known from reading.

Groups of a file: Kinect/ID/Color/FRAME (bytes of a JPEG), Kinect/ID/Calibration/Color/{Intrinsics cx cy
fx fy ..., Resolution width height}, Extrinsics (JSON; camera 2*ID is a colour camera, camera to world),
Keypoints2D/Kinect/ID/keypoints2d (T,133,3), Keypoints3D/keypoints3d (T,133,4) and SMPL in the world.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.placement import in_camera
from hpscli.data.containers.matlab import BROKEN, hdf5_array, open_hdf5
from hpscli.errors import HpsError, InvalidData, LostFile, MissingError, in_words
from hpscli.records import Person, Picture

JOINTS = "coco_wholebody133"
COUNT = 133
MOST_CAMERAS = 64
LARGEST_PICTURE_BYTES = 1 << 26
SMPL = {"global_orient": 3, "body_pose": 69, "transl": 3}


@dataclass(frozen=True)
class Capture:
    """What all cameras of a file share: joints (T,133,4) and SMPL in the world, or nothing."""

    name: str
    joints: np.ndarray
    smpl: dict[str, np.ndarray]
    extrinsics: dict[str, Any]


def humman(root: Path, split: str, *, every: int) -> Iterator[Person | HpsError]:
    """Captures of a split -> a person a colour camera and a frame, of every tenth frame."""
    for path in captures(root, split):
        try:
            with open_hdf5(path) as file:
                yield from _people(file, path.relative_to(root).as_posix(), max(1, every))
        except HpsError as error:
            yield LostFile(f"{path.name}: {error.problem}")
        except BROKEN as error:
            yield LostFile(f"{path.name}: {in_words(error)}.")


def captures(root: Path, split: str) -> list[Path]:
    """-> the files of a split: SPLIT/*.smc, or those that SPLIT.txt names; all for `train`."""
    paths = sorted((root / split).glob("*.smc")) or sorted(root.glob("*.smc"))
    listed = root / f"{split}.txt"
    if listed.is_file():
        names = {line.strip().removesuffix(".smc") for line in listed.read_text("utf-8").split()}
        paths = [path for path in paths if path.stem in names]
    elif split != "train" and not (root / split).is_dir():
        raise MissingError(
            f"{root} has no folder {split} and no list {split}.txt.", "Sort the .smc files so."
        )
    if not paths:
        raise MissingError(f"{root} holds no .smc files of '{split}'.")
    return paths


def _people(file: Any, name: str, every: int) -> Iterator[Person | HpsError]:
    """One open file -> its people, camera by camera."""
    joints = hdf5_array(file, "Keypoints3D/keypoints3d").astype(np.float64)
    smpl: dict[str, np.ndarray] = {}
    if "SMPL" in file:
        values = {part: hdf5_array(file, f"SMPL/{part}") for part in (*SMPL, "betas")}
        smpl = {part: np.asarray(array, np.float64) for part, array in values.items()}
    text = file["Extrinsics"][()]
    capture = Capture(name, joints, smpl, json.loads(text))
    cameras = sorted((key for key in file["Kinect"] if key.isdigit()), key=int)
    for camera in cameras[:MOST_CAMERAS]:
        points = hdf5_array(file, f"Keypoints2D/Kinect/{camera}/keypoints2d").astype(np.float64)
        for frame in range(0, len(points), every):
            try:
                yield _person(file, capture, camera, frame, points[frame])
            except BROKEN as error:
                yield InvalidData(f"{name} camera {camera} frame {frame}: {in_words(error)}.")


def _person(file: Any, capture: Capture, camera: str, frame: int, points: np.ndarray) -> Person:
    """One picture -> its person in the camera."""
    rotation, translation = world_to_camera(capture.extrinsics[str(2 * int(camera))])
    calibration = f"Kinect/{camera}/Calibration/Color"
    cx, cy, fx, fy = hdf5_array(file, f"{calibration}/Intrinsics").astype(np.float64).ravel()[:4]
    width, height = hdf5_array(file, f"{calibration}/Resolution").astype(int).ravel()[:2]
    joints = capture.joints[frame].reshape(COUNT, 4)
    arrays = {
        f"keypoints2d.{JOINTS}": points.reshape(COUNT, 3),
        f"keypoints3d.{JOINTS}": np.hstack(
            [joints[:, :3] @ rotation.T + translation, joints[:, 3:]]
        ),
        "camera.intrinsics": np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
        "camera.rotation": rotation,
        "camera.translation": translation,
    }
    if capture.smpl:
        fit = {k: v[frame].reshape(SMPL[k]) for k, v in capture.smpl.items() if k in SMPL}
        world = {f"smpl.{part}": values for part, values in fit.items()}
        world["smpl.betas"] = capture.smpl["betas"].ravel()[:10]
        arrays |= in_camera(world, "smpl", "neutral", rotation, translation)
    stem = capture.name.removesuffix(".smc")
    return Person(
        image=f"{stem}/kinect_{int(camera):02d}/{frame:06d}.jpg",
        picture=picture(file, capture.name, f"Kinect/{camera}/Color/{frame}"),
        image_size_px=(int(height), int(width)),
        arrays=arrays,
        meta={
            "sequence": stem,
            "camera": f"kinect_{int(camera)}",
            "frame": frame,
            **({"gender": "neutral", "body_source": "imported"} if capture.smpl else {}),
        },
    )


def world_to_camera(pose: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """R (9) and T (3) of a camera in the world -> rotation (3,3), translation (3,) to the camera."""
    turned = np.array(pose["R"], np.float64).reshape(3, 3).T
    return turned, -turned @ np.array(pose["T"], np.float64).reshape(3)


def picture(file: Any, path: str, name: str) -> Picture:
    """-> where the bytes of a picture lie in the file: one piece, not compressed again."""
    dataset = file[name]
    length = int(dataset.size)
    offset = dataset.id.get_offset()
    if offset is None and dataset.chunks and dataset.id.get_num_chunks() == 1:
        chunk = dataset.id.get_chunk_info(0)
        offset = None if dataset.id.get_create_plist().get_nfilters() else chunk.byte_offset
    if offset is None or dataset.dtype.itemsize != 1 or length > LARGEST_PICTURE_BYTES:
        raise ValueError(f"{name} is not stored in one piece")
    return Picture(path=path, offset=int(offset), length=length)
