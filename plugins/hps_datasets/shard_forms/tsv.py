"""METRO's, Graphormer's and FastMETRO's data sets: tables of pictures and labels, bodies and hands."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hps_datasets.shard_forms.tsv_files import Table, Tables, read_listing
from hpscli.body.hand_means import mano_hand_pose
from hpscli.data.people import ABSENT, square_box
from hpscli.errors import (
    BAD_RECORD,
    HpsError,
    InvalidData,
    MissingError,
    UsageError,
    in_words,
)
from hpscli.records import Person, Picture

BOX_UNIT = 200.0  # px: scale * 200 is the side of the box
JOINTS = {24: "metro24", 21: "metro_hand21"}  # by number
GENDERS = {"m": "male", "f": "female", "n": "neutral"}
PEOPLE_JOINTS_COLUMNS = 3  # axes of joints in some files: only the first person has this row
POSES = {72: "smpl", 48: "mano"}


class Source:
    """The open tables of one source."""

    def __init__(self, root: Path, tables: Tables, stack: ExitStack) -> None:
        self.tables = tables
        self.img, self.label = (
            stack.enter_context(closing(Table(root, path))) for path in (tables.img, tables.label)
        )
        self.hw = stack.enter_context(closing(Table(root, tables.hw))) if tables.hw else None


def tsv(
    root: Path, split: str, *, reference: str, yaml: str, only: str
) -> Iterator[Person | HpsError]:
    """The YAML of a data set -> the first person of each of its rows, in the order of its line list.

    only: of the tables that it names, those in folders with this in their name; the others need not
    be there.
    """
    path = yaml or found_listing(root, split)
    listing = read_listing(root, path)
    with ExitStack() as stack:
        sources = {
            number: Source(root, listing.sources[number], stack)
            for number in chosen_sources(listing.sources, only)
        }
        count = len(sources[0].label) if listing.rows is None else 0
        rows = listing.rows or (bytes(count), range(count))
        for number, (source, row) in enumerate(zip(*rows, strict=True)):
            if source not in sources:
                continue
            record = f"{sources[source].tables.label} row {row}"
            try:
                person = _person(sources[source], row, number, reference)
            except HpsError as error:
                yield InvalidData(f"{record}: {error.problem}")
                continue
            except BAD_RECORD as error:
                yield InvalidData(f"{record}: {in_words(error)}.")
                continue
            if person is not None:
                yield person
            elif listing.rows is not None:
                yield InvalidData(f"{record} has no person, but is in the line list.")


def chosen_sources(tables: Sequence[Tables], only: str) -> list[int]:
    """-> which sources are wanted, by a word that their labels' folder contains; "": all."""
    folders = [PurePosixPath(entry.label).parent.as_posix() for entry in tables]
    chosen = [n for n, folder in enumerate(folders) if only.lower() in folder.lower()]
    if not chosen:
        raise UsageError(
            f"no table of this list lies in a folder named '{only}'.",
            f"Its folders: {', '.join(dict.fromkeys(folders))}",
        )
    return chosen


def found_listing(root: Path, split: str) -> str:
    """-> the YAML of a split in the folder, when there is one and no choice."""
    if (root / f"{split}.yaml").is_file():
        return f"{split}.yaml"
    names = sorted(path.relative_to(root).as_posix() for path in root.glob("**/*.yaml"))
    fitting = [name for name in names if name.rpartition("/")[2].startswith(split)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise MissingError(f"{root} holds no {split}*.yaml.", "Name one: yaml=SET/train.yaml")
    raise MissingError(
        f"{root} holds {len(fitting)} lists of '{split}'.", f"Choose: yaml={fitting[0]}"
    )


def _person(source: Source, row: int, number: int, reference: str) -> Person | None:
    """One row -> its first person, None when the labels are an empty list."""
    key, text = source.label.cells(row)[:2]
    people = json.loads(text)
    if not people:
        return None
    label: Mapping[str, Any] = people[0]
    image_key, offset, length = source.img.last_cell(row)
    if reference and source.hw is not None:
        key = source.hw.cells(row)[0]  # official loaders believe this one, and look at no other
    elif image_key != key and not reference:
        raise ValueError(f"the picture in this row is '{image_key}', the labels are of '{key}'")
    center = np.array(label["center"], np.float64).reshape(2)
    arrays, meta = read_labels(label, everything=bool(reference))
    return Person(
        key=f"{number:07d}",
        image=key,
        picture=Picture(path=source.tables.img, offset=offset, length=length, encoding="base64"),
        image_size_px=_size(source, row),
        arrays=arrays,
        meta=meta,
        box=square_box(center, BOX_UNIT * float(label["scale"])),
    )


def read_labels(
    label: Mapping[str, Any], everything: bool
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """One person's labels -> arrays and metadata; `everything`: also what the flags say is absent,
    where no training looks."""
    arrays: dict[str, np.ndarray] = {}
    meta: dict[str, Any] = {}
    for name, flag, group, columns in (
        ("2d_joints", "has_2d_joints", "keypoints2d", 3),
        ("3d_joints", "has_3d_joints", "keypoints3d", 4),
    ):
        has = int(label.get(flag, name in label))
        if has or (everything and name in label):
            points = np.array(label[name], np.float64)
            first = points[0] if points.ndim == PEOPLE_JOINTS_COLUMNS else points
            points = first.reshape(-1, columns)
            arrays[f"{'' if has else ABSENT}{group}.{JOINTS[len(points)]}"] = points
    stored = label.get("pose", label.get("mano_pose", ()))
    pose = np.array(stored, np.float64).ravel()
    has = int(label.get("has_smpl", pose.size > 0))
    if has or (everything and pose.size):
        betas = np.array(label["betas"], np.float64).reshape(10)
        found = _parameters(pose, betas, as_stored=everything)
        arrays |= {f"{'' if has else ABSENT}{name}": v for name, v in found.items()}
        meta["body_source"] = "imported"
    gender = str(label.get("gender", "none"))
    if everything:
        return arrays, {**meta, "gender": gender}
    if "mano.hand_pose" in arrays or any(name.endswith("hand21") for name in arrays):
        meta["hand"] = "right"
    else:
        meta["gender"] = GENDERS[gender[:1].lower()]
    if any(name.startswith("keypoints3d") for name in arrays):
        meta["root_relative"] = True
    if "hrnet_2d_joints" in label and label.get("has_hrnet_2d_joints"):
        arrays["extra.hrnet_2d_joints"] = np.array(label["hrnet_2d_joints"]).reshape(-1, 3)
    return arrays, meta


def _parameters(pose: np.ndarray, betas: np.ndarray, *, as_stored: bool) -> dict[str, np.ndarray]:
    """-> smpl.* or mano.*. The layer of the authors adds MANO's mean hand to a pose; so do we,
    where MANO is on this machine."""
    body = POSES[pose.size]
    part = "body_pose" if body == "smpl" else "hand_pose"
    rest = {f"{body}.{part}": pose[3:]}
    if body == "mano" and not as_stored:
        rest = mano_hand_pose(pose[3:])
    return {f"{body}.global_orient": pose[:3], **rest, f"{body}.betas": betas}


def _size(source: Source, row: int) -> tuple[int, int] | None:
    """-> height and width px: of JSON, or two numbers as in older files."""
    if source.hw is None:
        return None
    text = source.hw.cells(row)[1]
    try:
        entry = json.loads(text)[0]
        return int(entry["height"]), int(entry["width"])
    except (ValueError, TypeError):
        height, width = text.split()[:2]
        return int(height), int(width)
