"""AGORA's test pictures: boxes of people, found by somebody's detector; no labels are public.

The list is OSX's, AGORA_test_bbox.json: {"name.png": [{"bbox": [x, y, width, height]}]} in pixels of
3840 x 2160, without margin.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.crops import AUTHORS_BOX
from hpscli.data.official_crops.osx import ENLARGE, person_box
from hpscli.data.people import inside, scaled_box, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person

BOXES = "AGORA_test_bbox.json"
FOLDER = "images/test"
SIZES = {"": (2160, 3840), "_1280x720": (720, 1280)}  # ending of a picture's name: height, width px
LARGE_HEIGHT_PX = 2160


def boxed_people(root: Path, resolution: str) -> Iterator[Person | HpsError]:
    """-> a person for each box; resolution: auto, 3840x2160 or 1280x720."""
    try:
        listed = json.loads((root / BOXES).read_bytes())
    except OSError as error:
        raise MissingError(
            f"{root / BOXES} cannot be read: {error.strerror}.", "The boxes are among OSX's files."
        ) from None
    except ValueError as error:
        raise InvalidData(f"{root / BOXES} is not JSON: {error}.") from None
    if not isinstance(listed, dict):
        raise InvalidData(f"{root / BOXES} is no list of boxes by picture.")
    for name, boxes in listed.items():
        for number, entry in enumerate(boxes if isinstance(boxes, list) else [None]):
            try:
                yield _person(root, str(name), number, entry, resolution)
            except BAD_RECORD as error:
                yield InvalidData(f"{BOXES} {name} person {number}: {in_words(error)}.")
            except HpsError as error:
                yield InvalidData(f"{BOXES} {name} person {number}: {error.problem}", error.fix)


def _person(root: Path, name: str, number: int, entry: Any, resolution: str) -> Person:
    box = np.array(entry["bbox"], np.float64).reshape(4)
    if not np.isfinite(box).all() or box[2:].min() <= 0:
        raise ValueError(f"the box is {box.tolist()}")
    image, size = _picture(root, Path(name).stem, resolution)
    return Person(
        key=f"{stem_of(image)}-{number}",
        image=image,
        arrays=osx_box(box, size),
        meta={"person": number},
        box=scaled_box(box * (size[0] / LARGE_HEIGHT_PX), ENLARGE),
        image_size_px=size,
    )


def osx_box(box: np.ndarray, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """A person's box (4,) px of the large pictures, the picture's size -> what OSX cuts out of it.

    OSX cuts it off at the picture before it widens and enlarges it.
    """
    found = person_box(box.tolist(), SIZES[""])
    if found is None:
        return {}
    return {f"{AUTHORS_BOX}osx": np.asarray(found, np.float64) * (size[0] / LARGE_HEIGHT_PX)}


def _picture(root: Path, stem: str, resolution: str) -> tuple[str, tuple[int, int]]:
    """-> path and size of the picture that is there, the large one first."""
    names = {f"{FOLDER}/{stem}{end}.png": size for end, size in SIZES.items()}
    for image, size in names.items():
        wanted = resolution in ("auto", f"{size[1]}x{size[0]}")
        if wanted and inside(root, image).is_file():
            return image, size
    raise MissingError(f"there is no {' nor '.join(names)}.", "Unpack the test pictures.")
