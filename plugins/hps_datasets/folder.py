"""Your own images: a folder of pictures with people.jsonl or a COCO-keypoints JSON beside them.

The file formats are in docs/howto/own-images.md. Coordinates are pixels of the picture as viewers show
it (upright); 3D points are metres in the camera frame.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hpscli.data.crops import stored_crop
from hpscli.data.sample import SHAPES, decode_image, image_kind
from hpscli.errors import InvalidData, MissingError
from hpscli.records import Sample

JSON_LINES = "people.jsonl"
FIELDS = (
    "image",
    "key",
    "split",
    "box",
    "keypoints2d",
    "keypoints3d",
    "intrinsics",
    "gender",
    "hand",
)
BODIES = ("smpl", "smplx", "mano")


Person = tuple[str, dict[str, Any] | InvalidData]  # where it is written, and what


def samples(root: Path, split: str, **options: Any) -> Iterator[Sample | InvalidData]:
    """-> the people of a folder; a line that cannot be read comes out as its complaint."""
    count, make = parallel(root, split, **options)
    for index in range(count):
        try:
            yield make(index)
        except InvalidData as error:
            yield error


def parallel(
    root: Path, split: str, *, annotations: str, joints: str, box_scale: float, crop_px: int
) -> tuple[int, Callable[[int], Sample]]:
    """-> how many people the folder has, and the function that reads one of them."""
    path = annotation_file(root, annotations)
    read = read_json_lines if path.suffix == ".jsonl" else read_coco
    people = [
        (where, person)
        for where, person in read(path, joints)
        if isinstance(person, InvalidData) or person.get("split", split) == split
    ]
    keys = person_keys([person for _, person in people])

    def make(index: int) -> Sample:
        where, person = people[index]
        if isinstance(person, InvalidData):
            raise person
        try:
            return make_sample(root, keys[index], person, box_scale, crop_px)
        except InvalidData as error:
            raise InvalidData(f"{where}: {error.problem}", error.fix) from None

    return len(people), make


def annotation_file(root: Path, name: str) -> Path:
    """-> the annotation file of a folder."""
    if name:
        if not (root / name).is_file():
            raise MissingError(f"no annotation file {root / name}.")
        return root / name
    if (root / JSON_LINES).is_file():
        return root / JSON_LINES
    found = sorted(root.glob("*.json"))
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} JSON files" if found else "neither people.jsonl nor a JSON file"
    raise MissingError(
        f"{root} has {what}; which one says where the people are?",
        "Name it: annotations=FILE   (formats: docs/howto/own-images.md)",
    )


def read_json_lines(path: Path, joints: str) -> Iterator[Person]:
    """people.jsonl -> one dictionary a person, or what is wrong with its line."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path.name} line {number}"
        try:
            person = json.loads(line)
        except ValueError as error:
            yield where, InvalidData(f"{where}: not JSON ({error}).")
            continue
        unknown = (
            set(person) - {*FIELDS, *BODIES} if isinstance(person, dict) else {"not an object"}
        )
        if unknown or "image" not in person:
            what = f"unknown field {sorted(unknown)[0]!r}" if unknown else "no field 'image'"
            known = ", ".join((*FIELDS, *BODIES))
            yield where, InvalidData(f"{where}: {what}.", f"Fields: {known}")
            continue
        yield where, person


