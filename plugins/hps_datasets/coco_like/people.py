"""COCO and its relatives: one reader, whose differences are in `tables`."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.coco_like.detections import detection_of
from hps_datasets.coco_like.entries import (
    BROKEN,
    Entry,
    humans_of_images,
    people_beside_images,
    people_inside_images,
    trouble,
)
from hps_datasets.coco_like.tables import (
    AI_CHALLENGER,
    COCO,
    COCO_WHOLEBODY,
    CROWDPOSE,
    OCHUMAN,
    POSETRACK18,
    Labels,
    Part,
    Reading,
)
from hpscli.body.joints import joint_set
from hpscli.data.containers.json_records import json_values
from hpscli.data.people import BOX_SCALE, inside, scaled_box, square_box, stem_of
from hpscli.errors import HpsError, InvalidData, MissingError
from hpscli.records import Person, Picture


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Everything that turns an entry into a person."""

    root: Path
    labels: Labels
    reading: Reading
    least_joints: int
    folder: str  # where the pictures lie
    official_folder: str  # before their names
    openpose: Path | None = None
    spin: bool = False  # SPIN's choice among detections


def people(
    splits: Mapping[str, Labels],
    root: Path,
    split: str,
    *,
    reference: str,
    least_joints: int,
    openpose: str = "",
) -> Iterator[Person | HpsError]:
    """A folder as its owner ships it -> the people of whom `least_joints` joints are labelled."""
    labels = splits[split]
    reading = labels.readings.get(reference, Reading())
    folder = next((f for f in labels.folders if (root / f).is_dir()), labels.folders[0])
    if openpose and not (root / openpose).is_dir():
        raise MissingError(f"no folder {root / openpose}.", "openpose=DIR, or leave it out")
    reader = Reader(
        root=root,
        labels=labels,
        reading=reading,
        least_joints=least_joints if reading.least_joints is None else reading.least_joints,
        folder=folder,
        official_folder=(labels.official_folder or labels.folders[0]) if reference else folder,
        openpose=root / openpose if openpose else None,
        spin=reference == "spin",
    )
    if not reading.nested_only:
        yield from _people_of_files(reader)


coco = partial(people, COCO)
coco_wholebody = partial(people, COCO_WHOLEBODY)
crowdpose = partial(people, CROWDPOSE)
posetrack18 = partial(people, POSETRACK18)
ai_challenger = partial(people, AI_CHALLENGER)
ochuman = partial(people, OCHUMAN)


def _people_of_files(reader: Reader) -> Iterator[Person | HpsError]:
    paths = sorted(reader.root.glob(reader.labels.files))
    if not paths:
        raise MissingError(f"{reader.root} has no {reader.labels.files} (labels).")
    videos = "*" in reader.labels.files  # each with a file, maybe with the same numbers in it
    for path in paths:
        try:
            order = joint_order(path, reader)
            prefix = f"{stem_of(path.stem) if videos else reader.labels.name}-"
            for entry in _entries(path, reader):
                if isinstance(entry, HpsError):
                    yield entry
                    continue
                try:
                    person = person_of(reader, entry, prefix, order)
                except (*BROKEN, HpsError) as error:
                    yield trouble(entry.where, error)
                    continue
                if person is not None:
                    yield person
        except HpsError as error:
            if not videos:
                raise
            yield error  # the others can be read


def _entries(path: Path, reader: Reader) -> Iterator[Entry | HpsError]:
    if reader.labels.layout == "images":
        return people_inside_images(path)
    if reader.labels.layout == "humans":
        return humans_of_images(path)
    kept = tuple(reader.labels.image_meta)
    return people_beside_images(path, by_image=reader.reading.by_image, kept=kept)


def joint_order(path: Path, reader: Reader) -> Sequence[int] | None:
    """-> where in the file each joint of our set stands; None: in the same order."""
    labels = reader.labels
    if not labels.joint_names or reader.reading.confidence != "labelled":
        return None  # converters take the order for granted
    for name, value, *_ in json_values(path, ("images",)):
        if name != labels.joint_names:
            continue
        wanted = joint_set(labels.joints).joints
        if not isinstance(value, list) or sorted(map(str, value)) != sorted(wanted):
            raise InvalidData(
                f"{path.name} names other joints than the {len(wanted)} of {labels.joints}.",
                f"See: hps info joints {labels.joints}",
            )
        return [value.index(joint) for joint in wanted]
    return None


