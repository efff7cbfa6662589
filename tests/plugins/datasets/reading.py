"""What tests of data sets share: people as a reader yields them, and small pictures."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hpscli.data.people import Layout
from hpscli.data.preparing.workers import encoded
from hpscli.data.sources import Bad, Encoded, Source
from hpscli.errors import HpsError
from hpscli.hooks import DatasetSpec
from hpscli.records import Person
from hpscli.registry import get_registry, resolve


def spec_of(name: str) -> DatasetSpec:
    return get_registry().dataset(name)


def read(name: str, root: Path, split: str = "train", **options: Any) -> list[Person | HpsError]:
    """-> what the reader of a data set yields; options as a user gives them."""
    spec = spec_of(name)
    return list(resolve(spec.people)(root, split, **{**spec.options, **options}))


def people_of(name: str, root: Path, split: str = "train", **options: Any) -> list[Person]:
    """-> the same, where nothing is broken."""
    found = read(name, root, split, **options)
    assert [error for error in found if isinstance(error, HpsError)] == []
    return [person for person in found if isinstance(person, Person)]


def problems_of(name: str, root: Path, split: str = "train", **options: Any) -> list[str]:
    """-> what is said of records that are broken."""
    found = read(name, root, split, **options)
    return [error.problem for error in found if isinstance(error, HpsError)]


def checked(name: str, root: Path, **options: Any) -> tuple[int, list[str]]:
    """-> how many people become samples, and what is wrong with the others."""
    spec, layout = spec_of(name), Layout(kind="crop")
    options = {**spec.options, **options}
    source = Source(spec=spec, root=root, split="train", options=options, layout=layout)
    found = list(encoded(source, 0, None, 1))
    sound = [item for item in found if isinstance(item, Encoded)]
    return len(sound), [item.problem for item in found if isinstance(item, Bad)]


def box_of(person: Person) -> np.ndarray:
    assert person.box is not None
    return person.box


def picture(path: Path, size_px: tuple[int, int] = (100, 200)) -> None:
    """A grey picture, height and width."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size_px, 3), 90, np.uint8))
