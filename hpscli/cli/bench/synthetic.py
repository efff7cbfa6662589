"""hps bench synthetic: rendered people a second."""

import time
from pathlib import Path
from typing import Annotated

import typer

from hpscli.cli.output import JsonOption, Output, pairs


def synthetic(
    body: Annotated[str, typer.Option(help="smpl, mano or smplx.")] = "smpl",
    size: Annotated[int, typer.Option(help="Side of the pictures, px.")] = 96,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to measure.")] = 3.0,
    json: JsonOption = False,
) -> None:
    """Rendered people a second, on one core."""
    from hpscli.data.sources import Source
    from hpscli.registry import get_registry

    spec = get_registry().dataset("synthetic")
    options = {**spec.options, "body": body, "size_px": size, "count": 100_000}
    _, make = Source(spec=spec, root=Path(), split="train", options=options).open_parallel()
    make(0)  # loads the body
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        done += 1
        make(done)
    rate = done / (time.perf_counter() - start)
    document = {"body": body, "size_px": size, "images_per_second_per_core": rate}
    Output(json).result("bench-synthetic", document, lambda: pairs(list(document.items())))
