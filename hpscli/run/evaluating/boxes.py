"""Other boxes than the annotated ones: around the people of the list, or of a detector's people."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.data.crops import AUTHORS_BOX
from hpscli.data.evalset import EvalSet
from hpscli.data.placing import fast_place, seen_by
from hpscli.data.preparation import Place, Window
from hpscli.errors import InvalidData
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Sample
from hpscli.run.evaluating.box_files import NamedBox, read_boxes
from hpscli.run.evaluating.settings import Settings
from hpscli.run.inference import preparation_of

Array = NDArray[np.float64]

PICTURE = ("image_path", "image_size_px", "dataset", "split", "sequence", "frame")  # in meta


@dataclass(frozen=True)
class Moved:
    """The people of a list, some cut out elsewhere; `chosen`: (place in the list, its crop, key)."""

    people: EvalSet
    chosen: tuple[tuple[int, Place, str], ...]
    window: Window  # (height, width) px that crops go to
    seen: float = 1.0  # the part of its columns that the network looks at
    labelled: bool = True  # False: of these nobody knows who they are

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, place: int) -> Sample:
        position, (center, width), key = self.chosen[place]
        sample = self.people[position]
        size = np.array([width * self.seen, width * self.window[0] / self.window[1]])
        box = {
            "box.center": np.asarray(center, np.float32),
            "box.size": np.array([size.max()], np.float32),
        }
        if size[0] != size[1]:
            box["box.xywh"] = np.concatenate([center - size / 2, size]).astype(np.float32)
        if self.labelled:
            other = ("box.xywh", AUTHORS_BOX)
            kept = {n: v for n, v in sample.arrays.items() if not n.startswith(other)}
            return replace(sample, arrays={**kept, **box})
        kept = {"image.affine": sample.arrays["image.affine"]}
        meta = {n: v for n, v in sample.meta.items() if n in PICTURE}
        return replace(sample, key=key, arrays={**kept, **box}, meta=meta)


def with_boxes(people: EvalSet, model: LoadedModel, settings: Settings) -> Moved:
    """-> everybody of the list, cropped by the boxes of a file; each must have one."""
    found = Matched(people, read_boxes(Path(settings.boxes)))
    given = found.of_people()
    if lost := [sample for sample, box in zip(found.samples, given, strict=True) if box is None]:
        raise InvalidData(
            f"{len(lost)} of {len(people)} people have no box in {settings.boxes}, first "
            f"'{lost[0].key}' (picture '{lost[0].meta.get('image_path', '')}').",
            "Boxes are found by a person's key or by the picture's name; measure a part: --limit N",
        )
    chosen = [
        (place, _crop(found.samples[place], box.box, model, settings), found.samples[place].key)
        for place, box in enumerate(given)
        if box is not None
    ]
    return Moved(people, tuple(chosen), model.input_size, seen_by(model.spec.crop))


def detections(people: EvalSet, model: LoadedModel, settings: Settings) -> Moved:
    """-> one person for every box in the pictures of the list, whoever that is."""
    found = Matched(people, read_boxes(Path(settings.boxes)))
    chosen = [
        (
            place,
            _crop(found.samples[place], box.box, model, settings),
            f"{found.samples[place].meta.get('image_path', '')}#{number}",
        )
        for place, number, box in found.in_pictures()
    ]
    if not chosen:
        raise InvalidData(
            f"{settings.boxes} has no box in a picture of {people.location}.",
            f"The first of these is called '{found.samples[0].meta.get('image_path', '')}'.",
        )
    return Moved(people, tuple(chosen), model.input_size, seen_by(model.spec.crop), labelled=False)


class Matched:
    """Boxes and the people that they are near."""

    def __init__(self, people: EvalSet, boxes: Sequence[NamedBox]) -> None:
        # pictures are many and large: only what says where they are is kept
        self.samples = [replace(sample, image=b"") for sample in people]
        self.boxes = boxes
        self.by_name: dict[str, list[NamedBox]] = defaultdict(list)
        self.full_names: dict[str, set[str]] = defaultdict(set)  # of the short ones
        for box in boxes:
            self.by_name[box.name].append(box)
            for short in _short_names(box.name):
                self.full_names[short].add(box.name)

    def _of_picture(self, sample: Sample) -> list[NamedBox]:
        """-> boxes of a person's picture: by its path, else by a name that only one path ends with."""
        path = str(sample.meta.get("image_path", ""))
        if path in self.by_name or not path:
            return self.by_name.get(path, [])
        for short in _short_names(path):
            if len(full := self.full_names.get(short, set())) == 1:
                return self.by_name[next(iter(full))]
        return []

    def _pictures(self) -> dict[str, list[int]]:
        """-> {picture: places of its people in the list}."""
        found: dict[str, list[int]] = defaultdict(list)
        for place, sample in enumerate(self.samples):
            found[str(sample.meta.get("image_path", sample.key))].append(place)
        return found

    def of_people(self) -> list[NamedBox | None]:
        """-> each person's box: by key, else of the picture the one that covers its own best.

        In a picture no box is given to two people: the pair that fits best comes first.
        """
        found: list[NamedBox | None] = [None] * len(self.samples)
        for places in self._pictures().values():
            for place in places:
                if named := self.by_name.get(self.samples[place].key):
                    found[place] = named[0]
            open_ = [place for place in places if found[place] is None]
            boxes = self._of_picture(self.samples[places[0]])
            pairs = sorted(
                (-overlap(own_box(self.samples[place]), box.box), place, number)
                for place in open_
                for number, box in enumerate(boxes)
            )
            used: set[int] = set()
            for negative, place, number in pairs:
                if negative < 0 and found[place] is None and number not in used:
                    found[place] = boxes[number]
                    used.add(number)
        return found

    def in_pictures(self) -> Iterator[tuple[int, int, NamedBox]]:
        """-> every box in the pictures of the list: a person of the picture, its number, the box."""
        for places in self._pictures().values():
            boxes = self._of_picture(self.samples[places[0]])
            named = [b for p in places for b in self.by_name.get(self.samples[p].key, ())]
            for number, box in enumerate([*boxes, *named]):
                yield places[0], number, box


def _short_names(name: str) -> list[str]:
    """ "val/COCO_val2014_000000000042.jpg" -> its name, its stem, and the number at its end, "42"."""
    path = Path(name)
    digits = path.stem.rpartition("_")[2]
    numbers = [str(int(digits))] if digits.isascii() and digits.isdecimal() else []
    return [path.name, path.stem, *numbers]


def own_box(sample: Sample) -> Array:
    """-> the annotated square box (4,) x, y, width, height px."""
    center = np.asarray(sample.arrays["box.center"], np.float64)
    side = float(sample.arrays["box.size"][0])
    return np.array([*(center - side / 2), side, side])


def overlap(first: Array, second: Array) -> float:
    """Two boxes (4,) x, y, width, height -> intersection over union."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    shared = float(np.prod(np.maximum(high - low, 0.0)))
    return shared / (float(first[2] * first[3]) + float(second[2] * second[3]) - shared)


def _crop(sample: Sample, box: Array, model: LoadedModel, settings: Settings) -> Place:
    """A tight box -> centre and width of the crop, by the rule of the model's authors or our own."""
    found: Any = sample.meta.get("image_size_px", (0, 0))
    size, window = (int(found[0]), int(found[1])), model.input_size
    if preparation := preparation_of(model, settings.crop, measuring=True):
        center, width = preparation.place(box, size, window)
    else:
        center, width = fast_place(model.spec.crop, box, size, window)
    return np.asarray(center, np.float64), float(width)
