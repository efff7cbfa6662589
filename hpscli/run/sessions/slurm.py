"""An evaluation as a job of a cluster: the same request, measured by the tasks of one Slurm step."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hpscli.errors import UsageError
from hpscli.run.places import new_result_file
from hpscli.run.sessions.every import run_all
from hpscli.run.sessions.request import ALL, Request, check
from hpscli.run.sessions.session import run_request
from hpscli.slurm import common_parameters, minutes_of, refused, settings_of, submitit_package

EXAMPLE = "--slurm partition=main,time=60,cpus=8,tasks=4"
LOGS = ".jobs"  # beside the result


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the job may use; the words of --slurm."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    time: str = "2:00:00"  # minutes, H:MM:SS or D-HH:MM:SS
    nodes: int = 1
    tasks: int = 0  # processes on each node; 0: one for each GPU, else one
    gpus: int = 0  # of each node
    cpus: int = 4  # of each process
    mem_gb: int = 0  # of each node; 0: what the cluster gives
    executor: str = "slurm"  # local: a process on this machine

    def parameters(self) -> dict[str, Any]:
        """-> what submitit is told."""
        found: dict[str, Any] = {
            "name": "hps-eval",
            "timeout_min": minutes_of(self.time),
            "nodes": self.nodes,
            "tasks_per_node": self.tasks or self.gpus or 1,
            "cpus_per_task": self.cpus,
        }
        if self.gpus:
            found["gpus_per_node"] = self.gpus
        return {**found, **common_parameters(self)}


def job_of(words: str) -> Job:
    """ "partition=main,time=60" -> the job's settings, typed."""
    return settings_of(Job, words, EXAMPLE)


@dataclass(frozen=True)
class Evaluation:
    """The job: called in every task, which join each other by what Slurm says."""

    request: Request

    def __call__(self) -> str:
        """-> the file of the result; "" in all tasks but the first."""
        if self.request.testset == ALL:
            everything = run_all(self.request, _say, _progress)
            return str(everything.file) if everything else ""
        done = run_request(self.request, _say, _progress)
        return str(done[1]) if done else ""


def hand_over(request: Request, words: str) -> dict[str, str]:
    """Give a request to the cluster -> its number, where its log and its result will be."""
    check(request)
    if request.gpus or request.processes:
        raise UsageError("--slurm says how many processes there are.", "--slurm tasks=N, or gpus=N")
    job = job_of(words)
    file = new_result_file(request.out, request.checkpoint or "latest").absolute()
    logs = file.parent / LOGS
    submitit = submitit_package()
    out = file.parent if request.testset == ALL else file
    try:
        executor = submitit.AutoExecutor(folder=logs, cluster=job.executor)
        executor.update_parameters(**job.parameters())
        submitted = executor.submit(Evaluation(replace(request, out=out)))
    except (submitit.core.utils.FailedJobError, RuntimeError) as error:
        raise refused("job", error) from None
    return {
        "job": str(submitted.job_id),
        "log": str(Path(submitted.paths.stderr)),
        "result": str(out),
    }


def _say(label: str, text: object) -> None:
    print(f"{label:<11} {text}".rstrip(), file=sys.stderr, flush=True)


@contextmanager
def _progress(label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    _say(label, f"{total} {unit}")
    yield lambda count: None
