"""hps bench data: reading, cropping and augmenting, against bare decoding and one warp."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, pairs, table

if TYPE_CHECKING:
    from hpscli.data.evalset import EvalSet

WINDOW = (224, 224)
BATCH = 32
ROUNDS = 5  # turns of each kind; rates are the best of them
TEMPORARY = {"count": 192, "size_px": 256, "seed": 1}  # people made when no shards are given


def data(
    shards: Annotated[
        str, typer.Argument(help="Shard folder; default: made for the purpose.")
    ] = "",
    workers: Annotated[str, typer.Option(help="Numbers of workers to measure.")] = "0,1,2",
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one turn.")] = 1.5,
    least: Annotated[float, typer.Option(min=0.0, help="Exit 4 below this ratio.")] = 0.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Training crops a second, against bare decoding + one warp of the same bytes on one core."""
    from hpscli.errors import CheckFailed, UsageError

    show = Output(json, quiet)
    try:
        counts = [int(word) for word in workers.split(",")]
    except ValueError:
        raise UsageError(
            f"--workers {workers} is not a list of numbers.", "--workers 0,1,2"
        ) from None
    with tempfile.TemporaryDirectory(prefix="hps-bench-") as folder:
        location = shards or _make_shards(show, Path(folder))
        bare, rates, ratio = _measure(show, location, counts, seconds)
    document = {
        "shards": shards or TEMPORARY,
        "window": WINDOW,
        "batch": BATCH,
        "bare_per_second": bare,
        "workers": {str(count): rate for count, rate in rates.items()},
        "ratio": ratio,
        "two_workers_over_one": rates[2] / rates[1] if {1, 2} <= rates.keys() else None,
    }

    def draw() -> None:
        table(
            ("what", "samples/s", "of bare"),
            [
                ("bare imdecode + warpAffine, one core", round(bare), 1.0),
                *[
                    (
                        "in this process" if count == 0 else f"{count} worker{'s' * (count > 1)}",
                        round(rate),
                        rate / bare,
                    )
                    for count, rate in rates.items()
                ],
            ],
        )
        pairs([("ratio", document["ratio"]), ("2 / 1 workers", document["two_workers_over_one"])])

    show.result("bench-data", document, draw)
    if ratio < least:
        raise CheckFailed(f"reading reaches {ratio:.2f} of bare decoding, below {least}.")


def _make_shards(show: Output, folder: Path) -> str:
    from hpscli.data.prepare import prepare
    from hpscli.registry import get_registry

    spec = get_registry().dataset("synthetic")
    with show.progress("making", int(TEMPORARY["count"]), "people") as advance:
        prepare(spec, Path(), "train", folder / "shards", options=TEMPORARY, advance=advance)
    return str(folder / "shards")


def _measure(
    show: Output, location: str, counts: list[int], seconds: float
) -> tuple[float, dict[int, float], float]:
    """-> bare rate, best rate by number of workers, and the ratio of the first of them to bare.

    Turns alternate, so that other programs slow both sides alike; the ratio is the median over
    turns. Inside this process CPU seconds count, with workers the clock on the wall.
    """
    import statistics

    import cv2
    import torch

    from hpscli.data.evalset import EvalSet

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    bare_turn = _bare(EvalSet(location))
    bare: list[float] = []
    rates: dict[int, list[float]] = {count: [] for count in counts}
    with show.progress("measuring", ROUNDS * len(counts)) as advance:
        for count in counts:
            batches = _stream(location, count)
            for _ in range(ROUNDS):
                bare.append(_rate(bare_turn, seconds / 2, time.process_time))
                clock = time.perf_counter if count else time.process_time
                rates[count].append(_rate(lambda b=batches: len(next(b)), seconds, clock))  # type: ignore[misc]
                advance(1)
            batches.close()
    first = rates[counts[0]]
    ratio = statistics.median(ours / one for ours, one in zip(first, bare, strict=False))
    return max(bare), {count: max(found) for count, found in rates.items()}, ratio


def _stream(location: str, workers: int) -> Any:
    from hpscli.data.stream import TrainingStream
    from hpscli.recipe import Augment, Member

    return iter(
        TrainingStream(
            {"bench": Member(shards=location)},
            size=WINDOW,
            joints="smpl24",
            augment=Augment(),
            batch=BATCH,
            workers=workers,
        )
    )


def _bare(people: "EvalSet") -> Callable[[], int]:
    """-> a turn of the yardstick: decode one stored picture and warp it once to the window."""
    import cv2
    import numpy as np

    from hpscli.data.crops import crop_affine

    pictures = [np.frombuffer(sample.image, np.uint8) for sample in people]
    center, size = people[0].arrays["box.center"], float(people[0].arrays["box.size"][0])
    affine = crop_affine(center, size, WINDOW, rotation_degrees=10.0)

    def endless() -> Iterator[int]:
        while True:
            for picture in pictures:
                image = cv2.imdecode(picture, cv2.IMREAD_COLOR)
                cv2.warpAffine(image, affine, (WINDOW[1], WINDOW[0]), flags=cv2.INTER_LINEAR)
                yield 1

    turns = endless()
    return lambda: next(turns)


def _rate(turn: Callable[[], int], seconds: float, clock: Callable[[], float]) -> float:
    turn()
    done, start = 0, clock()
    while clock() - start < seconds:
        done += turn()
    return done / (clock() - start)
