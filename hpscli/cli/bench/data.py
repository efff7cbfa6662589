"""hps bench data: reading people for training, beside METRO's way and bare decoding."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, pairs, table

if TYPE_CHECKING:
    from hpscli.testing.speed.reading import Rates

KINDS = {  # of the table beside METRO
    "metro": "METRO's way",
    "originals": "ours, from whole pictures",
    "crops": "ours, from stored crops",
    "bytes": "the same as bytes, for a GPU",
    "bare originals": "bare decode + warp, whole",
    "bare crops": "bare decode + warp, crops",
}


def data(
    shards: Annotated[
        str, typer.Argument(help="Shard folder; default: people of 1000 px pictures, beside METRO.")
    ] = "",
    workers: Annotated[str, typer.Option(help="Numbers of workers to measure.")] = "0,1,2",
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one turn.")] = 1.5,
    people: Annotated[int, typer.Option(min=32, help="How many are made, without SHARDS.")] = 96,
    least: Annotated[
        float, typer.Option(min=0.0, help="Exit 4 below this share of bare decoding.")
    ] = 0.0,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Exit 4 below 8 times METRO's way from crops, or 2 times from whole pictures.",
        ),
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Augmented training crops a second on one core: ours, METRO's way, bare decode + one warp."""
    from hpscli.errors import CheckFailed, UsageError

    if check and shards:
        raise UsageError("METRO's way cannot read SHARDS.", "Leave them out, or --check.")
    show = Output(json, quiet)
    try:
        counts = [int(word) for word in workers.split(",")]
    except ValueError:
        raise UsageError(
            f"--workers {workers} is not a list of numbers.", "--workers 0,1,2"
        ) from None
    with tempfile.TemporaryDirectory(prefix="hps-bench-") as folder:
        beside = None if shards else _beside(show, Path(folder), people, seconds)
        location = shards or str(Path(folder) / "crop")
        bare, rates, ratio = _measure(show, location, counts, seconds)
    document = {
        "shards": shards or {"people": people, "picture_px": 1000, "read": "crops"},
        "bare_per_second": bare,
        "workers": {str(count): rate for count, rate in rates.items()},
        "ratio": ratio,
        "two_workers_over_one": rates[2] / rates[1] if {1, 2} <= rates.keys() else None,
        "beside_metro": None if beside is None else _side(beside),
    }
    show.result("bench-data", document, lambda: _draw(document, rates, beside))
    if ratio < least:
        raise CheckFailed(f"reading reaches {ratio:.2f} of bare decoding, below {least}.")
    if check and beside is not None and (short := beside.short()):
        raise CheckFailed(f"too slow beside METRO's way: {', '.join(short)}.")


def _draw(document: dict[str, Any], rates: dict[int, float], beside: "Rates | None") -> None:
    if beside is not None:
        from hpscli.testing.speed.reading import NEEDED, OFFICIAL

        shown: list[tuple[object, ...]] = [
            (name, round(beside.best(k)), beside.times(k, "metro"), NEEDED.get(k))
            for k, name in KINDS.items()
        ]
        shown.append(("METRO's released code on a free core, measured once", OFFICIAL, None, None))
        title = "the same people of 1000x1000 px, processor time"
        table((title, "people/s", "of METRO", "needed"), shown)
    bare = document["bare_per_second"]
    rows = [("bare decode + warp, one core", round(bare), 1.0)]
    for count, rate in rates.items():
        name = f"{count} worker{'s' * (count > 1)}" if count else "in this process"
        rows.append((name, round(rate), rate / bare))
    table(("batches of bytes, by the clock with workers", "people/s", "of bare"), rows)
    pairs([("ratio", document["ratio"]), ("2 / 1 workers", document["two_workers_over_one"])])


def _side(beside: "Rates") -> dict[str, Any]:
    """-> rates and shares as JSON."""
    from hpscli.testing.speed.reading import NEEDED, OFFICIAL

    times = {kind: beside.times(kind, "metro") for kind in ("originals", "crops", "bytes")}
    shares = {kind: beside.times(kind, f"bare {kind}") for kind in ("originals", "crops")}
    rates = {kind: beside.best(kind) for kind in KINDS}
    found = {"per_second": rates, "times_metro": times, "of_bare": shares}
    return {**found, "needed": NEEDED, "official_per_second": OFFICIAL}


def _beside(show: Output, folder: Path, people: int, seconds: float) -> "Rates":
    from hpscli.testing.speed.reading import ROUNDS, beside_metro, make_people, one_core

    one_core()
    show.say("making", f"{people} people in pictures of 1000x1000 px")
    make_people(folder, people)
    with show.progress("reading", ROUNDS * len(KINDS)) as advance:
        return beside_metro(folder, seconds, advance)


def _measure(
    show: Output, location: str, counts: list[int], seconds: float
) -> tuple[float, dict[int, float], float]:
    """-> bare rate, best rate by number of workers, and the ratio of the first of them to bare.

    Turns alternate, so that other programs slow both sides alike; the ratio is the median over
    turns. Inside this process CPU seconds count, with workers the clock on the wall.
    """
    import statistics
    import time

    from hpscli.data.evalset import EvalSet
    from hpscli.testing.speed.reading import ROUNDS, bare, batches, one_core, rate

    one_core()
    bare_turn = bare(EvalSet(location))
    alone: list[float] = []
    rates: dict[int, list[float]] = {count: [] for count in counts}
    with show.progress("measuring", ROUNDS * len(counts)) as advance:
        for count in counts:
            source = batches(location, count)
            for _ in range(ROUNDS):
                alone.append(rate(bare_turn, seconds / 2, time.process_time))
                clock = time.perf_counter if count else time.process_time
                rates[count].append(rate(lambda b=source: len(next(b)), seconds, clock))  # type: ignore[misc]
                advance(1)
            source.close()
    first = rates[counts[0]]
    ratio = statistics.median(ours / one for ours, one in zip(first, alone, strict=False))
    return max(alone), {count: max(found) for count, found in rates.items()}, ratio
