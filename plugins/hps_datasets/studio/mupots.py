"""MuPoTs-3D: several people in 20 test sequences, joints in MATLAB structures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.studio.cameras import fitted_intrinsics, with_camera
from hps_datasets.studio.labels import MM_PER_M, rooted, sure
from hpscli.data.containers.matlab import read_mat
from hpscli.data.people import padded_box, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, LostFile, MissingError, in_words
from hpscli.records import Person

FOLDERS = ("MultiPersonTestSet", "")
SEQUENCES = tuple(f"TS{number}" for number in range(1, 21))
JOINTS, ROOT = 17, 14
SET = "mupots17"
SQUARE = tuple(f"TS{number}" for number in range(1, 6))  # sequences of the studio
SIZES_PX = ((2048, 2048), (1080, 1920))  # height, width: of those, and of all others


def mupots_3d(root: Path, split: str, *, reference: str) -> Iterator[Person | HpsError]:
    """MuPoTs-3D -> people whose labels are valid; people of one picture follow each other."""
    folder = next((f for f in FOLDERS if (root / f / "TS1" / "annot.mat").is_file()), None)
    if folder is None:
        raise MissingError(
            f"{root} has no {FOLDERS[0]}/TS1/annot.mat.",
            "hps datasets show mupots-3d says what to get",
        )
    for sequence in SEQUENCES:
        here = f"{folder}/{sequence}".lstrip("/")
        try:
            yield from _sequence(root, here, reference)
        except (InvalidData, MissingError) as error:
            yield LostFile(f"{sequence}: {error.problem}")


def _sequence(root: Path, folder: str, reference: str) -> Iterator[Person | HpsError]:
    path = root / folder / "annot.mat"
    people = read_mat(path, ("annotations",)).get("annotations")
    if people is None or people.ndim != 2 or people.dtype != object:
        raise InvalidData(f"{path} has no annotations (frames, people).")
    hidden_file, hidden = root / folder / "occlusion.mat", None
    if hidden_file.is_file():
        hidden = read_mat(hidden_file, ("occlusion_labels",)).get("occlusion_labels")
    frames, count = people.shape
    order = [(frame, number) for frame in range(frames) for number in range(count)]
    if reference:  # one person after the other
        order.sort(key=lambda place: place[1])
    found: list[Person | HpsError] = []  # a sequence has some hundred frames
    for frame, number in order:
        try:
            occluded = None if hidden is None else hidden[frame, number]
            person = _person(folder, frame, number, people[frame, number], occluded, reference)
        except BAD_RECORD as error:
            found.append(
                InvalidData(f"{folder}/annot.mat frame {frame} person {number}: {in_words(error)}.")
            )
            continue
        if person is not None:
            found.append(person)
    camera = None if reference else _camera([p for p in found if isinstance(p, Person)])
    for one in found:
        yield with_camera(one, camera) if isinstance(one, Person) else one


def _camera(people: list[Person]) -> np.ndarray | None:
    """-> the intrinsics of a sequence, where its labels in 2D and 3D agree on some."""
    if not people:
        return None
    flat, points = (
        np.concatenate([person.arrays[f"{group}.{SET}"] for person in people])
        for group in ("keypoints2d", "keypoints3d")
    )
    return fitted_intrinsics(flat[:, :2], points[:, :3])


def _person(
    folder: str, frame: int, number: int, entry: Any, occluded: Any, reference: str
) -> Person | None:
    """-> one person, or None where the labels are not valid."""
    record = np.asarray(entry).ravel()[0]
    if not np.asarray(_innermost(record["isValidFrame"])).any():
        return None
    flat = np.asarray(_innermost(record["annot2"]), np.float64).reshape(2, JOINTS).T
    name = "univ_annot3" if reference else "annot3"
    points = np.asarray(_innermost(record[name]), np.float64).reshape(3, JOINTS).T / MM_PER_M
    image = f"{folder}/img_{frame:06d}.jpg"
    arrays = {
        f"keypoints2d.{SET}": sure(flat),
        f"keypoints3d.{SET}": sure(rooted(points, ROOT) if reference else points),
    }
    if occluded is not None:
        flags = np.asarray(_innermost(occluded), np.float32).ravel()
        if flags.size == JOINTS:
            arrays["extra.occluded"] = flags
    sequence = folder.rpartition("/")[2]
    return Person(
        image_size_px=SIZES_PX[sequence not in SQUARE],
        key=stem_of(f"{sequence}_{frame:06d}_{number}.jpg"),
        image=image,
        arrays=arrays,
        meta={
            "sequence": sequence,
            "frame": frame,
            "person": number,
            **({"root_relative": True} if reference else {}),
        },
        box=padded_box(flat),
    )


def _innermost(value: Any) -> Any:
    """MATLAB wraps values in arrays of one object -> the value."""
    while isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.ravel()[0]
    return value
