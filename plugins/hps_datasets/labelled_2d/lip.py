"""Look Into Person: a CSV of one person a picture, 16 joints, each x, y and whether it is hidden."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hps_datasets.labelled_2d.labels import box_around, labelled_joints
from hpscli.data.people import padded_box
from hpscli.errors import HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person

JOINTS = 16
PARTS = {"train": "train", "validation": "val"}
MISSING = ("", "NA", "N/A", "n/a", "<NA>", "#N/A", "null", "NULL", "None")  # of pandas, beside nan


def lip(
    root: Path, split: str, *, reference: str, least_joints: int
) -> Iterator[Person | HpsError]:
    """Look Into Person -> people of whom `least_joints` joints are visible."""
    part = PARTS[split]
    path = root / f"lip_{part}_set.csv"
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    name, rows = read_line(line)
                except ValueError as error:
                    yield InvalidData(f"{path.name} line {number}: {in_words(error)}.")
                    continue
                image = f"{part}_images/{name}"
                person = _as_reference(image, rows) if reference else lip_person(image, rows)
                visible = rows[:, 2] < 1 if reference else rows[:, 2] == 0
                if visible.sum() >= least_joints:
                    yield person
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None


def read_line(line: str) -> tuple[str, np.ndarray]:
    """A line -> the picture's name, and (16,3) x, y px, 0 visible or 1 hidden; NaN without label."""
    name, *fields = next(csv.reader([line.strip()]))
    if len(fields) != JOINTS * 3:
        raise ValueError(f"{len(fields)} numbers, expected {JOINTS * 3}")
    rows = np.array([float("nan" if field in MISSING else field) for field in fields]).reshape(
        JOINTS, 3
    )
    if np.isinf(rows).any():
        raise ValueError("a number without end")
    return name, rows


def lip_person(image: str, rows: np.ndarray) -> Person:
    """A line's joints -> a person: hidden joints have a label, missing ones have none."""
    joints, classes = labelled_joints(rows[:, :2], np.isfinite(rows).all(1), rows[:, 2] == 0)
    arrays = {"keypoints2d.lip16": joints, "extra.visibility": classes}
    return Person(image=image, arrays=arrays, box=box_around(joints))


def _as_reference(image: str, rows: np.ndarray) -> Person:
    """As hmr-benchmarks: what is missing becomes 1, in x and y too; hidden joints lose confidence."""
    filled = np.where(np.isnan(rows), 1.0, rows)
    joints = np.concatenate([filled[:, :2], 1 - filled[:, 2:]], axis=1)
    seen = joints[joints[:, 2] > 0, :2]
    box = padded_box(seen) if len(seen) else None
    return Person(image=image, arrays={"keypoints2d.lip16": joints}, box=box)