def read_coco(path: Path, joints: str) -> Iterator[Person]:
    """A COCO-keypoints file -> one dictionary a person; crowds and people without a joint left out."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        images = {image["id"]: image["file_name"] for image in document["images"]}
        annotations = document["annotations"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidData(
            f"{path} is not a COCO-keypoints file: {type(error).__name__} {error}.",
            "It needs 'images' (id, file_name) and 'annotations' (image_id, bbox, keypoints).",
        ) from None
    for number, entry in enumerate(annotations):
        where = f"{path.name} annotation {entry.get('id', number)}"
        if entry.get("iscrowd"):
            continue
        flat = entry.get("keypoints", [])
        if len(flat) % 3 or entry.get("image_id") not in images:
            what = f"{len(flat)} numbers in 'keypoints'" if len(flat) % 3 else "unknown image_id"
            yield where, InvalidData(f"{where}: {what}.")
            continue
        points = np.array(flat, np.float64).reshape(-1, 3)
        points[:, 2] = points[:, 2] > 0  # COCO: 0 not labelled, 1 hidden, 2 visible
        person: dict[str, Any] = {"image": images[entry["image_id"]]}
        if points[:, 2].any():
            person["keypoints2d"] = {joints: points.tolist()}
        if "bbox" in entry:
            person["box"] = entry["bbox"]
        if len(person) > 1:
            yield where, person


def person_keys(people: list[dict[str, Any] | InvalidData]) -> list[str]:
    """-> a key for each person: its own, or the picture's path and the person's number in it."""
    counts: dict[str, int] = {}
    keys = []
    for person in people:
        image = "" if isinstance(person, InvalidData) else str(person["image"])
        number = counts[image] = counts.get(image, -1) + 1
        stem = (
            re.sub(r"[^A-Za-z0-9_-]+", "_", image.rpartition(".")[0]).strip("_")[-60:] or "person"
        )
        own = "" if isinstance(person, InvalidData) else str(person.get("key", ""))
        keys.append(own or f"{stem}-{number}")
    return keys


def make_sample(
    root: Path, key: str, person: Mapping[str, Any], box_scale: float, crop_px: int
) -> Sample:
    """One person as written by its owner -> a sample."""
    data, height, width = read_picture(root, str(person["image"]))
    arrays = {
        f"{group}.{name}": _numbers(f"{group}.{name}", points)
        for group in ("keypoints2d", "keypoints3d")
        for name, points in _table(person, group).items()
    }
    for body in BODIES:
        for name, values in _table(person, body).items():
            shape = SHAPES.get(f"{body}.{name}")
            if shape is None:
                raise InvalidData(f"unknown parameter '{body}.{name}'.")
            values = _numbers(f"{body}.{name}", values).reshape(-1)
            if values.shape != shape:
                raise InvalidData(f"{body}.{name} has {len(values)} numbers, expected {shape[0]}.")
            arrays[f"{body}.{name}"] = values
    if "intrinsics" in person:
        arrays["camera.intrinsics"] = _numbers("intrinsics", person["intrinsics"])
    center, size = box_of(person, arrays, height, width, box_scale)
    affine = np.eye(2, 3, dtype=np.float32)
    if crop_px:
        data, affine = stored_crop(decode_image(data)[..., ::-1], center, size, side_px=crop_px)
    arrays["box.center"] = center.astype(np.float32)
    arrays["box.size"] = np.array([size], np.float32)
    arrays["image.affine"] = affine
    meta = {
        "image_path": str(person["image"]),
        "image_size_px": [height, width],
        "dataset": "folder",
    }
    meta |= {name: person[name] for name in ("gender", "hand", "split") if name in person}
    if any(body in person for body in BODIES):
        meta["body_source"] = "imported"  # parameters of the official bodies
    return Sample(key=key, image=data, arrays=arrays, meta=meta)


def read_picture(root: Path, name: str) -> tuple[bytes, int, int]:
    """-> an upright picture's bytes, height and width; turned ones (EXIF) are written anew."""
    import cv2

    path = root / PurePosixPath(name)
    if not path.resolve().is_relative_to(root.resolve()):
        raise InvalidData(f"image '{name}' lies outside the folder.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidData(f"image '{name}' cannot be read: {error.strerror}.") from None
    try:
        stored = decode_image(data)
    except InvalidData as error:
        raise InvalidData(f"'{name}': {error.problem}") from None
    if image_kind(data) == "jpg" and b"Exif" in data[:65536]:
        upright: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        if not np.array_equal(upright[..., ::-1], stored):
            data = cv2.imencode(".jpg", upright, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            stored = upright
    return data, stored.shape[0], stored.shape[1]


def box_of(
    person: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    height: int,
    width: int,
    box_scale: float,
) -> tuple[np.ndarray, float]:
    """-> centre (2,) and side of the crop: of the box, else around the 2D joints, else the picture."""
    if "box" in person:
        box = _numbers("box", person["box"])
        if box.shape != (4,) or not (box[2:] > 0).all():
            raise InvalidData(f"box is {person['box']!r}, expected [x, y, width, height].")
        return box[:2] + box[2:] / 2, float(box[2:].max()) * box_scale
    sets = [array for name, array in arrays.items() if name.startswith("keypoints2d.")]
    seen = [array[array[:, 2] > 0, :2] for array in sets if array.ndim == 2 and array.shape[1] == 3]
    points = np.concatenate(seen) if seen else np.empty((0, 2))
    if len(points) > 1:
        low, high = points.min(0), points.max(0)
        return (low + high) / 2, max(float((high - low).max()), 1.0) * box_scale
    return np.array([width / 2, height / 2]), float(max(height, width))


def _table(person: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = person.get(name, {})
    if not isinstance(found, dict):
        raise InvalidData(f"{name} is not an object of named arrays, such as {{'coco17': [...]}}.")
    return found


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise InvalidData(f"{name} is not a table of numbers.") from None
