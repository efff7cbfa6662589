"""SURREAL: SMPL people rendered in front of photographs, as videos with a .mat of labels each.

The owner's camera has a matrix of determinant -1, so pictures show the mirror image of the bodies whose
parameters the files hold. Ours is that mirror image: x of the world negated, sides exchanged, and the
camera's matrix, with the same column negated, becomes a rotation.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hpscli.body.joints import joint_set
from hpscli.body.placement import rest_pelvis
from hpscli.body.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from hpscli.data.containers.matlab import read_mat
from hpscli.data.people import padded_box
from hpscli.errors import (
    BAD_RECORD,
    HpsError,
    InvalidData,
    LostFile,
    MissingError,
    UsageError,
    in_words,
)
from hpscli.records import Person, Picture

FOLDERS = {"train": "train", "validation": "val", "test": "test"}
RUNS = ("run0", "run1", "run2")
JOINTS = "smpl24"
SIZE = (240, 320)  # height, width px
# lens 60 mm on 32 mm (datageneration/misc/smpl_relations of the owner), like the camera's axes
INTRINSICS = np.array([[600.0, 0, 160], [0, 600, 120], [0, 0, 1]])
AXES = np.array([[0.0, 0, -1], [0, 1, 0], [-1, 0, 0]])  # Blender's world -> camera, mirrored
MIRROR = np.diag([-1.0, 1, 1])
UPRIGHT = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up, as SMPL -> z up, as Blender
GENDERS = ("female", "male")  # by number
NAMES = ("gender", "joints2D", "joints3D", "pose", "shape", "camLoc", "zrot")
MOST_FRAMES = 100_000  # clips have at most a hundred
CLOSE_PX = 3.0  # stored 2D joints are whole pixels


def surreal(root: Path, split: str, *, reference: str, run: str) -> Iterator[Person | HpsError]:
    """Labels of every clip -> a person a frame, clips sorted; `run` is 0, 1, 2 or all."""
    runs = RUNS if run == "all" else (f"run{run.removeprefix('run')}",)
    if not set(runs) <= set(RUNS):
        raise UsageError(f"run '{run}' is none of SURREAL's.", "run=0, run=1, run=2 or run=all")
    folders = [root / FOLDERS[split] / name for name in runs]
    paths = [path for folder in folders for path in sorted(folder.glob("*/*_info.mat"))]
    if not paths:
        raise MissingError(f"{root / FOLDERS[split]} holds no {runs[0]}/SEQUENCE/*_info.mat.")
    for path in paths:
        record = path.relative_to(root).as_posix()
        if path.name.startswith("."):
            continue
        try:
            clip = read_clip(path)
            frames = range(clip["joints2D"].shape[-1])
        except HpsError as error:
            yield LostFile(f"{record}: {error.problem}")
            continue
        except BAD_RECORD as error:
            yield LostFile(f"{record}: {in_words(error)}.")
            continue
        for frame in frames:
            try:
                yield _person(record.removesuffix("_info.mat"), clip, frame, reference)
            except BAD_RECORD as error:
                yield InvalidData(f"{record} frame {frame}: {in_words(error)}.")


def read_clip(path: Path) -> dict[str, np.ndarray]:
    """-> joints2D (2,24,T), joints3D (3,24,T), pose (72,T), shape (10,T), gender (T,), zrot (T,)."""
    clip = read_mat(path, NAMES)
    # MATLAB drops the last axis of a clip with one frame
    for name, shape in (
        ("joints2D", (2, 24)),
        ("joints3D", (3, 24)),
        ("pose", (72,)),
        ("shape", (10,)),
    ):
        clip[name] = np.asarray(clip[name], np.float64).reshape(*shape, -1)
    clip["gender"] = np.asarray(clip["gender"]).astype(int).ravel()
    clip["camLoc"] = np.asarray(clip["camLoc"], np.float64).reshape(3)
    if "zrot" in clip:
        clip["zrot"] = np.asarray(clip["zrot"], np.float64).ravel()
    if clip["joints2D"].shape[-1] > MOST_FRAMES:
        raise ValueError(f"{clip['joints2D'].shape[-1]} frames")
    return clip


def _person(clip_path: str, clip: Mapping[str, np.ndarray], frame: int, reference: str) -> Person:
    """One frame of a clip -> its person."""
    folder, _, name = clip_path.rpartition("/")
    number = int(clip["gender"][frame])
    if number not in (0, 1):
        raise ValueError(f"gender {number}")
    points, seen = clip["joints2D"][..., frame].T, np.ones((24, 1))
    pose = mirrored_pose(clip["pose"][:, frame].reshape(24, 3))
    joints = (clip["joints3D"][..., frame].T * [-1, 1, 1])[_exchanged()]
    arrays = {"smpl.body_pose": pose[1:].ravel(), "smpl.betas": clip["shape"][:, frame]}
    arrays["camera.intrinsics"] = INTRINSICS
    arrays["camera.translation"] = -AXES @ clip["camLoc"]
    if reference:
        arrays |= {"smpl.global_orient": pose[0], "camera.rotation": AXES}
        meta: dict[str, Any] = {"gender": GENDERS[number], "video_path": f"{clip_path}.mp4"}
    else:
        arrays["camera.rotation"] = AXES @ MIRROR
        joints = joints @ arrays["camera.rotation"].T + arrays["camera.translation"]
        if _fits_better_exchanged(points, joints):
            points = points[_exchanged()]
        meta = {"gender": GENDERS[number], "body_source": "imported"}
        meta |= {"sequence": folder.rpartition("/")[2], "frame": frame}
        arrays |= _placed(clip, frame, joints[0], GENDERS[number])
    arrays[f"keypoints2d.{JOINTS}"] = np.hstack([points, seen])
    arrays[f"keypoints3d.{JOINTS}"] = np.hstack([joints, seen])
    return Person(
        image=f"{folder}/images_{clip_path.rpartition('/')[2]}/frame_{frame:06d}.jpg",
        picture=Picture(path=f"{clip_path}.mp4", frame=frame),
        image_size_px=SIZE,
        arrays=arrays,
        meta=meta,
        box=padded_box(points),
    )


def _placed(
    clip: Mapping[str, np.ndarray], frame: int, pelvis: np.ndarray, gender: str
) -> dict[str, np.ndarray]:
    """-> the root's rotation in the camera, and the translation where the body is here."""
    found: dict[str, np.ndarray] = {}
    rest = rest_pelvis("smpl", gender, clip["shape"][:, frame])
    if rest is not None:
        found["smpl.transl"] = pelvis - rest
    if "zrot" in clip:
        own = _matrix(clip["pose"][:3, frame])
        world = UPRIGHT @ _about_z(float(clip["zrot"][frame])) @ own
        turned = torch.from_numpy(AXES @ world @ MIRROR)  # mirrored twice: a rotation again
        found["smpl.global_orient"] = matrix_to_axis_angle(turned).numpy()
    return found


def mirrored_pose(pose: np.ndarray) -> np.ndarray:
    """Axis-angle (24,3) -> of the mirror image: sides exchanged, y and z of every axis negated."""
    return np.asarray((pose * [1, -1, -1])[_exchanged()])


def _exchanged() -> list[int]:
    return list(joint_set(JOINTS).mirror)


def _fits_better_exchanged(points: np.ndarray, joints: np.ndarray) -> bool:
    """Stored 2D joints, 3D joints in the camera -> whether the 2D ones carry the other side's numbers.

    Descriptions differ in whether they do; where projections agree with either, that decides.
    """
    with np.errstate(all="ignore"):
        seen = joints @ INTRINSICS.T
        seen = seen[:, :2] / seen[:, 2:]
        off = [np.abs(order - seen).max() for order in (points, points[_exchanged()])]
    return bool(off[1] < CLOSE_PX and off[1] < off[0])


def _about_z(angle: float) -> np.ndarray:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])


def _matrix(axis_angle: np.ndarray) -> np.ndarray:
    return np.asarray(axis_angle_to_matrix(torch.from_numpy(np.array(axis_angle, np.float64))))
