"""Shards -> files for other tools: pictures with a COCO file of boxes, one .npz of stacked arrays, or
the forms in which other code keeps people.
"""

import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.crops import move_points
from hpscli.data.people import square_box
from hpscli.data.sample import decode_image, image_kind
from hpscli.errors import UsageError, did_you_mean
from hpscli.records import Person, Sample
from hpscli.registry import resolve

# form: target(people, path, **options) -> how many were written
WRITERS: Mapping[str, str] = {
    "humandata": "hpscli.data.forms.human_data:write_human_data",
    "spin-npz": "hpscli.data.forms.spin:write_spin",
    "osx-json": "hpscli.data.dump:write_osx",
}
CORNERS = ("extra.lhand_box", "extra.rhand_box", "extra.face_box")  # x0, y0, x1, y1
STORED_APART = ("box.center", "box.size", "box.xywh", "image.affine")  # not among a person's arrays


def write_form(
    people: Iterable[Sample],
    form: str,
    out: Path,
    images: Path | None = None,
    words: Sequence[str] = (),
) -> int:
    """Samples -> `out` in the form of other code -> how many people.

    Labels are those of the original pictures; with `images` those of the stored ones, which are then
    written there. `words`: options of the form, such as compressed=false.
    """
    if form not in WRITERS:
        known = ", ".join(WRITERS)
        raise UsageError(
            f"no form '{form}' to write.", did_you_mean(form, WRITERS) or f"--as: {known}"
        )
    write = resolve(WRITERS[form])
    options = _options(form, write, words)
    persons = map(person_of, people) if images is None else _pictured(people, images)
    return int(write(persons, out, **options))


def person_of(sample: Sample) -> Person:
    """A sample -> the person as a reader gave it: pixels of the original picture, box with margin."""
    arrays, meta = sample.arrays, dict(sample.meta)
    box = arrays.get("box.xywh")
    if box is None:
        box = square_box(arrays["box.center"], float(arrays["box.size"][0]))
    height, width = meta.pop("image_size_px")
    return Person(
        key=sample.key,
        image=str(meta.pop("image_path", "")) or f"{sample.key}.{image_kind(sample.image)}",
        arrays={name: array for name, array in arrays.items() if name not in STORED_APART},
        meta=meta,
        box=np.asarray(box, np.float64),
        image_size_px=(int(height), int(width)),
    )


def moved_person(person: Person, affine: np.ndarray, image: str, size: tuple[int, int]) -> Person:
    """A person, original px -> stored px (2,3), the stored picture -> the person in that picture."""
    affine = np.asarray(affine, np.float64)
    scale = float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))
    arrays = dict(person.arrays)
    for name, array in person.arrays.items():
        if name.startswith("keypoints2d."):
            points = move_points(np.asarray(array[:, :2], np.float64), affine)
            arrays[name] = np.concatenate([points, array[:, 2:]], axis=1)
        elif name == "camera.intrinsics":
            arrays[name] = np.concatenate([affine, [[0.0, 0.0, 1.0]]]) @ array
        elif name.startswith("extra.") and name.endswith("_bbox_xywh"):
            arrays[name] = np.append(_moved_box(array[:4], affine, scale), array[4:])
        elif name in CORNERS:
            ends = np.asarray(array, np.float64).reshape(2, 2)
            arrays[name] = move_points(ends, affine).ravel()
    box = None if person.box is None else _moved_box(person.box, affine, scale)
    return replace(person, arrays=arrays, box=box, image=image, image_size_px=size)


def _moved_box(box: np.ndarray, affine: np.ndarray, scale: float) -> np.ndarray:
    box = np.asarray(box, np.float64)
    center = move_points((box[:2] + box[2:] / 2)[None], affine)[0]
    return np.concatenate([center - box[2:] * scale / 2, box[2:] * scale])


def _pictured(people: Iterable[Sample], folder: Path) -> Iterator[Person]:
    """Samples -> their people in the stored pictures, which are written on the way."""
    folder.mkdir(parents=True, exist_ok=True)
    for sample in people:
        name = _picture_name(sample)
        (folder / name).write_bytes(sample.image)
        height, width = decode_image(sample.image).shape[:2]
        affine = sample.arrays["image.affine"]
        yield moved_person(person_of(sample), affine, name, (height, width))


def _picture_name(sample: Sample) -> str:
    return f"{sample.key.replace('/', '-')}.{image_kind(sample.image)}"


def _options(form: str, write: Callable[..., int], words: Sequence[str]) -> dict[str, Any]:
    """`key=value` words -> options that the writer of this form has."""
    parameters = inspect.signature(write).parameters.values()
    known = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or key not in known:
            raise UsageError(
                f"'{word}' is no option of {form}.",
                f"Its options: {', '.join(f'{k}={v}' for k, v in known.items()) or 'none'}",
            )
        truth = {"true": True, "false": False, "1": True, "0": False}
        if isinstance(known[key], bool) and text.lower() not in truth:
            raise UsageError(f"{key}={text}: expected true or false.")
        found[key] = truth[text.lower()] if isinstance(known[key], bool) else text
    return found


def write_osx(people: Iterable[Person], out: Path) -> int:
    """People -> the JSON files of OSX's COCO folder below `out` -> how many."""
    from hpscli.atomic import write_atomically
    from hpscli.data.forms.osx import osx_document

    everybody = list(people)
    for path, document in osx_document(everybody).items():
        text = json.dumps(document, separators=(",", ":"))
        write_atomically(out / path, text.encode(), "Choose another folder with --out.")
    return len(everybody)


def write_pictures(people: Iterable[Sample], folder: Path, margin: float) -> int:
    """Stored pictures under their keys' names, and boxes.json beside them -> how many.

    `margin` is what the reader of boxes.json will widen them by: box side = crop side / margin.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, sample in enumerate(people, start=1):
        name = _picture_name(sample)
        (folder / name).write_bytes(sample.image)
        height, width = decode_image(sample.image).shape[:2]
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        annotations.append(
            {"id": number, "image_id": number, "category_id": 1, "bbox": _box(sample, margin)}
        )
    document = {"images": images, "annotations": annotations}
    (folder / "boxes.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    return len(images)


def write_npz(people: Iterable[Sample], out: Path) -> None:
    """Arrays stacked over people; where somebody lacks one it is NaN. `keys` says who is who."""
    samples = list(people)
    stacked: dict[str, np.ndarray] = {"keys": np.array([sample.key for sample in samples])}
    for name in sorted({name for sample in samples for name in sample.arrays}):
        shape = next(s.arrays[name].shape for s in samples if name in s.arrays)
        missing = np.full(shape, np.nan, np.float32)
        stacked[name] = np.stack([s.arrays.get(name, missing) for s in samples])
    np.savez_compressed(out, **stacked)  # type: ignore[arg-type]


def _box(sample: Sample, margin: float) -> list[float]:
    """-> x, y, w, h px in the stored picture."""
    affine = np.asarray(sample.arrays["image.affine"], np.float64)
    center = move_points(np.asarray(sample.arrays["box.center"], np.float64)[None], affine)[0]
    scale = np.sqrt(abs(np.linalg.det(affine[:, :2])))
    side = float(sample.arrays["box.size"][0]) * scale / margin
    return [round(float(v), 2) for v in (*(center - side / 2), side, side)]
