"""Processes of our own that work together; what a user did wrong in one of them is said by the parent."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, spawn

from hpscli import errors
from hpscli.errors import HpsError, MissingError
from hpscli.launched import leave

PROBLEM = "problem.json"


def spawn_together(
    work: Callable[..., None], processes: int, job: Any, device: str, folder: Path
) -> None:
    """Run work(rank, processes, job, folder) in each process; device: cpu, or cuda, a GPU for each."""
    if device == "cuda" and processes > torch.cuda.device_count():
        raise MissingError(
            f"{processes} GPUs asked for, {torch.cuda.device_count()} found.",
            "Ask for fewer: --gpus N, or use the CPU: --processes N",
        )
    arguments = (work, processes, job, str(folder))
    try:
        spawn(_work_and_leave, arguments, nprocs=processes)  # type: ignore[no-untyped-call]
    except (ProcessRaisedException, ProcessExitedException):
        if not (folder / PROBLEM).exists():
            raise
        document: dict[str, Any] = json.loads((folder / PROBLEM).read_text(encoding="utf-8"))
        kind: type[HpsError] = getattr(errors, document["kind"], HpsError)
        raise kind(document["problem"], document["fix"]) from None


def _work_and_leave(rank: int, work: Callable[..., None], *words: Any) -> None:
    """One process; an exception is told to the parent by what started it."""
    work(rank, *words)
    leave(0)


def begin(rank: int, world: int, device: str) -> str:
    """One process of `world`: takes its share of the cores -> its device."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // world))
    return f"cuda:{rank}" if device == "cuda" else device


@contextmanager
def told_to_the_parent(folder: Path, rank: int) -> Iterator[None]:
    """Hand what a user did wrong inside to the parent, as a file."""
    try:
        yield
    except HpsError as error:
        document = {"kind": type(error).__name__, "problem": error.problem, "fix": error.fix}
        part = folder / f"{PROBLEM}.{rank}"
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(folder / PROBLEM)
        raise
