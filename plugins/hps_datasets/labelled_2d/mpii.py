"""MPII Human Pose: the owner's MATLAB structure, or the HDF5 file of the hourglass network's authors.

The structure is the truth: all people, joints that have a label, who is visible. The HDF5 file is what
SPIN and mmhuman3d read; a joint without label is (0, 0) there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.labelled_2d.labels import (
    FIRST_PIXEL,
    box_around,
    detected_by_openpose,
    labelled_joints,
)
from hpscli.data.containers.mat5 import read_mat5
from hpscli.data.people import square_box, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person

JOINTS = 16
STRUCTURE = "mpii_human_pose_v1_u12_1.mat"
HOURGLASS = "train.h5"
SCALE_PX = 200.0  # px: the owner's `scale` is the person's height / 200 px
UNFLAGGED = 1  # upper neck and head top have no flag of visibility: they count as visible


def mpii(
    root: Path, split: str, *, reference: str, zero_based: bool, least_joints: int, openpose: str
) -> Iterator[Person | HpsError]:
    """MPII -> people with at least `least_joints` labelled joints, their boxes by the owner's scale."""
    structure, hourglass = root / STRUCTURE, root / HOURGLASS
    other = bool(reference) or (hourglass.exists() and not structure.exists())
    people = from_hourglass(hourglass) if other else from_structure(structure)
    for person in people:
        if isinstance(person, HpsError):
            yield person
            continue
        joints = person.arrays["keypoints2d.mpii16"]
        if reference and not (joints[:, :2] > 0).all():
            continue
        if not reference and (joints[:, 2] > 0).sum() < least_joints:
            continue
        if not reference and zero_based:
            person = from_zero(person)
        yield with_detection(person, root / openpose) if openpose else person


def from_structure(path: Path) -> Iterator[Person | HpsError]:
    """The owner's .mat -> people of training pictures who have joints."""
    release = read_mat5(path, "RELEASE")["RELEASE"]
    try:
        pictures = release[0]["annolist"]
        in_training = np.ravel(release[0]["img_train"]).astype(bool)
        if len(pictures) != len(in_training):
            raise ValueError(f"{len(pictures)} pictures, {len(in_training)} flags img_train")
    except BAD_RECORD as error:
        raise InvalidData(
            f"{path.name} has no RELEASE.annolist of people: {in_words(error)}."
        ) from None
    for number, (picture, train) in enumerate(zip(pictures, in_training, strict=True)):
        if not train:
            continue
        try:
            image = f"images/{picture['image'][0]['name']}"
            people = structures(picture.get("annorect"))
        except BAD_RECORD as error:
            yield InvalidData(f"{path.name} annolist({number + 1}): {in_words(error)}.")
            continue
        for index, entry in enumerate(people):
            try:
                person = structure_person(image, index, entry)
            except BAD_RECORD as error:
                where = f"{path.name} annolist({number + 1}).annorect({index + 1})"
                yield InvalidData(f"{where}: {in_words(error)}.")
                continue
            if person is not None:
                yield person


def structures(value: Any) -> list[dict[str, Any]]:
    """-> the entries of a structure array; an empty array or nothing has none."""
    if isinstance(value, list):
        return value
    if value is None or (isinstance(value, np.ndarray) and value.size == 0):
        return []
    raise ValueError(f"a structure is expected, not {value!r:.40}")


def structure_person(image: str, index: int, entry: Mapping[str, Any]) -> Person | None:
    """An entry of annorect -> a person; None without joints, which is common."""
    points = np.zeros((JOINTS, 2))
    known, visible = np.zeros(JOINTS, bool), np.zeros(JOINTS, bool)
    for annotated in structures(entry.get("annopoints")):
        for point in structures(annotated.get("point")):
            joint = int(point["id"])
            if not 0 <= joint < JOINTS:
                raise ValueError(f"a joint with id {joint}")
            points[joint] = float(point["x"]), float(point["y"])
            known[joint] = True
            visible[joint] = flag(point.get("is_visible"))
    if not known.any():
        return None
    joints, classes = labelled_joints(points, known, visible)
    arrays = {"keypoints2d.mpii16": joints, "extra.visibility": classes}
    box = box_around(joints)
    scale, places = entry.get("scale"), structures(entry.get("objpos"))
    if isinstance(scale, int | float) and places:
        center = np.array([float(places[0]["x"]), float(places[0]["y"])])
        box = square_box(center, SCALE_PX * float(scale))
        arrays["extra.scale"], arrays["extra.center"] = np.array([float(scale)]), center
    return Person(
        key=f"{stem_of(image)}-{index}",
        image=image,
        arrays=arrays,
        box=box,
        meta={"person": index},
    )


