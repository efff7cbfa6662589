"""COCO-style JSON as OSX's data sets have it: images, and annotations that name one of them.

Annotations are read one by one; in memory are the images, without what nobody asks for.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.containers.json_records import json_values
from hpscli.data.official_crops.osx import person_box
from hpscli.data.people import BOX_SCALE, scaled_box, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person

Array = np.ndarray[Any, np.dtype[Any]]
Labels = Mapping[str, Any]
IMAGE_WORDS = (
    *("file_name", "width", "height", "file_name_3840x2160", "file_name_1280x720"),
    *("subject", "subject_idx", "action_idx", "subaction_idx", "seq_idx", "frame_idx", "cam_idx"),
    *("sequence", "cam_param"),
)
SMALL_BYTES = 1 << 20
BROKEN = (*BAD_RECORD, OSError)
LONGEST_WORD = 100  # characters of a file's own words in a message


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is read: `folder` below `root` holds the set, and `official` asks for OSX's own lists."""

    root: Path
    folder: str  # "" or "MSCOCO/": before the name of every picture
    split: str
    official: bool
    interval: int = 0
    scenes: str = ""
    lists: str = "intra"

    def path(self, name: str) -> Path:
        """-> a file of the set."""
        return self.root / (self.folder + name)


def people_of(
    path: Path, make: Callable[[Labels, Labels], Person | None], *, every: int = 1
) -> Iterator[Person | HpsError]:
    """File, function of annotation and image -> every `every`-th person; None leaves somebody out."""
    for number, record in enumerate(_annotated(path), start=1):
        if number % max(every, 1):
            continue
        if isinstance(record, HpsError):
            yield record
            continue
        annotation, image = record
        place = f"{path.name} annotation {shown(annotation.get('id', number))}"
        try:
            person = make(annotation, image)
        except BROKEN as error:
            yield InvalidData(f"{place}: {told(error)}.")
        except HpsError as error:
            yield InvalidData(f"{place}: {error.problem}", error.fix)
        else:
            if person is not None:
                yield person


def told(error: Exception) -> str:
    """-> what is wrong with a record, in words."""
    if isinstance(error, TypeError | AttributeError | IndexError):
        return f"an entry is not of the expected kind ({in_words(error)})"
    if isinstance(error, OSError):
        return f"a file cannot be looked for: {shown(error.strerror)}"
    return in_words(error)


def shown(word: object) -> str:
    """-> the beginning of a word, on one line."""
    return " ".join(str(word).split())[:LONGEST_WORD]


def _annotated(path: Path) -> Iterator[tuple[Labels, Labels] | InvalidData]:
    """-> annotations with their images, in the order of the file."""
    images: dict[Any, Labels] = {}
    complete = False
    for found in json_values(path, ("images", "annotations")):
        if found.name == "images" and found.listed and not complete:
            _keep(images, found.value)
        if found.name != "annotations" or not found.listed:
            continue
        if not images and not complete:  # annotations come first
            for other in json_values(path, ("images", "annotations")):
                if other.name == "images" and other.listed:
                    _keep(images, other.value)
        complete = True
        yield _joined(path, images, found.value)
    if not images and not complete and not _empty(path):
        raise InvalidData(f"{path.name} has no images and annotations.", "Check the file.")


def _empty(path: Path) -> bool:
    """Whether a file in which nothing was found has a list of annotations, and nobody in it."""
    document = read_json(path) if path.stat().st_size < SMALL_BYTES else None
    return isinstance(document, Mapping) and document.get("annotations") == []


def _keep(images: dict[Any, Labels], image: Any) -> None:
    if isinstance(image, dict) and isinstance(image.get("id"), int | str):
        images[image["id"]] = {word: image[word] for word in IMAGE_WORDS if word in image}


def _joined(
    path: Path, images: Mapping[Any, Labels], annotation: Any
) -> tuple[Labels, Labels] | InvalidData:
    if not isinstance(annotation, dict):
        return InvalidData(f"{path.name}: an annotation is {type(annotation).__name__}.")
    number = annotation.get("image_id")
    if not isinstance(number, int | str) or number not in images:
        name = shown(annotation.get("id", "?"))
        return InvalidData(
            f"{path.name} annotation {name}: there is no image {shown(repr(number))}."
        )
    return annotation, images[number]


def numbers(labels: Labels, word: str, *shape: int) -> Array:
    """The entry `word` -> (*shape) float64; ValueError says what is wrong with it."""
    values = labels[word]
    try:
        array = np.array(values, np.float64).reshape(shape)
    except (TypeError, ValueError, OverflowError):
        wanted = "x".join(map(str, shape))
        raise ValueError(f"'{word}' is not {wanted} numbers") from None
    if not np.isfinite(array).all():
        raise ValueError(f"'{word}' has numbers that are not finite")
    return array


def size_of(image: Labels) -> tuple[int, int]:
    """-> height, width px."""
    height, width = image["height"], image["width"]
    if not (isinstance(height, int) and isinstance(width, int) and min(height, width) > 0):
        raise ValueError(f"the image is {width!r} x {height!r} px")
    return height, width


def box_of(request: Request, labels: Labels, word: str, size: tuple[int, int]) -> Array | None:
    """-> the box with margin; of OSX its 3:4 box, or None where it leaves somebody out."""
    box = numbers(labels, word, 4)
    if request.official:
        return person_box(box.tolist(), size, whole=is_whole(labels[word]))
    return box_with_margin(box, word)


def is_whole(values: Any) -> bool:
    """-> whether a file has nothing but integers there."""
    return bool(np.array(values).dtype.kind in "iu")


def box_with_margin(box: Array, word: str) -> Array:
    """x, y, width, height as labelled -> the same with margin; windows widen it to their proportions."""
    if box[2:].min() <= 0:
        raise ValueError(f"'{word}' is {box[2]:g} x {box[3]:g} px")
    return scaled_box(box, BOX_SCALE)


def corners(box: Array) -> Array:
    """x, y, width, height -> x0, y0, x1, y1."""
    return np.concatenate([box[:2], box[:2] + box[2:]])


def key_of(*parts: object) -> str:
    """-> a key of letters, digits, _ and -."""
    return stem_of("-".join(str(part).replace(".", "_") for part in parts))


def read_json(path: Path) -> Any:
    """A JSON file -> its content, with lists of numbers as arrays: a fraction of the memory."""
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_compact)
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.", "Check --from.") from None
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path.name} is no JSON: {told(error)}.") from None


def _compact(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: _array(value) for name, value in pairs}


def _array(value: Any) -> Any:
    if not isinstance(value, list) or not value:
        return value
    try:
        array = np.array(value)
    except (ValueError, OverflowError):
        return value
    return array if array.dtype.kind in "if" else value


def plain(value: Any) -> Any:
    """-> the same with lists instead of arrays, as JSON has it."""
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value
