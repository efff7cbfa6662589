"""People written in each pre-parsed form and read back: what the form carries is equal.

One row of FORMS is one form; `write` puts people and their pictures below a folder and returns the
options with which the data set reads them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hps_datasets.synthetic.generate import indexed
from hpscli.data.containers.archives import load_npz
from hpscli.data.dump import person_of, write_form
from hpscli.data.forms.human_data import human_row
from hpscli.data.forms.spin import spin_row
from hpscli.data.people import Layout
from hpscli.data.sample import complaints
from hpscli.data.sources import Source
from hpscli.records import Person, Sample
from hpscli.registry import get_registry
from hpscli.testing.array_comparison import compare
from tests.plugins.datasets.shard_forms.shard_files import (
    import_mano,
    joints_in,
    write_bedlam,
    write_hmr2,
    write_tsv,
)

PEOPLE = 10


@dataclass(frozen=True, kw_only=True)
class Form:
    """One form: its data set, its writer, and what it carries."""

    name: str
    dataset: str
    write: Callable[[list[Sample], Path], Mapping[str, Any]]
    bodies: tuple[str, ...]
    exact: tuple[str, ...]  # beginnings of arrays that come back as they went in
    row: Callable[
        [Person], Mapping[str, Any]
    ]  # the form's own view of a person: joints by its names
    words: tuple[str, ...] = ("gender", "body_source")


def dumped(form: str, file: str, *words: str) -> Callable[[list[Sample], Path], dict[str, Any]]:
    """-> a writer: what `hps datasets dump --as FORM --images` does."""

    def write(people: list[Sample], folder: Path) -> dict[str, Any]:
        assert write_form(people, form, folder / file, folder / "images", words) == len(people)
        return {"annotations": file, "images": "images"}

    return write


def human_joints(person: Person) -> dict[str, Any]:
    return {name: v for name, v in human_row(person).items() if name.startswith("keypoints")}


def spin_joints(person: Person) -> dict[str, Any]:
    """SPIN's 2D joints, and its 3D joints relative to the pelvis."""
    row = spin_row(person)
    labelled = row["S"][:, 3:] > 0
    row["S"] = (row["S"][:, :3] - row["S"][14, :3]) * labelled
    return {name: row[name] for name in ("part", "S", "scale", "center")}


def write_osx(people: list[Sample], folder: Path) -> dict[str, Any]:
    pictures = folder / "images" / "train2017"
    assert write_form(people, "osx-json", folder, pictures) == len(people)
    return {}


def osx_joints(person: Person) -> dict[str, Any]:
    return {name: v for name, v in person.arrays.items() if name.startswith("keypoints2d.")}


def joints_of(groups: tuple[str, ...], *sets: str) -> Callable[[Person], dict[str, Any]]:
    """-> a view of a person: its joints in the sets of a form."""

    def row(person: Person) -> dict[str, Any]:
        return {f"{g}.{name}": joints_in(person, g, name) for g in groups for name in sets}

    return row


