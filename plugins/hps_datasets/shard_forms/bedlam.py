"""BEDLAM's label files: one .npz a scene, SMPL-X in the camera, projected joints, boxes.

`bedlam` reads them in the owner's folders, `bedlam-npz` reads any folder of files in this form.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hpscli.data.containers.archives import open_npz
from hpscli.data.people import square_box, stem_of
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

IMAGES, LABELS = "training_images", "training_labels/all_npz_12_training"
JOINTS, COUNT = "smplx127", 127
BOX_UNIT = 200.0  # px: scale * 200 is the side of the box
PARTS = {  # numbers of a pose; hands are relative to the flat hand
    "global_orient": slice(0, 3),
    "body_pose": slice(3, 66),
    "jaw_pose": slice(66, 69),
    "leye_pose": slice(69, 72),
    "reye_pose": slice(72, 75),
    "left_hand_pose": slice(75, 120),
    "right_hand_pose": slice(120, 165),
}
POSE, BETAS = 165, 10
NEEDED = ("imgname", "center", "scale", "pose_cam", "shape", "trans_cam", "gtkps", "cam_int")
WANTED = ("cam_ext", "gender", "sub", "motion_info")
GENDERS = {"m": "male", "male": "male", "f": "female", "female": "female"}
GENDERS |= {"n": "neutral", "neutral": "neutral"}
ROWS = 512  # people in memory at a time


def bedlam(root: Path, split: str, *, reference: str, part: float) -> Iterator[Person | HpsError]:
    """The owner's folders -> people of all scenes, scenes sorted."""
    paths = sorted((root / LABELS).glob("*.npz"))
    if not paths:
        raise MissingError(f"{root / LABELS} holds no SCENE_6fps.npz.")
    for path in paths:
        yield from scene(path, f"{IMAGES}/{path.stem}/png", reference, part)


def bedlam_npz(
    root: Path, split: str, *, reference: str, labels: str, images: str, part: float
) -> Iterator[Person | HpsError]:
    """A folder of label files -> their people; pictures are below `images`, {scene} is a file's name."""
    if PurePosixPath(labels).is_absolute() or ".." in PurePosixPath(labels).parts:
        raise UsageError(f"labels={labels} leads out of the folder.", "For example: labels=*.npz")
    paths = sorted(root.glob(labels))
    if not paths:
        raise MissingError(f"{root} holds no {labels}.", "Name them: labels=FOLDER/*.npz")
    for path in paths:
        folder = images.replace("{scene}", path.stem).strip("/")
        yield from scene(path, folder, reference, part)


@dataclass(frozen=True)
class Scene:
    """What all people of a label file share."""

    name: str
    images: str
    turns: int
    reference: str


def scene(path: Path, images: str, reference: str, part: float) -> Iterator[Person | HpsError]:
    """One label file -> the first `part` of its people, 0..1."""
    if not 0 < part <= 1:
        raise UsageError(
            f"part={part} is no part of a file.", "A number above 0, at most 1: part=0.8"
        )
    # on disk the pictures of closeups lie on their side
    shared = Scene(path.stem, images, int("closeup" in path.stem), reference)
    try:
        with open_npz(path) as archive:
            lacking = [name for name in NEEDED if name not in archive]
            if lacking:
                raise InvalidData(f"{path.name} has no entry '{lacking[0]}'.")
            names = [*NEEDED, *(name for name in WANTED if name in archive)]
            last = int(part * archive.header("scale").rows)
            number = 0
            for block in archive.blocks(names, ROWS):
                for row in range(min(len(block["scale"]), last - number)):
                    values = {name: array[row] for name, array in block.items()}
                    yield _person_or_error(shared, number, values)
                    number += 1
    except (InvalidData, *BAD_RECORD) as error:
        problem = (
            error.problem if isinstance(error, HpsError) else f"{path.name}: {in_words(error)}."
        )
        yield LostFile(problem)


def _person_or_error(shared: Scene, number: int, values: Mapping[str, Any]) -> Person | InvalidData:
    try:
        return _person(shared, number, values)
    except BAD_RECORD as error:
        return InvalidData(f"{shared.name}.npz row {number}: {in_words(error)}.")


def _person(shared: Scene, number: int, values: Mapping[str, Any]) -> Person:
    """One row -> its person."""
    pose = np.array(values["pose_cam"], np.float64).reshape(POSE)
    betas = np.array(values["shape"], np.float64).ravel()
    if not BETAS <= betas.size <= BETAS + 1:
        raise ValueError(f"{betas.size} shape numbers")
    placed = np.array(values["trans_cam"], np.float64).reshape(3)
    if "cam_ext" in values:
        placed = placed + np.array(values["cam_ext"], np.float64).reshape(4, 4)[:3, 3]
    points = np.array(values["gtkps"], np.float64)[:, :2].reshape(COUNT, 2)
    center = np.array(values["center"], np.float64).reshape(2)
    image = f"{shared.images}/{_text(values['imgname'])}".lstrip("/")
    arrays = {
        # the third number of gtkps is the 1 of homogeneous points, no visibility
        f"keypoints2d.{JOINTS}": np.hstack([points, np.ones((COUNT, 1))]),
        **{f"smplx.{part}": pose[where] for part, where in PARTS.items()},
        "smplx.betas": betas[:BETAS],
        "smplx.transl": placed,
        "camera.intrinsics": np.array(values["cam_int"], np.float64).reshape(3, 3),
    }
    if betas.size > BETAS:
        arrays["extra.betas11"] = betas
    meta = {"body_source": "imported"}
    if "gender" in values:
        word = _text(values["gender"])
        # their loader knows one spelling of one gender
        meta["gender"] = (
            ("male" if word == "m" else "female") if shared.reference else GENDERS[word]
        )
    meta |= {word: _text(values[name]) for word, name in _WORDS.items() if name in values}
    return Person(
        key=stem_of(f"{shared.name}_{number:06d}"),
        image=image,
        picture=Picture(path=image, turns=shared.turns) if shared.turns else None,
        arrays=arrays,
        meta=meta,
        box=square_box(center, BOX_UNIT * float(values["scale"])),
    )


_WORDS = {"subject": "sub", "motion": "motion_info"}


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
