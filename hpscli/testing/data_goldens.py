"""Replaying official converters on tiny downloads: a data set is read `as reference`, and compared.

One function for all data sets: it reads the fixture with the reader that users have, writes people in
the form of the golden, and compares every array in the precision of the reader.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hpscli.data.forms.human_data import human_data
from hpscli.data.forms.osx import osx_list
from hpscli.data.forms.spin import spin_arrays
from hpscli.data.people import image_size, picture_bytes
from hpscli.errors import HpsError
from hpscli.records import Person, Picture
from hpscli.registry import get_registry, resolve
from hpscli.testing.array_comparison import POINTS, compare
from hpscli.testing.expected import SKIPPED
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, read_golden

FORMS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "human_data": human_data,
    "spin": spin_arrays,
    "osx": osx_list,
}
OFFSET_ENTRIES = ("bbox_xywh", "center", "scale")


def replay(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """A reference folder -> a verdict on every array of the golden."""
    values = dict(options.case)
    stored = read_golden(folder, f"expected/{values.pop('file')}")
    form, boxes = values.pop("form", "human_data"), values.pop("boxes", POINTS)
    tolerances, cameras = values.pop("tolerances", {}), values.pop("cameras", "")
    left_out = (*SKIPPED, *values.pop("left_out", ()))
    root = folder / "fixtures" / values.pop("fixture")
    people = read_people(values.pop("dataset"), root, values.pop("split"), values)
    if "cam_param_json" in stored:
        people = [with_size(root, person) for person in people]
    found = in_form(form, people, root) if people else nobody(stored)
    if cameras:
        found["cam_param"] = resolve(cameras)(root)
    for name, array in stored.items():
        if any(fnmatchcase(name, pattern) for pattern in left_out):
            continue
        tolerance = boxes if name in OFFSET_ENTRIES else POINTS
        given = [value for pattern, value in tolerances.items() if fnmatchcase(name, pattern)]
        ours = found.get("cam_param" if name == "cam_param_json" else name)
        yield compare(name, ours, array, given[0] if given else tolerance)


def nobody(stored: dict[str, Any]) -> dict[str, Any]:
    """A golden -> what a reader that found no people agrees with: entries without rows, and joint sets."""
    sets = ("_mask", "_convention")
    return {
        name: array
        for name, array in stored.items()
        if name.endswith(sets) or array.shape[:1] == (0,)
    }


def in_form(form: str, people: list[Person], root: Path) -> dict[str, Any]:
    """People -> {entry: array}; a form of a plugin ("package.module:function") also gets the folder."""
    if ":" in form:
        return dict(resolve(form)(people, root))
    return FORMS[form](people)


def read_people(dataset: str, root: Path, split: str, options: dict[str, Any]) -> list[Person]:
    """-> all people of a data set that can be read."""
    spec = get_registry().dataset(dataset)
    records = resolve(spec.people)(root, split, **{**spec.options, **options})
    return [record for record in records if not isinstance(record, HpsError)]


def with_size(root: Path, person: Person) -> Person:
    """-> the same person with the height and width of the picture, where the labels lack them."""
    if person.image_size_px is not None:
        return person
    picture = person.picture or Picture(path=person.image)
    try:
        return replace(person, image_size_px=image_size(picture_bytes(root, picture)))
    except HpsError:
        return person  # a video, or no picture: the comparison of its camera will say so
