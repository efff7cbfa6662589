"""How fast pictures become shards, against decoding, resizing and encoding the same bytes alone."""

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from hpscli.data.people import Layout, square_box
from hpscli.data.prepare import prepare
from hpscli.hooks import DatasetSpec
from hpscli.records import Person

SIZES_PX = ((1000, 1000), (1080, 1920))  # height, width: Human3.6M's, and films
BOX = 0.55  # side of a person's box, of the picture's height
DIFFERENT = 24  # pictures; more people than that see them again
QUALITY = 92
ROUNDS = 3  # turns; the best of each kind counts


@dataclass(frozen=True)
class Speed:
    """People a second for one size of pictures."""

    height_px: int
    width_px: int
    alone: float  # decode, resize, encode on one core, nothing else
    crop: dict[int, float]  # by number of workers
    full: float
    copy: float  # the same pictures and tars through the disk, nothing else

    @property
    def per_core(self) -> float:
        return self.crop[1] / self.alone

    @property
    def two_workers(self) -> float:
        return self.crop[2] / self.crop[1]


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
    people="hpscli.testing.prepare_speed:people",
    splits=("train",),
    summary="Generated pictures",
    licence="CC0-1.0",
    access="generated",
    homepage="docs/explanation/speed.md",
    options={"count": 0},
)


def measure(count: int, side_px: int, workers: tuple[int, ...] = (1, 2)) -> Iterator[Speed]:
    """Number of people, longest side of a stored crop -> one Speed for each size of pictures."""
    for height, width in SIZES_PX:
        with tempfile.TemporaryDirectory(prefix="hps-bench-") as folder:
            root = Path(folder) / "pictures"
            write_pictures(root, height, width)
            crop = Layout(kind="crop", side_px=side_px)
            yield Speed(
                height,
                width,
                _rate(count, partial(alone, root, count, side_px)),
                {n: _rate(count, _preparing(root, count, crop, n)) for n in workers},
                _rate(count, _preparing(root, count, Layout(kind="full"), 1)),
                _rate(count, partial(_copy, root, count)),
            )


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
    import os

    with tempfile.TemporaryFile(dir=root.parent) as stream:
        paths = itertools.cycle(sorted(root.glob("*.jpg")))
        for path, _ in zip(paths, range(count), strict=False):
            stream.write(path.read_bytes())
        stream.flush()
        os.fsync(stream.fileno())


def _preparing(root: Path, count: int, layout: Layout, workers: int) -> Callable[[], float]:
    """-> a run of the real preparation; its time without the start of worker processes."""

    def run() -> float:
        out = root.parent / "shards"
        first: list[float] = []
        done: list[int] = []

        def advance(number: int) -> None:
            if number:
                first.append(time.perf_counter())
                done.append(number)

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
        end = time.perf_counter()
        shutil.rmtree(out)
        warm = WARM * workers  # results come in chunks: the first ones hold the start of processes
        if workers == 1 or count <= 2 * warm:
            return 0.0
        return (end - first[warm]) / (sum(done[warm:]) - 1)

    return run


WARM = 16  # results of each worker that are not counted


def _rate(count: int, run: Callable[[], float | None]) -> float:
    """-> people a second, the best of a few turns."""
    best = 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        each = run()
        best = max(best, 1 / each if each else count / (time.perf_counter() - start))
    return best
