"""How fast pictures become shards, against decoding, resizing and encoding the same bytes alone."""

import itertools
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from hpscli.data.people import Layout, square_box
from hpscli.data.prepare import prepare
from hpscli.hooks import DatasetSpec
from hpscli.records import Person

SIZES_PX = ((1000, 1000), (1080, 1920))  # height, width: Human3.6M's, and films
BOX = 0.55  # side of a person's box, of the picture's height
DIFFERENT = 24  # pictures; more people than that see them again
QUALITY = 92
ROUNDS = 3  # turns of each kind; ratios are the median over turns


@dataclass(frozen=True)
class Turn:
    """One run: seconds on the clock and of processors, for each person."""

    wall: float
    here: float  # processor seconds of this process
    workers: float = 0.0  # and of its workers


@dataclass(frozen=True)
class Speed:
    """All turns for one size of pictures, by what was done."""

    height_px: int
    width_px: int
    turns: Mapping[str, Sequence[Turn]]  # alone, crop, crop-2, full, copy

    def rate(self, kind: str) -> float:
        """-> people a second, of the best turn."""
        return 1 / min(turn.wall for turn in self.turns[kind])

    @property
    def per_core(self) -> float:
        """-> crops against decoding alone, in processor seconds: other programs do not count."""
        return self._ratio("alone", "crop", lambda turn: turn.here)

    @property
    def two_workers(self) -> float:
        """-> times one process, by the clock; needs two cores with nothing else to do."""
        return self._ratio("crop", "crop-2", lambda turn: turn.wall)

    @property
    def two_cores(self) -> float:
        """-> times one process if two cores had nothing else to do: this process and two workers.

        Of processor seconds, which other programs do not change much.
        """
        turns = zip(self.turns["crop"], self.turns["crop-2"], strict=True)
        return median(2 * one.here / (two.here + two.workers) for one, two in turns)

    @property
    def of_copy(self) -> float:
        """-> whole pictures against copying the same bytes, by the clock."""
        return self._ratio("copy", "full", lambda turn: turn.wall)

    def _ratio(self, slow: str, fast: str, clock: Callable[[Turn], float]) -> float:
        pairs = zip(self.turns[slow], self.turns[fast], strict=True)
        return median(clock(one) / clock(other) for one, other in pairs)


def people(root: Path, split: str, *, count: int) -> Iterator[Person]:
    """Folder of pictures -> `count` people in the middle of them, one a picture."""
    names = sorted(path.name for path in root.glob("*.jpg"))
    height, width = (int(number) for number in names[0].split("_")[:2])
    points = np.array([[width / 2, height / 2, 1.0]] * 17)
    box = square_box(np.array([width / 2, height / 2]), BOX * height)
    for number, name in zip(range(count), itertools.cycle(names), strict=False):
        yield Person(key=f"p{number}", image=name, arrays={"keypoints2d.coco17": points}, box=box)


SPEC = DatasetSpec(
    name="bench-prepare",
    people="hpscli.testing.speed.preparing:people",
    splits=("train",),
    summary="Generated pictures",
    licence="CC0-1.0",
    access="generated",
    homepage="docs/explanation/speed.md",
    options={"count": 0},
)


def measure(count: int, side_px: int) -> Iterator[Speed]:
    """Number of people, longest side of a stored crop -> one Speed for each size of pictures.

    Kinds take turns, so that whatever else the machine does falls on all of them.
    """
    for height, width in SIZES_PX:
        with tempfile.TemporaryDirectory(prefix="hps-bench-", dir=Path.cwd()) as folder:
            root = Path(folder) / "pictures"
            write_pictures(root, height, width)
            crop, full = Layout(kind="crop", side_px=side_px), Layout(kind="full")
            kinds: dict[str, Callable[[], Turn]] = {
                "alone": _timed(count, partial(alone, root, count, side_px)),
                "crop": _preparing(root, count, crop, 1),
                "crop-2": _preparing(root, count, crop, 2),
                "copy": _timed(count, partial(_copy, root, count)),
                "full": _preparing(root, count, full, 1),
            }
            turns: dict[str, list[Turn]] = {kind: [] for kind in kinds}
            for _ in range(ROUNDS):
                for kind, run in kinds.items():
                    turns[kind].append(run())
            yield Speed(height, width, turns)


def write_pictures(root: Path, height: int, width: int) -> None:
    """Smooth noise with grain: as many bytes a pixel as photographs have."""
    import cv2

    root.mkdir()
    for number in range(DIFFERENT):
        draw = np.random.default_rng(number)
        coarse = draw.integers(0, 255, (height // 16, width // 16, 3), np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        noisy = np.clip(image + draw.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
        path = root / f"{height}_{width}_{number:03d}.jpg"
        cv2.imwrite(str(path), noisy, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


def alone(root: Path, count: int, side_px: int) -> None:
    """Decode, resize, encode; what any preparation must do, on one core."""
    import cv2

    cv2.setNumThreads(1)
    for path, _ in zip(itertools.cycle(sorted(root.glob("*.jpg"))), range(count), strict=False):
        image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        small = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_AREA)
        cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 95])


def _copy(root: Path, count: int) -> None:
    """The bytes of the pictures into one file on disk."""
    with tempfile.TemporaryFile(dir=root.parent) as stream:
        paths = itertools.cycle(sorted(root.glob("*.jpg")))
        for path, _ in zip(paths, range(count), strict=False):
            stream.write(path.read_bytes())
        stream.flush()
        os.fsync(stream.fileno())


def _preparing(root: Path, count: int, layout: Layout, workers: int) -> Callable[[], Turn]:
    """-> a turn of the real preparation; with workers its clocks begin when they have started."""
    warm = WARM * workers if workers > 1 else 0

    def run() -> Turn:
        out = root.parent / "shards"
        seen = [_clocks()]

        def advance(number: int) -> None:
            if number and len(seen) in (warm, count):
                seen.append(_clocks())
            elif number:
                seen.append(seen[0])

        prepare(
            SPEC,
            root,
            "train",
            out,
            options={"count": count},
            workers=workers,
            layout=layout,
            advance=advance,
        )
        start, end = seen[warm], seen[count] if warm else _clocks()
        shutil.rmtree(out)
        wall, here, others = (
            (last - first) / (count - warm) for first, last in zip(start, end, strict=True)
        )
        return Turn(wall, here, others)

    return run


WARM = 32  # people of each worker that are not counted: results come in chunks


def _clocks() -> tuple[float, float, float]:
    """-> seconds on the clock, processor seconds of this process, and of its workers so far."""
    ticks = 0
    for worker in multiprocessing.active_children():
        with suppress(OSError, IndexError):  # only Linux tells this of a process that runs
            fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # proc(5): utime, stime
    return time.perf_counter(), time.process_time(), ticks / os.sysconf("SC_CLK_TCK")


def _timed(count: int, run: Callable[[], None]) -> Callable[[], Turn]:
    def turn() -> Turn:
        here, start = time.process_time(), time.perf_counter()
        run()
        return Turn((time.perf_counter() - start) / count, (time.process_time() - here) / count)

    return turn
