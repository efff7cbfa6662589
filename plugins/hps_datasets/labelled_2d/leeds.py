"""Leeds Sports Pose and its extension: one person a picture, 14 joints in one MATLAB array."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from hps_datasets.labelled_2d.labels import (
    FIRST_PIXEL,
    box_around,
    detected_by_openpose,
    labelled_joints,
)
from hpscli.data.containers.mat5 import numbers, read_mat5
from hpscli.data.people import image_size, padded_box, picture_bytes
from hpscli.errors import HpsError, InvalidData
from hpscli.records import Person, Picture

JOINTS = 14
SPIN_TRAIN = 1000  # pictures: SPIN trains on the first thousand of the original size
PICTURES = re.compile(r"im(\d+)\.(png|jpg)")


def lsp(
    root: Path, split: str, *, reference: str, zero_based: bool, openpose: str
) -> Iterator[Person | HpsError]:
    """Leeds Sports Pose -> the first half of the pictures to train on, the second to test on."""
    table = joint_table(root / "joints.mat")
    count = len(table)
    if reference == "mmhuman3d":  # it counts whatever lies in the folder
        count = len(list((root / "images").iterdir())) if (root / "images").is_dir() else 0
    rows = range(count // 2) if split == "train" else range(count // 2, count)
    if reference == "spin" and split == "train":
        rows = range(min(SPIN_TRAIN, len(table)))
    for row in rows:
        image = f"images/im{row + 1:04d}.jpg"
        if row >= len(table):
            yield InvalidData(f"joints.mat has no row {row} for {image}.")
            continue
        # the third number says that a joint is hidden
        visible = table[row, :, 2] == 0
        known = np.isfinite(table[row, :, :2]).all(1)
        person = _read(root, image, table[row], known, visible, reference, zero_based)
        if isinstance(person, Person) and reference == "spin" and split == "test":
            person = _with_masks(person)
        elif isinstance(person, Person) and openpose:
            person = _with_detection(person, root / openpose, "lsp")
        if person is not None:
            yield person


def lsp_extended(
    root: Path, split: str, *, reference: str, zero_based: bool, openpose: str
) -> Iterator[Person | HpsError]:
    """LSP Extended, as its owners ship it (JPEG) or in high resolution (PNG) -> all its people."""
    table = joint_table(root / "joints.mat")
    for row, image in numbered_pictures(root, reference):
        if not 0 <= row < len(table):
            yield InvalidData(f"joints.mat has no row {row} for {image}.")
            continue
        # here the third number says that a joint is visible, and joints without label are negative
        visible = table[row, :, 2] == 1
        known = np.isfinite(table[row, :, :2]).all(1) & (table[row, :, :2] >= 0).all(1)
        person = _read(root, image, table[row], known, visible, reference, zero_based)
        if isinstance(person, Person) and openpose:
            person = _with_detection(person, root / openpose, "hrlspet")
        if person is not None:
            yield person


def joint_table(path: Path) -> np.ndarray:
    """joints.mat, (3,14,N) or (14,3,N) -> (N,14,3) x, y px and the owner's flag."""
    table = numbers(path, "joints", read_mat5(path, "joints")["joints"])
    if table.ndim == 2:  # MATLAB drops the last axis of a single picture
        table = table[..., None]
    if table.ndim == 3 and table.shape[:2] == (3, JOINTS):
        return table.transpose(2, 1, 0)
    if table.ndim == 3 and table.shape[:2] == (JOINTS, 3):
        return table.transpose(2, 0, 1)
    raise InvalidData(f"{path.name}: joints have shape {table.shape}, expected 14 x 3 x pictures.")


def numbered_pictures(root: Path, reference: str) -> Iterator[tuple[int, str]]:
    """-> row in joints.mat and name of each picture.

    By the number in the name; official converters take the n-th PNG of the folder as row n.
    """
    if reference:
        yield from enumerate(sorted(path.name for path in root.glob("*.png")))
        return
    folder = "images/" if (root / "images").is_dir() else ""
    names = sorted(path.name for path in (root / folder).iterdir()) if root.is_dir() else []
    for name in names:
        if match := PICTURES.fullmatch(name):
            yield int(match[1]) - 1, folder + name


def _read(
    root: Path,
    image: str,
    row: np.ndarray,
    known: np.ndarray,
    visible: np.ndarray,
    reference: str,
    zero_based: bool,
) -> Person | HpsError | None:
    """One row -> a person; None when the official converter leaves it out."""
    if reference:
        return _as_reference(root, image, row[:, :2], reference)
    points = row[:, :2] - FIRST_PIXEL if zero_based else row[:, :2]
    joints, classes = labelled_joints(points, known, visible)
    if not known.any():
        return InvalidData(f"joints.mat: {image} has no joint.")
    arrays = {"keypoints2d.lsp14": joints, "extra.visibility": classes}
    return Person(image=image, arrays=arrays, box=box_around(joints))


def _as_reference(
    root: Path, image: str, points: np.ndarray, reference: str
) -> Person | HpsError | None:
    """All joints labelled, whatever the flag; mmhuman3d wants the joints inside the picture."""
    if reference == "mmhuman3d":
        try:
            height, width = image_size(picture_bytes(root, Picture(path=image)), image)
        except HpsError as error:
            return error
        limits = np.array([width, height])
        if not ((points >= 0) & (points <= limits)).all():
            return None
    joints = np.concatenate([points, np.ones((JOINTS, 1))], axis=1)
    return Person(image=image, arrays={"keypoints2d.lsp14": joints}, box=padded_box(points))


def _with_detection(person: Person, folder: Path, dataset: str) -> Person | HpsError:
    joints = person.arrays["keypoints2d.lsp14"]
    try:
        found = detected_by_openpose(folder, person.image, joints, "lsp14", dataset)
    except HpsError as error:
        return error
    return replace(person, arrays={**person.arrays, "keypoints2d.openpose25": found})


def _with_masks(person: Person) -> Person:
    """-> the same with the names of SPIN's segmentations, which its test file holds."""
    stem = Path(person.image).stem
    meta = {
        "maskname": f"data/lsp/{stem}_segmentation.png",
        "partname": f"data/lsp/{stem}_part_segmentation.png",
    }
    return replace(person, meta=meta)
