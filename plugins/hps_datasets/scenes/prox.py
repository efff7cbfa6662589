"""PROX: recordings of one person in a room, with SMPL-X fitted to colour, depth and scene.

The colour pictures of the download are mirrored; OpenPose and the fits saw them turned back (PROX's
fitting code, `flip: True` in all of its configurations). So labels are mirrored to lie on the pictures.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.scenes.hands import smplx_arrays
from hps_datasets.scenes.labels import (
    check_slots,
    converted_confidences,
    converted_joints,
    detected,
    first_openpose,
    flat,
    mapping,
)
from hps_datasets.scenes.mirrored import mirrored_labels, resized_labels
from hpscli.body.placement import in_camera
from hpscli.data.containers.pickles import load_pickle
from hpscli.data.people import image_size, padded_box, picture_bytes, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person, Picture

SIZE_PX = (1080, 1920)  # height, width of the colour camera
INTRINSICS = np.array([[1060.53, 0, 951.30], [0, 1060.38, 536.77], [0, 0, 1]])  # of all recordings
FEMALE = {162, 3452, 159, 3403}  # subjects; PROX's prox/viz/viz_fitting.py
HANDS = {"left_hand_pose": 12, "right_hand_pose": 12}  # coefficients
FACE = {"leye_pose": 3, "reye_pose": 3, "jaw_pose": 3, "expression": 10}
BODY = {"global_orient": 3, "body_pose": 63, "betas": 10, "transl": 3, "pose_embedding": 32}
OFFICIAL = {**BODY, **HANDS, **FACE}  # numbers in a fit, as hmr-benchmarks stores it


@dataclass(frozen=True)
class Frame:
    """A picture in which OpenPose found somebody."""

    recording: str
    name: str
    points: np.ndarray  # (25,3) px and confidence
    fit: Mapping[str, Any] | None

    @property
    def image(self) -> str:
        """-> the picture's path."""
        return f"recordings/{self.recording}/Color/{self.name}.jpg"


def prox(
    root: Path, split: str, *, reference: str, mirrored: bool, slots: str
) -> Iterator[Person | HpsError]:
    """PROX -> the person of every picture in which OpenPose found somebody; recording, then time."""
    check_slots(slots, reference)
    frames = _frames(root)
    if reference:
        yield from _as_converted(frames, slots)
        return
    for frame in frames:
        if isinstance(frame, HpsError):
            yield frame
            continue
        try:
            yield _person(root, frame, mirrored)
        except HpsError as error:
            yield error
        except BAD_RECORD as error:
            yield InvalidData(f"{frame.image}: {in_words(error)}.")


def _frames(root: Path) -> Iterator[Frame | HpsError]:
    """-> the pictures with somebody in them, with their labels as the files have them."""
    folders = sorted(path for path in root.glob("recordings/*/Color") if path.is_dir())
    if not folders:
        raise MissingError(f"{root} has no recordings/*/Color.", "See: hps datasets show prox")
    for folder in folders:
        recording = folder.parent.name
        for path in sorted(folder.glob("*.jpg")):
            labels = f"keypoints/{recording}/{path.stem}_keypoints.json"
            name = f"PROXD/{recording}/results/{path.stem}/000.pkl"
            try:
                points = first_openpose(root / labels, labels)
                if points is None:
                    continue
                if not (points[:, 2] > 0).any():
                    raise InvalidData(f"{labels}: not a joint was detected.")
                there = (root / name).is_file()
                fit = mapping(load_pickle(root / name), name) if there else None
                yield Frame(recording, path.stem, points, fit)
            except HpsError as error:
                yield error


def _person(root: Path, frame: Frame, mirrored: bool) -> Person:
    """-> the person of a picture, with labels that lie on it."""
    subject = _subject(frame.recording)
    meta: dict[str, Any] = {
        "gender": "female" if subject in FEMALE else "male",
        "recording": frame.recording,
        "subject": subject,
    }
    arrays = {"keypoints2d.openpose25": frame.points, "camera.intrinsics": INTRINSICS}
    if frame.fit is not None:
        arrays |= _fitted(frame.fit, meta["gender"])
        meta["body_source"] = "imported"
    if mirrored:
        arrays = mirrored_labels(arrays, SIZE_PX[1])
    height, width = image_size(picture_bytes(root, Picture(path=frame.image)), frame.image)
    arrays = resized_labels(arrays, width / SIZE_PX[1], height / SIZE_PX[0])
    return Person(
        key=stem_of(f"{frame.recording}/{frame.name}.jpg"),
        image=frame.image,
        arrays=arrays,
        box=padded_box(detected(arrays["keypoints2d.openpose25"])),
        meta=meta,
    )


def _subject(recording: str) -> int:
    """N3Office_00034_01 -> 34; ValueError for another name."""
    return int(recording.split("_")[1])


def _camera(fit: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """-> rotation (3,3) and translation (3,) from the fit's frame into the colour camera."""
    rotation, translation = flat(fit["camera_rotation"], 9), flat(fit["camera_translation"], 3)
    return rotation.reshape(3, 3), translation


def _fitted(fit: Mapping[str, Any], gender: str) -> dict[str, np.ndarray]:
    """-> the arrays of a fit, in the colour camera."""
    rotation, translation = _camera(fit)
    return in_camera(smplx_arrays(fit), "smplx", gender, rotation, translation)


def _as_converted(frames: Iterator[Frame | HpsError], slots: str) -> Iterator[Person | HpsError]:
    """-> as hmr-benchmarks: people of the pictures that have a fit."""
    for frame in frames:
        if isinstance(frame, HpsError):
            yield frame
            continue
        if frame.fit is None:
            continue
        try:
            yield _converted(frame, frame.fit, slots)
        except BAD_RECORD as error:
            yield InvalidData(f"{frame.image}: {in_words(error)}.")


def _official(fit: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """-> a fit's arrays by the names of HumanData, for hands are four times three coefficients there."""
    return {
        f"extra.human_data.smplx.{name}": flat(fit[name], count) for name, count in OFFICIAL.items()
    }


def _converted(frame: Frame, fit: Mapping[str, Any], slots: str) -> Person:
    points = converted_confidences(frame.points)
    rotation, translation = _camera(fit)
    return Person(
        key=stem_of(f"{frame.recording}/{frame.name}.jpg"),
        image=frame.image,
        arrays={
            **converted_joints(points, slots),
            "camera.intrinsics": INTRINSICS.astype(np.float32),
            "camera.rotation": rotation,
            "camera.translation": translation,
            **_official(fit),
        },
        box=padded_box(points[points[:, 2] > 0, :2]),
        image_size_px=SIZE_PX,
    )
