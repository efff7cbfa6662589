"""The place of this process in a job that somebody started: torchrun, accelerate launch, srun, hps."""

import atexit
import os
import re
import sys
from contextlib import suppress
from typing import NoReturn

from hpscli.errors import UsageError

# Of a step only: the script of a batch job has SLURM_PROCID and SLURM_NTASKS too, and is alone.
SRUN = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID")
PORTS = range(20_000, 40_000)  # for the meetings of Slurm steps


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


def join_step() -> None:
    """Among the tasks of a Slurm step: say in the environment what torchrun would have said there."""
    if "RANK" in os.environ or (place := launched()) is None:
        return
    rank, world, local = place
    host, port = meeting_of_step()
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(local))
    os.environ["LOCAL_WORLD_SIZE"] = str(tasks_on_node(rank - local, world))
    os.environ.setdefault("MASTER_ADDR", host)
    os.environ.setdefault("MASTER_PORT", str(port))


def tasks_on_node(first: int, world: int) -> int:
    """First rank of this node, ranks of the step -> ranks on this node: of "4(x2),3" 4, 4 or 3."""
    counts: list[int] = []
    for word in os.environ.get("SLURM_STEP_TASKS_PER_NODE", str(world)).split(","):
        form = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", word)
        counts += [int(form[1])] * int(form[2] or 1) if form else []
    start = 0
    for count in counts:
        if start == first:
            return count
        start += count
    return max(counts, default=world)


def meeting_place() -> str:
    """-> where the processes of a launcher meet: as it says, else of a Slurm step its first node."""
    if "MASTER_ADDR" in os.environ or "SLURM_STEP_NODELIST" not in os.environ:
        return "env://"
    host, port = meeting_of_step()
    return f"tcp://{host}:{port}"


def meeting_of_step() -> tuple[str, int]:
    """-> the first node of a Slurm step, and a port that other steps do not take."""
    number = int(os.environ.get("SLURM_JOB_ID", 0)) * 31 + int(os.environ.get("SLURM_STEP_ID", 0))
    return first_node(os.environ["SLURM_STEP_NODELIST"]), PORTS[number % len(PORTS)]


def first_node(nodes: str) -> str:
    """Slurm's short form of a list, "gpu[07-09,12],big1" -> its first node, "gpu07"."""
    found = re.match(r"([^,\[]+)(?:\[(\w+)[^\]]*\]([^,]*))?", nodes)
    if found is None:
        raise UsageError(f"SLURM_STEP_NODELIST is {nodes!r}, which names no node.")
    return found[1] + (found[2] or "") + (found[3] or "")


def leave(code: int) -> NoReturn:
    """End one process of a job, whose work is done and saved.

    Libraries keep threads for what joins processes; one that returns while Python is torn down
    aborts the process, and the job would count as failed.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)
