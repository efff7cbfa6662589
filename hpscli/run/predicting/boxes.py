"""Where the people are: typed boxes, a COCO file, a detector, or the whole image."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpscli.errors import InvalidData, MissingError, UsageError

Array = NDArray[np.float64]


class BoxOutside(UsageError):
    """A box that has no pixel of its image in it."""


def parse_box(text: str) -> Array:
    """ "x,y,w,h" in pixels of the image -> (4,)."""
    try:
        box = np.array([float(part) for part in text.split(",")])
    except ValueError:
        box = np.zeros(0)
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= 0).any():
        raise UsageError(
            f"box '{text}' is not x,y,w,h in pixels with positive width and height.",
            "For example: --bbox 120,40,200,420",
        )
    return box


def check_boxes(boxes: Array, image_size: tuple[int, int], where: str) -> None:
    """Raise for a box that does not touch the image."""
    height, width = image_size
    for box in boxes:
        x, y, w, h = box[:4]
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise BoxOutside(
                f"box {x:g},{y:g},{w:g},{h:g} lies outside {where} ({width}x{height} px).",
                "Boxes are x,y,w,h in pixels, x and y of the top left corner.",
            )


def read_coco_boxes(path: Path, images: Sequence[Path]) -> dict[Path, Array]:
    """A COCO file of annotations or detections -> {image: boxes (N,5) xywh, score}.

    Annotations name their images; bare detections name numbers, which must be in the file names.
    Where categories are named and one is `person`, dogs and chairs are left out; so are crowds.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(f"no file {path}.", "--boxes takes a COCO JSON file.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InvalidData(f"{path} is not JSON: {error}.") from None
    try:
        entries = document["annotations"] if isinstance(document, dict) else document
        named, people = {}, set()
        if isinstance(document, dict):
            named = {entry["id"]: Path(entry["file_name"]).name for entry in document["images"]}
            categories = document.get("categories", ())
            people = {entry["id"] for entry in categories if entry["name"] == "person"}
        found: dict[Path, list[list[float]]] = {image: [] for image in images}
        for entry in entries:
            if entry.get("iscrowd") or (people and entry["category_id"] not in people):
                continue
            if image := _image_of(entry["image_id"], named, images):
                box = [float(value) for value in entry["bbox"]]
                found[image].append([*_checked(box, path), float(entry.get("score", 1.0))])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidData(
            f"{path} is not COCO: {type(error).__name__} {error}.",
            'Expected {"images": [{"id", "file_name"}], "annotations": [{"image_id", "bbox"}]}.',
        ) from None
    boxes = {image: np.array(rows).reshape(-1, 5) for image, rows in found.items()}
    if not any(len(rows) for rows in boxes.values()):
        raise UsageError(
            f"{path} has no box for these images.",
            "Images are matched by file name, or by their number when no names are given.",
        )
    return boxes


def _checked(box: list[float], path: Path) -> list[float]:
    if len(box) != 4 or not np.isfinite(box).all() or min(box[2:]) <= 0:
        raise InvalidData(f"{path}: bbox {box} is not x, y, width, height.")
    return box


def _image_of(image_id: object, named: dict[object, str], images: Sequence[Path]) -> Path | None:
    if named:
        wanted = named.get(image_id)
        return next((image for image in images if image.name == wanted), None)
    text = str(image_id)
    for image in images:
        if image.stem == text or image.name == text:
            return image
        digits = image.stem.rpartition("_")[2]  # COCO_val2014_000000000042
        if digits.isdecimal() and text.isdecimal() and int(digits) == int(text):
            return image
    return None
