"""Several processes, one set of predictions: each predicts its share and leaves it in a file."""

import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, spawn

from hpscli import errors
from hpscli.data.evalset import EvalSet
from hpscli.errors import HpsError, MissingError
from hpscli.hooks import ProtocolSpec
from hpscli.nn.checkpoints import load_model
from hpscli.records import PredictionSet
from hpscli.run.evaluating.collecting import collect
from hpscli.run.evaluating.settings import Settings
from hpscli.run.prediction_files import read_ours, write_predictions

PROBLEM = "problem.json"


@dataclass(frozen=True, kw_only=True)
class CollectJob:
    """What every process predicts, in plain values."""

    checkpoint: str
    shards: str
    protocol: ProtocolSpec
    settings: Settings
    keeps: tuple[str, ...]
    device: str = "cpu"  # cpu or cuda; each process takes its own GPU


def collect_on(processes: int, job: CollectJob) -> PredictionSet:
    """Start `processes` processes, predict together -> everybody, in the order of the processes."""
    if job.device == "cuda" and processes > torch.cuda.device_count():
        raise MissingError(
            f"{processes} GPUs asked for, {torch.cuda.device_count()} found.",
            "Ask for fewer: --gpus N, or use the CPU: --processes N",
        )
    with tempfile.TemporaryDirectory(prefix="hps-collect-") as folder:
        place = Path(folder)
        try:
            spawn(_work, (processes, job, folder), nprocs=processes)  # type: ignore[no-untyped-call]
        except (ProcessRaisedException, ProcessExitedException):
            if not (place / PROBLEM).exists():
                raise
            document = json.loads((place / PROBLEM).read_text(encoding="utf-8"))
            kind: type[HpsError] = getattr(errors, document["kind"], HpsError)
            raise kind(document["problem"], document["fix"]) from None
        return joined([read_ours(_part(place, rank)) for rank in range(processes)])


def joined(parts: list[PredictionSet]) -> PredictionSet:
    """The shares of the processes -> one set; a process may have had nobody."""
    full = [part for part in parts if len(part)] or parts[:1]
    return replace(
        full[0],
        keys=tuple(key for part in full for key in part.keys),
        arrays={n: np.concatenate([part.arrays[n] for part in full]) for n in full[0].arrays},
        meta=tuple(entry for part in full for entry in part.meta),
    )


def _work(rank: int, world: int, job: CollectJob, folder: str) -> None:
    """One process; what a user did wrong is handed to the parent as a file."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // world))
    place = Path(folder)
    try:
        device = f"cuda:{rank}" if job.device == "cuda" else job.device
        model = load_model(job.checkpoint, device=device)
        people = EvalSet(job.shards, limit=job.settings.limit)
        found = collect(model, people, job.protocol, job.settings, job.keeps, rank, world)
        write_predictions(_part(place, rank), found)
    except HpsError as error:
        document = {"kind": type(error).__name__, "problem": error.problem, "fix": error.fix}
        part = place / f"{PROBLEM}.{rank}"
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(place / PROBLEM)
        raise


def _part(folder: Path, rank: int) -> Path:
    return folder / f"part-{rank:04}.npz"
