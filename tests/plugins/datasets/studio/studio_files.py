"""Copies of the tiny downloads of studio data sets, and what is said of them."""

import shutil
from pathlib import Path

import numpy as np

from hpscli.errors import HpsError
from hpscli.records import Person


def copied(reference: Path, fixture: str, target: Path) -> Path:
    """-> a copy of a fixture that may be changed."""
    return Path(shutil.copytree(reference / "datasets" / "fixtures" / fixture, target / fixture))


def problems(found: list[Person | HpsError]) -> list[str]:
    """-> what is said of records that are broken."""
    return [record.problem for record in found if isinstance(record, HpsError)]


def projected(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Points (J,3) in the camera's frame -> (J,2) px."""
    seen = points @ intrinsics.T
    return np.asarray(seen[:, :2] / seen[:, 2:])
