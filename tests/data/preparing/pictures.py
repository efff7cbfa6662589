"""A data set of a few people in pictures, for the tests of preparing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hpscli.errors import HpsError, InvalidData
from hpscli.hooks import DatasetSpec
from hpscli.records import Person


def write_pictures(root: Path, count: int = 6, kind: str = "jpg") -> Path:
    """-> a folder of `count` pictures of 60 x 80 px."""
    root.mkdir()
    for number in range(count):
        blobs = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
        cv2.imwrite(str(root / f"{number:02d}.{kind}"), cv2.resize(blobs, (80, 60)))
    return root


def spec(**changes: Any) -> DatasetSpec:
    """-> the data set `pictured`: two people in each picture."""
    settings: dict[str, Any] = {
        "name": "pictured",
        "people": f"{__name__}:people",
        "splits": ("train", "test"),
        "summary": "People in pictures, for tests",
        "licence": "CC0-1.0",
        "access": "open",
        "homepage": "-",
        "options": {"twins": False},
    }
    return DatasetSpec(**{**settings, **changes})


def people(root: Path, split: str, *, twins: bool) -> Iterator[Person | HpsError]:
    """`twins`: every fifth person has the key of the second."""
    number = 0
    for path in sorted(path for path in root.iterdir() if path.suffix != ".txt"):
        for x in (30.0, 50.0):
            points = np.column_stack(
                [np.full(17, x) + np.arange(17), 20.0 + np.arange(17), np.ones(17)]
            )
            key = "person-1" if twins and number % 5 == 4 else f"person-{number}"
            if path.stem == "unreadable":
                yield InvalidData(f"{path.name} record {number}: nothing in it.")
            else:
                yield Person(image=path.name, key=key, arrays={"keypoints2d.coco17": points})
            number += 1
