"""hps bench index: the memory that a large data set takes, step by step."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, table


def index(
    samples: Annotated[int, typer.Option(min=100_000, help="People.")] = 1_000_000,
    folder: Annotated[
        Path | None, typer.Option(help="Where the made-up shards go; default: removed afterwards.")
    ] = None,
    most_mb: Annotated[
        float,
        typer.Option(help="Exit 4 when a step takes so many MB more than importing; 0: never."),
    ] = 0.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Count, write, resume, open and draw from made-up people: the peak memory of each step."""
    from hpscli.errors import CheckFailed
    from hpscli.testing.speed.index_memory import STEPS, measure

    show = Output(json, quiet)
    with tempfile.TemporaryDirectory(prefix="hps-bench-", dir=Path.cwd()) as temporary:
        place = folder or Path(temporary)
        found = list(show.track(measure(place, samples), "measuring", 3 * len(STEPS)))
    sizes = sorted({step.samples for step in found})
    peaks = {(step.step, step.samples): step for step in found}

    def draw() -> None:
        titles = ("step", *[f"{size:,} people: MB" for size in sizes], "seconds of the last")
        lines = [
            (
                name,
                *[round(peaks[name, size].peak_mb) for size in sizes],
                round(peaks[name, sizes[-1]].seconds, 1),
            )
            for name in STEPS
        ]
        table(titles, lines)

    show.result("bench-index", {"steps": [asdict(step) for step in found]}, draw)
    bare = max(step.peak_mb for step in found if step.step == "nothing")
    worst = max(step.peak_mb for step in found) - bare
    if most_mb and worst > most_mb:
        raise CheckFailed(f"a step takes {worst:.0f} MB more than importing, above {most_mb:.0f}.")