def flag(value: Any) -> bool:
    """`is_visible` as number, text or nothing -> whether the joint is visible."""
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else UNFLAGGED
    return bool(int(UNFLAGGED if value in (None, "") else value))


def from_hourglass(path: Path) -> Iterator[Person | HpsError]:
    """The hourglass split -> all its people; joints at (0, 0) have no label."""
    names, parts, centers, scales = _hourglass_arrays(path)
    for row, name in enumerate(names):
        try:
            image = f"images/{name.decode('utf-8')}"
            points = np.asarray(parts[row], np.float64)
            known = np.any(points > 0, axis=1)
            joints, _ = labelled_joints(points, known, known)
            side = SCALE_PX * float(scales[row])
            box = square_box(np.asarray(centers[row], np.float64), side)
        except (*BAD_RECORD, UnicodeDecodeError) as error:
            yield InvalidData(f"{path.name} row {row}: {in_words(error)}.")
            continue
        arrays = {"keypoints2d.mpii16": joints}
        yield Person(key=f"{stem_of(image)}-{row}", image=image, arrays=arrays, box=box)


def _hourglass_arrays(path: Path) -> tuple[np.ndarray, ...]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            arrays = tuple(file[name][()] for name in ("imgname", "part", "center", "scale"))
    except FileNotFoundError:
        raise MissingError(f"there is no file {path}.") from None
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError) as error:
        raise InvalidData(
            f"{path.name} is no readable HDF5 file of joints: {in_words(error)}."
        ) from None
    count = len(np.atleast_1d(arrays[0]))
    shapes = [(count,), (count, JOINTS, 2), (count, 2), (count,)]
    if [array.shape for array in arrays] != shapes or arrays[0].dtype.kind != "S":
        raise InvalidData(f"{path.name}: imgname, part, center, scale do not fit together.")
    return arrays


def from_zero(person: Person) -> Person:
    """-> the same with MATLAB's pixel (1, 1) at (0, 0)."""
    joints = person.arrays["keypoints2d.mpii16"].copy()
    joints[joints[:, 2] > 0, :2] -= FIRST_PIXEL
    box = None if person.box is None else person.box - [FIRST_PIXEL, FIRST_PIXEL, 0, 0]
    return replace(person, arrays={**person.arrays, "keypoints2d.mpii16": joints}, box=box)


def with_detection(person: Person, folder: Path) -> Person | HpsError:
    """-> the same with the person that OpenPose found there."""
    joints = person.arrays["keypoints2d.mpii16"]
    try:
        found = detected_by_openpose(folder, person.image, joints, "mpii16", "mpii")
    except HpsError as error:
        return error
    return replace(person, arrays={**person.arrays, "keypoints2d.openpose25": found})


def as_derived(people: list[Person], root: Path) -> dict[str, Any]:
    """People of the structure -> the entries of the golden that was worked out from it."""
    return {
        "image_name": np.array([person.image.removeprefix("images/") for person in people]),
        "person_index": np.array([person.meta["person"] for person in people]),
        "keypoints2d_mpii": np.stack([person.arrays["keypoints2d.mpii16"] for person in people]),
        "scale_raw": np.concatenate([p.arrays.get("extra.scale", [np.nan]) for p in people]),
        "center_raw": np.stack([p.arrays.get("extra.center", [np.nan] * 2) for p in people]),
        "bbox_xywh_scale200": np.stack([person.box for person in people if person.box is not None]),
    }
