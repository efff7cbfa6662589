"""Several processes on one machine, that end together."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from hpscli.errors import UsageError
from hpscli.train.scaling.stopping import PARENT, stop_signals

STOP_SECONDS = 300.0  # a job that was asked to stop may take this long to save its state
FAIL_SECONDS = 10.0  # the others, when one process has failed: they may hang waiting for it
POLL_SECONDS = 0.05
LOST = 75  # exit code of a process that ends because another one is gone; EX_TEMPFAIL of sysexits.h


@dataclass(frozen=True)
class Ending:
    """How a job ended: its exit code; who ended first if that was a failure, and with which code."""

    code: int
    rank: int = -1
    cause: int = 0  # below 0: a signal, as in subprocess


def inside_job() -> bool:
    """-> whether a launcher (ours, accelerate, torchrun) started this process; of srun: after join_step."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) >= 1


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

    When one fails, the others are stopped; a stop signal is passed on to all, once.
    """
    with socket.socket() as probe:  # a free port for the processes to meet
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    job = [
        subprocess.Popen(
            [sys.executable, "-m", "hpscli", *arguments],
            env={**os.environ, **place(rank, processes, port)},
            start_new_session=True,  # else a Ctrl-C in the terminal would reach each of them twice
        )
        for rank in range(processes)
    ]
    with stop_signals() as stop:
        first, deadline = -1, 0.0
        while any(process.poll() is None for process in job):
            failed = [rank for rank, process in enumerate(job) if process.poll() not in (None, 0)]
            if first < 0 and failed:
                first = _cause(job, failed)
            if (stop.requested or failed) and not deadline:
                _signal(job, signal.SIGINT if stop.requested else signal.SIGTERM)
                patience = STOP_SECONDS if stop.requested else FAIL_SECONDS
                deadline = time.monotonic() + patience
            if deadline and time.monotonic() > deadline:
                _signal(job, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
    codes = [process.returncode for process in job]
    if stop.requested and 130 in codes:
        return Ending(130)
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
