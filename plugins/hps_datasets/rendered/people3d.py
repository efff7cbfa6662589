"""3DPeople: dressed people of the Mixamo rig, a picture and a text file of 67 joints a frame.

A row of the text is x y in pixels, columns that the owner does not describe, and x y z in its last three.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hpscli.data.people import padded_box
from hpscli.errors import HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person

JOINTS = "people3d67"
COUNT = 67
LARGEST_BYTES = 1 << 20  # of a text; real ones have some kB
FIRST_TEST_SUBJECT = 34  # woman34, man34 and later (as reported)
PICTURES = (".jpg", ".jpeg", ".png")


def people3d(
    root: Path, split: str, *, reference: str, unit_m: float
) -> Iterator[Person | HpsError]:
    """Pictures below rgb/SUBJECT/ACTION/CAMERA/FOLDER -> a person each, sorted.

    `unit_m`: metres of a unit of the 3D joints, which the owner does not state.
    """
    folders = sorted(path for path in root.glob("rgb/*/*/*/*") if path.is_dir())
    if not folders:
        raise MissingError(f"{root} holds no pictures rgb/SUBJECT/ACTION/CAMERA/FOLDER/*.jpg.")
    paths = [path for folder in folders for path in pictures(folder)]
    if reference:  # of one kind alone, sorted by whole names
        paths = sorted((path for path in paths if path.suffix == ".jpg"), key=str)
    for path in paths:
        image = path.relative_to(root).as_posix()
        _, subject, action, camera, _, name = image.split("/")
        if not reference and is_test(subject) != (split == "test"):
            continue
        text = root / "skeleton" / subject / action / camera / f"{Path(name).stem}.txt"
        try:
            values = read_rows(text, 3 if reference else 5)
            points, joints = values[:, :2], values[:, -3:] * unit_m
            seen, certain = np.ones((COUNT, 1)), np.ones((COUNT, 1))
            if reference:  # columns 0 to 2 as 3D, and the confidence minus its own first row
                joints, certain = values[:, :3], np.zeros((COUNT, 1))
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else in_words(error)
            yield InvalidData(f"{text.relative_to(root).as_posix()}: {said}.")
            continue
        meta = {"subject": subject, "action": action, "camera": camera, "root_relative": True}
        yield Person(
            image=image,
            arrays={
                f"keypoints2d.{JOINTS}": np.hstack([points, seen]),
                f"keypoints3d.{JOINTS}": np.hstack([joints - joints[0], certain]),
            },
            meta={} if reference else meta,
            box=padded_box(points),
        )


def pictures(folder: Path) -> list[Path]:
    """-> the pictures of a folder, sorted."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in PICTURES and not path.name.startswith(".")
    )


def is_test(subject: str) -> bool:
    """ "man34" -> True: subjects 01 to 33 are for training."""
    digits = "".join(letter for letter in subject if letter.isdigit())
    return bool(digits) and int(digits) >= FIRST_TEST_SUBJECT


def read_rows(path: Path, columns: int) -> np.ndarray:
    """A text file -> (67,C) numbers, C at least `columns`."""
    with path.open("rb") as stream:
        text = stream.read(LARGEST_BYTES + 1)
    rows = [[float(word) for word in line.split()] for line in text.splitlines() if line.strip()]
    values = np.array(rows, np.float64)
    if values.ndim != 2 or values.shape[0] != COUNT or values.shape[1] < columns:
        raise ValueError(f"shape {values.shape} instead of {COUNT} rows of x y ... x y z")
    return values
