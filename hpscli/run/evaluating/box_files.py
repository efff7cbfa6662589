"""Files of boxes, whoever wrote them: by picture or by key, JSON or CSV."""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.errors import BAD_RECORD, InvalidData, MissingError, in_words

Array = NDArray[np.float64]
NAMES = ("key", "image", "image_path", "file_name", "img", "name")  # of the entry that says whose
LAYOUTS = (
    '{image: [{"bbox": [x, y, w, h]}]} as AGORA\'s, COCO annotations, '
    '[{"image" or "key": ..., "bbox": [x, y, w, h]}], or CSV with the columns image (or key), x, y, w, h'
)


@dataclass(frozen=True)
class NamedBox:
    """A box (4,) x, y, width, height px of the original picture, tight; of a picture, or of a person's key."""

    name: str
    box: Array
    score: float = 1.0


def read_boxes(path: Path) -> list[NamedBox]:
    """-> all boxes of a file, in its order."""
    if not path.is_file():
        raise MissingError(f"there is no file of boxes {path}.", f"--boxes takes {LAYOUTS}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        rows = _table(text) if path.suffix.lower() == ".csv" else _entries(json.loads(text))
        found = [_checked(row, path) for row in rows]
    except (*BAD_RECORD, OSError) as error:
        raise InvalidData(
            f"{path} is no file of boxes: {in_words(error)}.", f"--boxes takes {LAYOUTS}"
        ) from None
    if not found:
        raise InvalidData(f"{path} holds no box.", f"--boxes takes {LAYOUTS}")
    return found


def _checked(row: NamedBox, path: Path) -> NamedBox:
    if row.box.shape != (4,) or not np.isfinite(row.box).all() or (row.box[2:] <= 0).any():
        raise InvalidData(
            f"{path}: the box of '{row.name}' is {row.box.tolist()}, not x, y, width, height in px.",
            "Width and height must be above 0.",
        )
    return row


def _table(text: str) -> Iterator[NamedBox]:
    for row in csv.DictReader(text.splitlines()):
        plain = {str(name).strip().lower(): value for name, value in row.items()}
        box = [plain.get(name, plain.get(f"bbox_{name}")) for name in "xywh"]
        yield NamedBox(_name(plain), _numbers(box), float(plain.get("score") or 1.0))


def _entries(document: Any) -> Iterator[NamedBox]:
    """A JSON document of any of the layouts -> boxes."""
    if isinstance(document, list):
        for entry in document:
            yield _one(_name(entry), entry)
    elif "annotations" in document:
        named = {entry["id"]: entry["file_name"] for entry in document.get("images", ())}
        for entry in document["annotations"]:
            if not entry.get("iscrowd"):
                yield _one(str(named.get(entry["image_id"], entry["image_id"])), entry)
    else:
        for name, entries in document.items():
            several = isinstance(entries, list) and entries and isinstance(entries[0], list | dict)
            for entry in entries if several else [entries] if entries else []:
                yield _one(str(name), entry)


def _one(name: str, entry: Any) -> NamedBox:
    if isinstance(entry, Mapping):
        box = entry["bbox"] if "bbox" in entry else entry["box"]
        return NamedBox(name, _numbers(box), float(entry.get("score", 1.0)))
    numbers = _numbers(entry)
    return NamedBox(name, numbers[:4], float(numbers[4]) if len(numbers) == 5 else 1.0)


def _name(entry: Mapping[str, Any]) -> str:
    for word in (*NAMES, "image_id"):
        if entry.get(word) not in (None, ""):
            return str(entry[word])
    raise ValueError(f"an entry names neither a picture nor a key: {dict(entry)}")


def _numbers(values: Any) -> Array:
    return np.asarray(values, np.float64).reshape(-1)
