"""hps bench prepare: people a second from pictures to shards."""

from dataclasses import asdict
from typing import Annotated

import typer

from hpscli.cli.output import JsonOption, Output, table


def prepare(
    count: Annotated[int, typer.Option(min=64, help="People of one turn.")] = 400,
    side_px: Annotated[int, typer.Option("--size-px", help="Longest side of a crop, px.")] = 512,
    least: Annotated[float, typer.Option(help="Exit 4 below this share of one core.")] = 0.0,
    json: JsonOption = False,
) -> None:
    """Pictures to shards, against decoding + resizing + encoding the same bytes on one core."""
    from hpscli.errors import CheckFailed
    from hpscli.testing.prepare_speed import measure

    show = Output(json)
    found = list(measure(count, side_px))
    rows = [{**asdict(s), "per_core": s.per_core, "two_workers": s.two_workers} for s in found]

    def draw() -> None:
        titles = ("pictures", "alone/s", "crop/s", "of alone", "2 workers/s", "times one")
        lines = [
            (f"{s.width_px}x{s.height_px}", round(s.alone), round(s.crop[1]), s.per_core)
            + (round(s.crop[2]), s.two_workers, round(s.full), s.full / s.copy)
            for s in found
        ]
        table((*titles, "full/s", "of disk copy"), lines)

    show.result("bench-prepare", {"count": count, "side_px": side_px, "sizes": rows}, draw)
    if (worst := min(s.per_core for s in found)) < least:
        raise CheckFailed(f"preparing reaches {worst:.2f} of decoding alone, below {least}.")
