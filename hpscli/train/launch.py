"""Several processes on one machine, and stopping in good order on Ctrl-C or SIGTERM."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from hpscli.errors import UsageError

STOP_SECONDS = 60.0  # a job that was asked to stop may take this long to save its state
FAIL_SECONDS = 10.0  # the others, when one process has failed: they may hang waiting for it
POLL_SECONDS = 0.05
PARENT = "HPS_LAUNCHER"  # process id of the launcher, for processes that it started


def inside_job() -> bool:
    """-> whether a launcher (ours, accelerate, torchrun, srun through them) started this process."""
    return "RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) >= 1


def check_gpus(count: int) -> None:
    """Refuse more GPUs than there are."""
    import torch

    there = torch.cuda.device_count()
    if count > there:
        raise UsageError(
            f"--gpus {count}, but this machine has {there or 'no'} GPU{'s' * (there != 1)}.",
            f"--gpus {there}" if there else f"On the CPU: --gpus {count} --device cpu",
        )


def launch(arguments: Sequence[str], processes: int) -> int:
    """Run `python -m hpscli ARGUMENTS` in this many processes -> the exit code of the job.

    When one fails, the others are stopped; a stop signal is passed on to all, once.
    """
    with socket.socket() as probe:  # a free port for the processes to meet
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    job = [
        subprocess.Popen(
            [sys.executable, "-m", "hpscli", *arguments],
            env={**os.environ, **_place(rank, processes, port)},
            start_new_session=True,  # else a Ctrl-C in the terminal would reach each of them twice
        )
        for rank in range(processes)
    ]
    with stop_signals() as stop:
        passed_on, deadline = False, 0.0
        while any(process.poll() is None for process in job):
            failed = any(process.poll() not in (None, 0) for process in job)
            if (stop.requested or failed) and not passed_on:
                _signal(job, signal.SIGINT if stop.requested else signal.SIGTERM)
                passed_on, deadline = (
                    True,
                    time.monotonic() + (STOP_SECONDS if stop.requested else FAIL_SECONDS),
                )
            if passed_on and time.monotonic() > deadline:
                _signal(job, signal.SIGKILL)
            time.sleep(POLL_SECONDS)
    codes = [process.returncode for process in job]
    if stop.requested and 130 in codes:
        return 130
    # the first failure is the cause; those stopped because of it end with 130 or by a signal
    return next((c for c in codes if c not in (0, 130) and c > 0), next((1 for c in codes if c), 0))


def _place(rank: int, processes: int, port: int) -> dict[str, str]:
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


class Stop:
    """Whether somebody asked this process to stop."""

    requested = False

    def __init__(self) -> None:
        self._parent = int(os.environ.get(PARENT, "0"))

    def now(self) -> bool:
        """-> True after a signal, or when the launcher is gone: nobody would stop us later."""
        return self.requested or (self._parent != 0 and os.getppid() != self._parent)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Within it SIGINT (Ctrl-C) and SIGTERM (Slurm) set a flag; a second one acts at once."""
    stop = Stop()

    def note(number: int, frame: FrameType | None) -> None:
        stop.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, note)
    except ValueError:  # not the main thread: signals stay with whoever has them
        previous = {}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
