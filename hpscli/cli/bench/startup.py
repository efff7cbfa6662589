"""hps bench startup: what `hps --help` costs."""

import subprocess
import sys
import time
from typing import Annotated

import typer

from hpscli.cli.output import JsonOption, Output, pairs

RUNS = 10  # of each; the fastest counts


def startup(
    limit: Annotated[float, typer.Option(help="Exit 4 above this ratio.")] = 2.5,
    json: JsonOption = False,
) -> None:
    """What `hps --help` costs, against importing the two libraries that draw it."""
    from hpscli.errors import CheckFailed

    ours, bare = _seconds("-m", "hpscli", "--help"), _seconds("-c", "import typer, rich")
    document = {"help_s": ours, "libraries_s": bare, "ratio": ours / bare, "limit": limit}
    Output(json).result("bench-startup", document, lambda: pairs(list(document.items())))
    if ours / bare > limit:
        raise CheckFailed(
            f"`hps --help` costs {ours / bare:.2f} times the libraries, above {limit}."
        )


def _seconds(*arguments: str) -> float:
    """-> wall time of the fastest of RUNS runs of this Python with these arguments."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times)
