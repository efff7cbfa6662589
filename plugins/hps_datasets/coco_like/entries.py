"""The three ways in which JSON files hold labelled people, as one: an entry for each person.

No file is ever in memory as a whole: where labels must be sorted, only their places are kept.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpscli.data.containers.json_records import json_value, json_values
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, in_words

BROKEN = (*BAD_RECORD, OSError)
Place = tuple[int, int, int]  # number of the picture, first and last byte of the labels


@dataclass(frozen=True, kw_only=True)
class Image:
    """A picture as the file has it; its size is None where the file does not say."""

    name: str
    size_px: tuple[int, int] | None  # height, width
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One person as the file has them, in COCO's words: keypoints, bbox, iscrowd, ..."""

    where: str  # file and record, for messages
    key: str  # one in its file
    image: Image
    values: Mapping[str, Any]


def trouble(where: str, error: Exception) -> InvalidData:
    """An exception of a record's parsing -> one line that a user understands."""
    if isinstance(error, HpsError):
        return InvalidData(f"{where}: {error.problem}", error.fix)
    return InvalidData(f"{where}: {in_words(error)}.")


def people_beside_images(
    path: Path, *, by_image: bool, kept: Collection[str]
) -> Iterator[Entry | HpsError]:
    """COCO: lists `images` and `annotations` -> entries, by number of the picture or as they stand.

    `kept`: entries of pictures that are wanted besides name and size.
    """
    images, places, broken = _index(path, kept)
    yield from broken
    if by_image:
        places.sort(key=lambda place: place[0])  # stable: people of a picture stay in order
    with path.open("rb") as stream:
        for number, start, stop in places:
            where = f"{path.name} annotation at byte {start}"
            try:
                values = json_value(stream, start, stop)  # an object: it had a picture's number
                key = str(int(values["id"])) if "id" in values else f"byte{start}"
                where = f"{path.name} annotation {key}"
                if number not in images:
                    raise InvalidData(f"there is no image {number}.")
                image = images[number]
                entry = Entry(where=where, key=key, image=image, values=values)
            except (*BROKEN, InvalidData) as error:
                yield trouble(where, error)
                continue
            yield entry


def _index(
    path: Path, kept: Collection[str]
) -> tuple[dict[int, Image], list[Place], list[HpsError]]:
    """-> pictures by number, places of annotations, and those that belong to no picture."""
    images: dict[int, Image] = {}
    places: list[Place] = []
    broken: list[HpsError] = []
    lists = set()
    for name, value, start, stop, listed in json_values(path, ("images", "annotations")):
        lists |= {name} if listed or value == [] else set()
        try:
            if listed and name == "images":
                images[int(value["id"])] = image_of(value, kept)
            elif listed:
                places.append((_picture_of(value), start, stop))
        except BROKEN as error:
            broken.append(trouble(f"{path.name} {name[:-1]} at byte {start}", error))
    for name in ("images", "annotations"):
        if name not in lists:
            raise InvalidData(f"{path.name} has no list '{name}'.", "Is this the owner's file?")
    return images, places, broken


def _picture_of(values: Any) -> int:
    if not isinstance(values, Mapping):
        raise TypeError("no object")
    return int(values["image_id"])


def image_of(values: Mapping[str, Any], kept: Collection[str] = ()) -> Image:
    """A picture's entry -> its name and size, and those of its values that are `kept`."""
    if not isinstance(values, Mapping):
        raise TypeError("no object")
    size = None
    if "height" in values and "width" in values:
        size = (int(values["height"]), int(values["width"]))
    return Image(
        name=text_of(values["file_name"]),
        size_px=size,
        values={word: values[word] for word in kept if word in values},
    )


def text_of(value: Any) -> str:
    """-> the same, if it is a text that can name a file."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{str(value)[:40]!r} is no name")
    value.encode()  # half of a surrogate pair is no text
    return value


def people_inside_images(path: Path) -> Iterator[Entry | HpsError]:
    """OCHuman: a list `images`, in each its `annotations` -> entries."""
    found = False
    for name, value, start, _, listed in json_values(path, ("images",)):
        if name != "images":
            continue
        found |= listed or value == []
        if not listed:
            continue
        where = f"{path.name} image at byte {start}"
        try:
            image, people = image_of(value), list(value["annotations"])
            number = value.get("image_id", f"byte{start}")
            where = f"{path.name} image {number}"
        except BROKEN as error:
            yield trouble(where, error)
            continue
        for index, values in enumerate(people):
            if not isinstance(values, Mapping):
                yield InvalidData(f"{where} person {index}: no object.")
                continue
            key = f"{number}-{index}"
            yield Entry(where=f"{where} person {index}", key=key, image=image, values=values)
    if not found:
        raise InvalidData(f"{path.name} has no list 'images'.", "Is this the owner's file?")


def humans_of_images(path: Path) -> Iterator[Entry | HpsError]:
    """AI Challenger: a list of pictures, in each the people by name -> entries."""
    for _, value, start, _, listed in json_values(path, ("",)):
        if not listed:
            continue  # the list is empty
        where = f"{path.name} image at byte {start}"
        try:
            if not isinstance(value, Mapping):
                raise TypeError("no object")
            number = text_of(value["image_id"])
            where = f"{path.name} image {number}"
            people = dict(value["keypoint_annotations"])
            boxes = dict(value["human_annotations"])
        except BROKEN as error:
            yield trouble(where, error)
            continue
        image = Image(name=f"{number}.jpg", size_px=None, values={})
        for name, keypoints in people.items():
            values = {"keypoints": keypoints, "bbox": boxes.get(name)}
            yield Entry(where=f"{where} {name}", key=f"{number}-{name}", image=image, values=values)