BOTH = ("keypoints2d", "keypoints3d")
FORMS = [
    Form(
        name="humandata",
        dataset="humandata",
        write=dumped("humandata", "people.npz"),
        bodies=("smpl", "smplx", "mano"),
        exact=("smpl.", "smplx.", "mano.", "camera.", "box."),
        row=human_joints,
        words=("gender", "body_source", "hand", "pose"),
    ),
    Form(
        name="humandata-plain",
        dataset="human-data",
        write=dumped("humandata", "people.npz", "compressed=false"),
        bodies=("smplx",),
        exact=("smplx.", "camera.", "box."),
        row=human_joints,
    ),
    Form(
        name="spin-npz",
        dataset="spin-npz",
        write=dumped("spin-npz", "people.npz"),
        bodies=("smpl",),
        exact=("smpl.", "camera.", "box."),
        row=spin_joints,
    ),
    Form(
        name="osx-json",
        dataset="osx-json",
        write=write_osx,
        bodies=("smplx",),
        exact=(  # all but the eyes
            *("smplx.global", "smplx.body", "smplx.left_", "smplx.right_", "smplx.jaw"),
            *("smplx.betas", "smplx.expression", "smplx.transl", "camera.", "box."),
        ),
        row=osx_joints,
    ),
    Form(
        name="tsv",
        dataset="tsv",
        write=write_tsv,
        bodies=("smpl", "mano"),
        exact=("smpl.global", "smpl.body", "smpl.betas", "mano.global", "mano.hand", "box."),
        row=joints_of(BOTH, "metro24", "metro_hand21"),
        words=(),
    ),
    Form(
        name="hmr2-tar",
        dataset="hmr2-tar",
        write=write_hmr2,
        bodies=("smpl",),
        exact=("smpl.global", "smpl.body", "smpl.betas", "box."),
        row=joints_of(BOTH, "hmr2_44"),
        words=("gender",),
    ),
    Form(
        name="bedlam-npz",
        dataset="bedlam-npz",
        write=write_bedlam,
        bodies=("smplx",),
        exact=(
            *("smplx.global", "smplx.body", "smplx.left_", "smplx.right_", "smplx.jaw"),
            *("smplx.leye", "smplx.reye", "smplx.betas", "smplx.transl", "camera.", "box."),
        ),
        row=joints_of(("keypoints2d",), "smplx127"),
        words=("gender",),
    ),
]
CASES = [(form, body) for form in FORMS for body in form.bodies]


@pytest.mark.parametrize(
    ("form", "body"), [pytest.param(f, b, id=f"{f.name}-{b}") for f, b in CASES]
)
def test_people_come_back_as_they_went_in(form: Form, body: str, tmp_path: Path) -> None:
    _, make = indexed(None, "test", body=body, size_px=64)
    people = [make(number) for number in range(PEOPLE)]
    if body == "mano":
        import_mano()
    again = read(form.dataset, form.write(people, tmp_path), tmp_path)
    assert len(again) == len(people)
    for before, after in zip(people, again, strict=True):
        assert complaints(after) == []
        assert after.image == before.image
        for name, array in before.arrays.items():
            if name.startswith(form.exact):
                np.testing.assert_allclose(after.arrays[name], array, atol=1e-6, err_msg=name)
        for word in form.words:
            assert after.meta.get(word) == before.meta.get(word), word
        expected, found = form.row(person_of(before)), form.row(person_of(after))
        assert set(expected) == set(found)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)


def read(dataset: str, options: Mapping[str, Any], folder: Path) -> list[Sample]:
    """-> what `hps prepare` stores, untouched pictures."""
    spec = get_registry().dataset(dataset)
    source = Source(
        spec=spec,
        root=folder,
        split="train",
        options={**spec.options, **options},
        layout=Layout(kind="full"),
    )
    return [source.finish(record) for record in source.open_records() if isinstance(record, Person)]


def flattened(document: Mapping[str, Any]) -> dict[str, Any]:
    """Entries whose values are dictionaries -> the same by dotted names."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        parts = value.items() if isinstance(value, dict) else {"": value}.items()
        found |= {f"{name}.{part}".rstrip("."): item for part, item in parts}
    return found


def test_an_official_file_prepared_as_reference_is_dumped_as_it_was(
    reference: Path, tmp_path: Path
) -> None:
    fixtures = reference / "datasets" / "fixtures"
    file = fixtures / "human_data" / "agora_train_smplx.npz"
    options = {"annotations": str(file), "reference": "mmhuman3d"}
    people = read("humandata", options, fixtures / "agora")
    assert write_form(people, "humandata", tmp_path / "again.npz") == 6
    before, after = flattened(load_npz(file)), flattened(load_npz(tmp_path / "again.npz"))
    assert len(before) >= 20
    for name in set(before) - {"config"}:
        check = compare(name, after.get(name), np.asarray(before[name]), 2e-4)  # stored in float32
        assert check.ok, check
