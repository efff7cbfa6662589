"""How long a training waits for its data: people of photograph-like pictures, stored as crops.

Pictures, boxes and crops are those of the reading benchmark; labels are those of stand-ins, moved into
the box, so that any network has what its losses ask for. Nobody's crop is another's.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np

from hpscli.data.people import Layout, square_box
from hpscli.data.prepare import prepare
from hpscli.hooks import DatasetSpec
from hpscli.recipe import Recipe
from hpscli.records import Person
from hpscli.testing.speed.preparing import BOX, write_pictures
from hpscli.testing.speed.reading import SIDE_PX
from hpscli.testing.standins.labels import Labels
from hpscli.testing.standins.people import people as standins
from hpscli.train.loop import train

PEOPLE = 512  # more than a global batch of any recipe that is timed
LINES = 4  # of the log; the first tells of compiling and is not counted
PLACED = ("box.", "image.")  # arrays that preparing makes anew


def people(root: Path, split: str, *, count: int, body: str, joints: str) -> Iterator[Person]:
    """Folder of pictures -> `count` people in the middle of them, with all labels of a body."""
    names = sorted(path.name for path in root.glob("*.jpg"))
    for number, sample in enumerate(standins(all_labels(body, joints), count)):
        side = BOX * SIDE_PX * np.random.default_rng(number).uniform(0.8, 1.2)
        scale = side / float(sample.arrays["box.size"][0])
        shift = SIDE_PX / 2 - scale * np.asarray(sample.arrays["box.center"])
        yield Person(
            key=f"p{number}",
            image=names[number % len(names)],
            arrays={
                name: _moved(name, np.array(values, np.float64), scale, shift)
                for name, values in sample.arrays.items()
                if not name.startswith(PLACED)
            },
            box=square_box(np.full(2, SIDE_PX / 2), side),
        )


def all_labels(body: str, joints: str) -> Labels:
    """-> the labels of people that a training on this joint set can use in every term."""
    return Labels(body=body, joints2d=(joints,), joints3d=(joints,), parameters=True)


def _moved(name: str, values: np.ndarray, scale: float, shift: np.ndarray) -> np.ndarray:
    """2D joints (J,3) px, or intrinsics (3,3) -> the same of the moved picture; others as they are."""
    if name.startswith("keypoints2d."):
        values[:, :2] = values[:, :2] * scale + shift
    elif name == "camera.intrinsics":
        values[:2] *= scale
        values[:2, 2] += shift
    return values


SPEC = DatasetSpec(
    name="bench-waiting",
    people="hpscli.testing.speed.waiting:people",
    splits=("train",),
    summary="Generated pictures with all labels of a body",
    licence="CC0-1.0",
    access="generated",
    homepage="docs/explanation/speed.md",
    options={"count": 0, "body": "", "joints": ""},
)


def make_crops(folder: Path, labels: Labels, count: int = PEOPLE) -> Path:
    """-> the shards of `count` people, stored as `hps prepare` stores crops for training."""
    pictures, shards = folder / "pictures", folder / "crops"
    folder.mkdir(parents=True)
    write_pictures(pictures, SIDE_PX, SIDE_PX)
    options = {"count": count, "body": labels.body, "joints": labels.joints2d[0]}
    prepare(SPEC, pictures, "train", shards, options=options, layout=Layout(kind="crop"))
    return shards


def data_wait(recipe: Recipe, run: Path, *, workers: int, steps: int, device: str) -> float:
    """-> the share of time in which a real run waits for its data; steps: of each line of the log."""
    times = {"epoch_samples": LINES * steps * recipe.optim.batch, "log_every": steps}
    asked = recipe.model_copy(
        update={
            "data": recipe.data.model_copy(update={"workers": workers}),
            "train": recipe.train.model_copy(update={**times, "epochs": 1}),
        }
    )
    log = (train(asked, run, device=device) / "log.jsonl").read_text().splitlines()
    told = [line["data_wait"] for line in map(json.loads, log) if "data_wait" in line]
    return float(median(told[1:]))
