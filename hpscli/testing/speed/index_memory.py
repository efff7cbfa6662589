"""How much memory a large data set takes: counting, writing, resuming, opening, training order.

People are made up and tiny, and all steps but the encoding of pictures are the real ones. Each step
runs in a process of its own, whose largest size is what counts. Tars are emptied (they keep their
length) but for a few, so that ten million people need no more disk than their tables.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from hpscli.data.epochs.plan import make_plan
from hpscli.data.evalset import EvalSet
from hpscli.data.preparing.jobs import Order, count_people, stretches
from hpscli.data.preparing.keys import Keys
from hpscli.data.preparing.making import Making, Writing, shards_in_order, whole_shard
from hpscli.data.preparing.places import Folder
from hpscli.data.sample import encode_record
from hpscli.data.shards import IndexBuilder, table_name
from hpscli.data.sources import Encoded, Source
from hpscli.hooks import DatasetSpec
from hpscli.recipe import Member
from hpscli.records import Person

SHARD_SAMPLES = 1000
KEPT = 157  # of so many tars one keeps its content
READS = 2000  # people read at random places
DRAWS = 50_000  # of the training order
STEPS = ("nothing", "count", "write", "resume", "open", "draw")


@dataclass(frozen=True)
class Step:
    """One step for one size of data set."""

    samples: int
    step: str
    peak_mb: float  # the largest size of the process
    seconds: float


def people(root: Path, split: str, *, count: int) -> Iterator[Person]:
    """-> made-up people without pictures, one label each."""
    points = np.ones((17, 3))
    for number in range(count):
        yield Person(key=f"person-{number:08d}", image="", arrays={"keypoints2d.coco17": points})


SPEC = DatasetSpec(
    name="bench-index",
    people="hpscli.testing.speed.index_memory:people",
    splits=("train",),
    summary="Made-up people",
    licence="CC0-1.0",
    access="generated",
    homepage="docs/explanation/shards.md",
    options={"count": 0},
    needs_root=False,
)


def measure(folder: Path, samples: int) -> Iterator[Step]:
    """Sizes of a hundredth, a tenth and all of `samples` -> every step of each, in turn."""
    for part in (100, 10, 1):
        size = max(samples // part // SHARD_SAMPLES, 1) * SHARD_SAMPLES
        for step in STEPS:
            command = [sys.executable, "-m", __name__, step, str(folder), str(size)]
            start = time.perf_counter()
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            yield Step(size, step, json.loads(told)["peak_mb"], time.perf_counter() - start)


def _making(folder: Path, samples: int) -> Making:
    place = Folder(folder)
    source = Source(spec=SPEC, root=Path(), split="train", options={"count": samples})
    return Making(
        source=source,
        place=place,
        shard_samples=SHARD_SAMPLES,
        end=samples // SHARD_SAMPLES,
        ready=partial(whole_shard, place),
    )


def nothing(folder: Path, samples: int) -> None:
    """Only what importing costs."""


def count(folder: Path, samples: int) -> None:
    """Read all labels once, and cut the shards into jobs."""
    source = _making(folder, samples).source
    order = Order(spec=SPEC, root=Path(), split="train", out=str(folder))
    found = count_people(source, 0, lambda number: None)
    if sum(len(range(s.first, s.end)) for s in stretches(order, found, 40, 1)) * 1000 != samples:
        raise AssertionError("the job list is not the data set")


def write(folder: Path, samples: int) -> None:
    """Write the shards that are missing, and the index."""
    making, building = _making(folder, samples), IndexBuilder()
    image = b"\xff\xd8\xff" + bytes(200) + b"\xff\xd9"
    arrays = {"keypoints2d.coco17": np.ones((17, 3), np.float32)}
    record = encode_record(arrays, {"image_size_px": [8, 8]})
    with Keys(folder) as keys:
        number = 0
        while number < making.end and (table := making.ready(number)):
            keys.take_all(table.keys)
            building.add(table)
            number += 1
        writing = Writing(making, keys)
        for position in range(number * SHARD_SAMPLES, samples):
            key = f"person-{position:08d}"
            item = Encoded(position, key, "jpg", image, record, tuple(arrays), "")
            if table := writing.put(item):
                building.add(table)
                _empty(folder / table.file)
    building.write(folder, {"dataset": SPEC.name, "split": "train"})


def _empty(tar: Path) -> None:
    if int(tar.stem) % KEPT:
        size = tar.stat().st_size
        with tar.open("r+b") as stream:
            stream.truncate(0)
            stream.truncate(size)


def resume(folder: Path, samples: int) -> None:
    """Find all shards whole, and write the index."""
    building = IndexBuilder()
    with Keys(folder) as keys:
        for table, made in shards_in_order(_making(folder, samples), keys):
            if made:
                raise AssertionError(f"{table_name(table.file)} was not found")
            building.add(table)
    building.write(folder, {"dataset": SPEC.name, "split": "train"})


def open_(folder: Path, samples: int) -> None:
    """Open the index; read people, and the keys of others, at random places."""
    opened, draw = EvalSet(folder), np.random.default_rng(0)
    if len(opened) != samples:
        raise AssertionError(f"{len(opened)} people, not {samples}")
    for position in draw.integers(0, samples, READS):
        if opened.key(int(position)) != f"person-{position:08d}":
            raise AssertionError(f"person {position} is not where it should be")
        shard = int(position) // SHARD_SAMPLES // KEPT * KEPT
        place = shard * SHARD_SAMPLES + int(position) % SHARD_SAMPLES
        if opened[place].key != f"person-{place:08d}":
            raise AssertionError(f"person {place} is not where it should be")


def draw(folder: Path, samples: int) -> None:
    """The order of training, at the beginning, in the middle and in the second pass."""
    shards = tuple(shard.samples for shard in EvalSet(folder).index.shards)
    plan = make_plan({"people": Member(shards=str(folder))}, {"people": shards}, "weighted", seed=0)
    for start in (0, samples // 2, samples):
        seen = {plan.pick(start + number) for number in range(min(DRAWS, samples // 2))}
        if len(seen) != min(DRAWS, samples // 2):
            raise AssertionError("somebody came twice")


def main(step: str, folder: str, samples: str) -> None:
    """Run one step here -> its peak on stdout, as JSON."""
    steps = {"count": count, "write": write, "resume": resume, "open": open_, "draw": draw}
    steps.get(step, nothing)(Path(folder), int(samples))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others kibibytes
    print(json.dumps({"peak_mb": peak * unit / 1e6}))


if __name__ == "__main__":
    main(*sys.argv[1:])
