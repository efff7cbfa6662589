"""COCO and its relatives: `images`, and `annotations` with boxes and flat lists of joints."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.people import BOX_SCALE, scaled_box, square_box
from hpscli.errors import HpsError, InvalidData, MissingError
from hpscli.records import Person

BELOW_THE_HEAD = 5  # coco17: shoulders and everything below


def coco(
    root: Path, split: str, *, reference: str, least_joints: int
) -> Iterator[Person | HpsError]:
    """COCO 2014 -> people of whom `least_joints` joints below the head are labelled."""
    part = {"train": "train2014", "validation": "val2014"}[split]
    path = root / "annotations" / f"person_keypoints_{part}.json"
    images, annotations = read_coco(path)
    if reference != "spin":
        annotations = sorted(annotations, key=lambda entry: entry["image_id"])
    for entry in annotations:
        try:
            person = coco_person(f"{part}/", images, entry, reference)
        except (KeyError, TypeError, ValueError) as error:
            yield InvalidData(f"{path.name} annotation {entry.get('id', '?')}: {error!r}.")
            continue
        if (person.arrays["keypoints2d.coco17"][BELOW_THE_HEAD:, 2] > 0).sum() >= least_joints:
            yield person


def read_coco(path: Path) -> tuple[dict[int, Mapping[str, Any]], list[Any]]:
    """-> images by number, and annotations."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {image["id"]: image for image in document["images"]}, document["annotations"]
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidData(f"{path} has no images and annotations: {error!r}.") from None


def coco_person(
    folder: str, images: Mapping[int, Any], entry: Mapping[str, Any], reference: str
) -> Person:
    """One annotation -> a person with the joints of coco17."""
    image = images[entry["image_id"]]
    points = np.array(entry["keypoints"], np.float64).reshape(17, 3)
    points[:, 2] = points[:, 2] > 0  # 0 not labelled, 1 hidden, 2 visible
    box = np.array(entry["bbox"], np.float64)
    if reference != "mmhuman3d":
        box = square_box(box[:2] + box[2:] / 2, BOX_SCALE * box[2:].max())
    return Person(
        key=f"coco-{entry['id']}",
        image=folder + image["file_name"],
        image_size_px=(image["height"], image["width"]),
        arrays={"keypoints2d.coco17": points},
        box=scaled_box(box, 1.0),
    )
