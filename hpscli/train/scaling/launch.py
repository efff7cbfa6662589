"""Several processes on one machine, that end together."""

import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from hpscli.errors import UsageError
from hpscli.train.scaling.stopping import PARENT, Stop, stop_signals

STOP_SECONDS = 300.0  # a job that was asked to stop may take this long to save its state
FAIL_SECONDS = 10.0  # the others, when one process has failed: they may hang waiting for it
POLL_SECONDS = 0.05
# In a job whose first bad exit ends all (torchrun, srun): for the first process to say what is wrong
# for all, or whom it has lost (heartbeat.SILENT_SECONDS), before another one ends.
FIRST_SECONDS = 45.0
LOST = 75  # exit code of a process that ends because another one is gone; EX_TEMPFAIL of sysexits.h


@dataclass(frozen=True)
class Ending:
    """How a job ended: its exit code; who ended first if that was a failure, and with which code."""

    code: int
    rank: int = -1
    cause: int = 0  # below 0: a signal, as in subprocess
    late: bool = False  # asked to stop, it was killed after STOP_SECONDS


def inside_job() -> bool:
    """-> whether a launcher (ours, accelerate, torchrun) started this process; of srun: after join_step."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def check_gpus(count: int) -> None:
    """Refuse more GPUs than there are."""
    import torch

    there = torch.cuda.device_count()
    if count > there:
        raise UsageError(
            f"--gpus {count}, but this machine has {there or 'no'} GPU{'s' * (there != 1)}.",
            f"--gpus {there}"
            if there
            else "Leave --gpus out to train on the CPU; several processes there: --processes N",
        )


def check_launcher(processes: int) -> None:
    """Refuse `accelerate launch --cpu --num_processes 2`: it starts one process, whatever it is told."""
    told = os.environ.get("ACCELERATE_USE_CPU") == "True" and "MASTER_PORT" in os.environ
    if told and not inside_job() and not processes:
        raise UsageError(
            "accelerate launch --cpu starts one process, whatever --num_processes says.",
            "Say it to hps, which then starts them: "
            "accelerate launch --cpu -m hpscli train RECIPE --processes N",
        )


def launch(arguments: Sequence[str], processes: int) -> Ending:
    """Run `python -m hpscli ARGUMENTS` in this many processes -> how they ended.

    When one fails, the others are stopped; a stop signal is passed on to all, once. Whatever ends the
    launcher itself, a second Ctrl-C or a process that cannot be started, ends them too.
    """
    job: list[subprocess.Popen[bytes]] = []
    try:
        with stop_signals() as stop, meeting_port() as port:
            for rank in range(processes):
                process = subprocess.Popen(
                    [sys.executable, "-m", "hpscli", *arguments],
                    env={**os.environ, **place(rank, processes, port)},
                    start_new_session=True,  # else Ctrl-C in the terminal would reach each twice
                )
                job.append(process)
            return _ending(job, *_watch(job, stop), stop.requested)
    except BaseException:
        _signal(job, signal.SIGKILL)
        for process in job:
            process.wait()
        raise


@contextmanager
def meeting_port() -> Iterator[int]:
    """-> a free port of this machine for the processes of a job to meet.

    Within it nobody else is given the port: process 0 listens there only after its imports, many
    seconds later. A socket that is bound and does not listen is not in the way of that.
    """
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])


def _watch(job: Sequence[subprocess.Popen[bytes]], stop: Stop) -> tuple[int, bool]:
    """Return when all have ended -> who failed first, -1: nobody; whether they were too slow to stop.

    One that fails leaves the others before it says why, and they may end earlier, as LOST. Nobody is
    signalled then, for that would silence it, until its own end is seen or FAIL_SECONDS are over.
    """
    first, deadline, signalled, late = -1, math.inf, False, False
    while any(process.poll() is None for process in job):
        failed = [rank for rank, process in enumerate(job) if process.poll() not in (None, 0)]
        causes = [rank for rank in failed if job[rank].returncode != LOST]
        if first < 0 and causes and not late:
            first = causes[0]
        if not signalled and (stop.requested or first >= 0):
            _signal(job, signal.SIGINT if stop.requested else signal.SIGTERM)
            patience = STOP_SECONDS if stop.requested else FAIL_SECONDS
            signalled, deadline = True, min(deadline, time.monotonic() + patience)
        elif failed and deadline == math.inf and not signalled:
            deadline = time.monotonic() + FAIL_SECONDS
        if time.monotonic() > deadline:
            if first < 0 and failed:
                first = failed[0]
            late = first < 0
            _signal(job, signal.SIGKILL)
            signalled, deadline = True, math.inf
        time.sleep(POLL_SECONDS)
    return first, late


def _ending(job: Sequence[subprocess.Popen[bytes]], first: int, late: bool, asked: bool) -> Ending:
    """Processes that have ended, who failed first -> what that makes of their job."""
    codes = [process.returncode for process in job]
    if asked and 130 in codes:
        return Ending(130)
    if late:
        return Ending(1, late=True)
    failed = [rank for rank, code in enumerate(codes) if code]
    if not failed:
        return Ending(0)
    if first < 0:
        first = _cause(job, failed)
    cause = codes[first]
    return Ending(cause if cause > 0 and cause != LOST else 1, first, cause)


def _cause(job: Sequence[subprocess.Popen[bytes]], failed: Sequence[int]) -> int:
    """-> the rank whose end ended the others: not one that says that it lost another."""
    return next((rank for rank in failed if job[rank].returncode != LOST), failed[0])


def place(rank: int, processes: int, port: int) -> dict[str, str]:
    """-> the environment by which a process of a job on this machine knows its place."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        PARENT: str(os.getpid()),
    }


def _signal(job: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for process in job:
        if process.poll() is None:
            process.send_signal(number)
