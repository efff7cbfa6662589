"""One evaluation on several processes: started here, or found in the environment of a launcher."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as distributed

from hpscli.errors import HpsError, UsageError
from hpscli.hooks import ProtocolSpec
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
    distributed.init_process_group(backend, init_method=place, rank=rank, world_size=world)
    try:
        yield
    except RuntimeError as error:
        if not any(word in str(error) for word in LOST):
            raise
        raise HpsError(
            f"process {rank} of {world} lost another one of its group, which ended.",
            "What that one says above, or in its own log, is the reason.",
        ) from error
    finally:
        distributed.destroy_process_group()


# What a process hears whose partner is gone; of gloo and of NCCL.
LOST = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "ncclRemoteError")


def launched() -> tuple[int, int, int] | None:
    """-> (rank, world, local rank) under torchrun, accelerate launch, srun or similar; else None."""
    for names in (("RANK", "WORLD_SIZE", "LOCAL_RANK"), SRUN):
        if names[0] not in os.environ or names[1] not in os.environ:
            continue
        try:
            rank, world = int(os.environ[names[0]]), int(os.environ[names[1]])
            local = int(os.environ.get(names[2], rank))
        except ValueError as error:
            raise UsageError(f"{', '.join(names)}: one is not a number: {error}.") from None
        return (rank, world, local) if world > 1 else None
    return None


# Of a step only: the script of a batch job has SLURM_PROCID and SLURM_NTASKS too, and is alone.
SRUN = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
PORTS = range(20_000, 40_000)  # for the meetings of Slurm steps


def meeting_place() -> str:
    """-> where the processes of a launcher meet: as it says, else of a Slurm step its first node."""
    if "MASTER_ADDR" in os.environ or "SLURM_STEP_NODELIST" not in os.environ:
        return "env://"
    number = int(os.environ.get("SLURM_JOB_ID", 0)) * 31 + int(os.environ.get("SLURM_STEP_ID", 0))
    return f"tcp://{first_node(os.environ['SLURM_STEP_NODELIST'])}:{PORTS[number % len(PORTS)]}"


def first_node(nodes: str) -> str:
    """Slurm's short form of a list, "gpu[07-09,12],big1" -> its first node, "gpu07"."""
    found = re.match(r"([^,\[]+)(?:\[(\w+)[^\]]*\]([^,]*))?", nodes)
    if found is None:
        raise UsageError(f"SLURM_STEP_NODELIST is {nodes!r}, which names no node.")
    return found[1] + (found[2] or "") + (found[3] or "")
