"""One evaluation on several processes: started here, or found in the environment of a launcher."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as distributed

from hpscli.errors import HpsError
from hpscli.hooks import ProtocolSpec
from hpscli.launched import meeting_place
from hpscli.metrics.results import Result, read_result, write_result
from hpscli.nn.checkpoints import load_model
from hpscli.run.evaluate import evaluate_with
from hpscli.run.evaluating.settings import Settings
from hpscli.run.spawning import begin, spawn_together, told_to_the_parent

RESULT = "result.json"


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every process does, in plain values."""

    checkpoint: str
    shards: str
    protocol: ProtocolSpec
    settings: Settings
    device: str = "cpu"  # cpu or cuda; each process takes its own GPU
    body_source: str = ""
    save: str = ""  # file for the predictions


def evaluate_on(processes: int, job: Job) -> Result:
    """Start `processes` processes, evaluate together -> the same Result as one process gives."""
    with tempfile.TemporaryDirectory(prefix="hps-eval-") as folder:
        spawn_together(_work, processes, job, job.device, Path(folder))
        return read_result(Path(folder) / RESULT)


def _work(rank: int, world: int, job: Job, folder: str) -> None:
    """One process of a group; what went wrong is told before the group ends, which ends the others."""
    device = begin(rank, world, job.device)
    with (
        process_group(device, rank, world, f"file://{folder}/meeting"),
        told_to_the_parent(Path(folder), rank),
    ):
        result = run_job(job, device)
        if rank == 0:
            write_result(Path(folder) / RESULT, result)


def run_job(job: Job, device: str) -> Result:
    """One process's part; with a process group the result is everybody's."""
    model = load_model(job.checkpoint, device=device, body_source=job.body_source)
    save = Path(job.save) if job.save else None
    return evaluate_with(model, job.shards, job.protocol, job.settings, save=save)


@contextmanager
def process_group(device: str, rank: int, world: int, meeting: str = "") -> Iterator[None]:
    """Join the group of `world` processes while inside; nccl between GPUs, else gloo."""
    if device.startswith("cuda"):
        torch.cuda.set_device(device)
    backend = "nccl" if device.startswith("cuda") else "gloo"
    place = meeting or meeting_place()
    try:
        distributed.init_process_group(backend, init_method=place, rank=rank, world_size=world)
        yield
    except RuntimeError as error:
        if not any(word in str(error) for word in LOST):
            raise
        raise HpsError(
            f"process {rank} of {world} lost another one of its group, which ended.",
            "What that one says above, or in its own log, is the reason.",
        ) from error
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


# What a process hears whose partner is gone; of gloo and of NCCL.
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "ncclRemoteError")
