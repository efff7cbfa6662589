"""hps bench prepare: people a second from pictures to shards."""

from dataclasses import asdict
from typing import Annotated

import typer

from hpscli.cli.output import JsonOption, Output, table


def prepare(
    count: Annotated[int, typer.Option(min=64, help="People of one turn.")] = 400,
    side_px: Annotated[int, typer.Option("--size-px", help="Longest side of a crop, px.")] = 480,
    least: Annotated[float, typer.Option(help="Exit 4 below this share of one core.")] = 0.0,
    json: JsonOption = False,
) -> None:
    """Pictures to shards, against decoding + resizing + encoding the same bytes on one core."""
    from hpscli.errors import CheckFailed
    from hpscli.testing.speed.preparing import measure

    show = Output(json)
    found = list(measure(count, side_px))
    rows = [
        {
            **asdict(speed),
            "per_core": speed.per_core,
            "two_workers": speed.two_workers,
            "two_cores": speed.two_cores,
            "of_copy": speed.of_copy,
        }
        for speed in found
    ]

    def draw() -> None:
        titles = ("pictures", "alone/s", "crop/s", "of alone", "2 workers", "on 2 idle cores")
        lines = [
            (f"{s.width_px}x{s.height_px}", round(s.rate("alone")), round(s.rate("crop")))
            + (s.per_core, s.two_workers, s.two_cores)
            + (round(s.rate("full")), round(s.rate("copy")), s.of_copy)
            for s in found
        ]
        table((*titles, "full/s", "copy/s", "of copy"), lines)

    show.result("bench-prepare", {"count": count, "side_px": side_px, "sizes": rows}, draw)
    if (worst := min(s.per_core for s in found)) < least:
        raise CheckFailed(f"preparing reaches {worst:.2f} of decoding alone, below {least}.")
