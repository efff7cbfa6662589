"""Copies of the tiny downloads of studio data sets, and their people."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.errors import HpsError
from hpscli.records import Person
from hpscli.registry import get_registry, resolve


def copied(reference: Path, fixture: str, target: Path) -> Path:
    """-> a copy of a fixture that may be changed."""
    return Path(shutil.copytree(reference / "datasets" / "fixtures" / fixture, target / fixture))


def records(dataset: str, root: Path, split: str, **options: Any) -> list[Person | HpsError]:
    """-> what the reader of a data set yields; options as a user gives them."""
    spec = get_registry().dataset(dataset)
    return list(resolve(spec.people)(root, split, **{**spec.options, **options}))


def people(dataset: str, root: Path, split: str, **options: Any) -> list[Person]:
    """-> the same, where nothing is broken."""
    found = records(dataset, root, split, **options)
    assert not [record for record in found if isinstance(record, HpsError)]
    return [record for record in found if isinstance(record, Person)]


def problems(found: list[Person | HpsError]) -> list[str]:
    """-> what is said of records that are broken."""
    return [record.problem for record in found if isinstance(record, HpsError)]


def projected(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Points (J,3) in the camera's frame -> (J,2) px."""
    seen = points @ intrinsics.T
    return np.asarray(seen[:, :2] / seen[:, 2:])