def person_of(
    reader: Reader, entry: Entry, prefix: str, order: Sequence[int] | None
) -> Person | None:
    """An entry -> the person, or None when the rules leave them out."""
    labels, reading, values = reader.labels, reader.reading, entry.values
    if values.get("iscrowd") and not reading.crowds:
        return None
    if not values["keypoints"]:  # nothing was labelled
        return None
    parts = labels.parts or (Part(entry="keypoints", count=len(joint_set(labels.joints))),)
    given = np.concatenate([_points(values, part) for part in parts])
    if order is not None:
        given = given[list(order)]
    points = given.copy()
    points[:, 2] = _confidence(given[:, 2], reader, parts[0].count)
    if _counted(points, reader, entry).sum() < reader.least_joints:
        return None
    path = f"{reader.folder}{entry.image.name}"
    if reading.existing and not inside(reader.root, path).is_file():
        return None
    arrays = {f"keypoints2d.{labels.joints}": points, "extra.visibility": given[:, 2]}
    for part in parts:
        if part.box and values.get(part.flag) and values.get(part.box) is not None:
            arrays[f"extra.{part.box}"] = _numbers(values[part.box], 4)
    if reader.openpose is not None:
        found = detection_of(reader.openpose, entry.image.name, points, spin=reader.spin)
        if found is not None:
            arrays["keypoints2d.openpose25"] = found
    name = f"{reader.official_folder}{entry.image.name}"
    return Person(
        key=f"{prefix}{entry.key}",
        image=name,
        picture=None if name == path else Picture(path=path),
        image_size_px=entry.image.size_px,
        arrays=arrays,
        box=_box(values, labels, reading),
        meta=_meta(values, labels.meta) | _meta(entry.image.values, labels.image_meta),
    )


def _points(values: Mapping[str, Any], part: Part) -> np.ndarray:
    """-> (count,3) x, y, v as they stand; zero where the file says that the part is not labelled."""
    if part.flag and not values.get(part.flag):
        return np.zeros((part.count, 3))
    return _numbers(values[part.entry], part.count * 3).reshape(part.count, 3)


def _numbers(values: Any, count: int) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if array.shape != (count,):
        raise ValueError(f"{array.size} numbers where {count} are expected")
    return array


def _confidence(visibility: np.ndarray, reader: Reader, body: int) -> np.ndarray:
    """v of all joints -> confidences; converters clean those of the body alone."""
    if reader.reading.confidence == "labelled":
        known = (visibility > 0) & ~np.isin(visibility, reader.labels.unlabelled)
        return known.astype(np.float64)
    confidence = visibility.copy()
    if reader.reading.confidence == "positive":
        confidence[:body][visibility[:body] > 0] = 1
    return confidence


def _counted(points: np.ndarray, reader: Reader, entry: Entry) -> np.ndarray:
    """-> which of the joints that the rule counts are there."""
    there = points[:, 2] > 0
    if reader.labels.counted_inside:
        if entry.image.size_px is None:
            raise ValueError(f"{entry.image.name} has no width and height")
        height, width = entry.image.size_px
        x, y = points[:, 0], points[:, 1]
        there &= (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return there[slice(*reader.labels.counted)]


def _box(values: Mapping[str, Any], labels: Labels, reading: Reading) -> np.ndarray | None:
    """-> (4,) x, y, width, height; None (around the joints) when the file has none."""
    if values.get("bbox") is None and reading.box != "stored":
        return None
    box = _numbers(values["bbox"], 4)
    if reading.box == "stored":
        return box  # corners too: as converters store them
    if labels.corners:
        box[2:] -= box[:2]
    if not box[2:].min() > 0 and reading.confidence == "labelled":  # converters do not look
        raise ValueError(f"the box {box.tolist()} has no area")
    if reading.box == "square":
        return square_box(box[:2] + box[2:] / 2, BOX_SCALE * box[2:].max())
    return scaled_box(box, BOX_SCALE)


def _meta(values: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    found = {ours: values.get(theirs) for theirs, ours in words.items()}
    return {word: v for word, v in found.items() if isinstance(v, str | int) or _finite(v)}


def _finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)
