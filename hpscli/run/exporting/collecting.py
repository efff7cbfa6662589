"""Several processes, one set of predictions: each predicts its share and leaves it in a file."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hpscli.data.evalset import EvalSet
from hpscli.hooks import ProtocolSpec
from hpscli.nn.checkpoints import load_model
from hpscli.records import PredictionSet
from hpscli.run.evaluating.collecting import collect
from hpscli.run.evaluating.settings import Settings
from hpscli.run.prediction_files import read_ours, write_predictions
from hpscli.run.spawning import begin, spawn_together, told_to_the_parent


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
    with tempfile.TemporaryDirectory(prefix="hps-collect-") as folder:
        place = Path(folder)
        spawn_together(_work, processes, job, job.device, place)
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
    """One process."""
    device = begin(rank, world, job.device)
    with told_to_the_parent(Path(folder), rank):
        model = load_model(job.checkpoint, device=device)
        people = EvalSet(job.shards, limit=job.settings.limit)
        found = collect(model, people, job.protocol, job.settings, job.keeps, rank, world)
        write_predictions(_part(Path(folder), rank), found)


def _part(folder: Path, rank: int) -> Path:
    return folder / f"part-{rank:04}.npz"
