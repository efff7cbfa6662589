"""A training as a job of a cluster, which queues itself again until the training is done.

Slurm warns a job: with USR2 before its time is up, with TERM when another one takes its place. The
training saves at once; the job is queued again and goes on in the same run folder. A job that is killed
without a warning, by a node that fails, is queued again by Slurm, and goes on from its last checkpoint.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpscli.errors import HpsError, Interrupted
from hpscli.launched import join_step, launched
from hpscli.recipe import Recipe
from hpscli.slurm import common_parameters, minutes_of, refused, settings_of, submitit_package

EXAMPLE = "--slurm partition=main,nodes=2,gpus=4,time=24:00:00,cpus=8"
LOGS = ".jobs"  # beside the runs
WARNING_SECONDS = 120  # before the time is up: for one step and a checkpoint
TIMEOUTS = 1000  # times that a job may run out of time and be queued again
REQUEUE_SECONDS = 60.0  # for the first task to queue the job again, which ends all tasks
WARNED = {signal.SIGUSR1, signal.SIGUSR2}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What the job may use; the words of --slurm."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    constraint: str = ""  # of nodes: a100
    time: str = "24:00:00"  # of one turn: minutes, H:MM:SS or D-HH:MM:SS
    nodes: int = 1
    gpus: int = 0  # of each node
    tasks: int = 0  # processes on each node; 0: one for each GPU, else one
    cpus: int = 8  # of each process, with its data workers
    mem_gb: int = 0  # of each node; 0: what the cluster gives
    executor: str = "slurm"

    @property
    def world(self) -> int:
        """-> processes of the job."""
        return self.nodes * (self.tasks or self.gpus or 1)

    def parameters(self, name: str) -> dict[str, Any]:
        """-> what submitit is told."""
        found: dict[str, Any] = {
            "name": f"train-{name}",
            "timeout_min": minutes_of(self.time),
            "nodes": self.nodes,
            "tasks_per_node": self.tasks or self.gpus or 1,
            "cpus_per_task": self.cpus,
            "slurm_signal_delay_s": WARNING_SECONDS,
            "slurm_stderr_to_stdout": True,
            "slurm_srun_args": [f"--cpus-per-task={self.cpus}"],  # not passed on since Slurm 22.05
            "slurm_additional_parameters": {"requeue": True},
            **common_parameters(self),
        }
        if self.gpus:
            found["gpus_per_node"] = self.gpus
        if self.constraint:
            found["slurm_constraint"] = self.constraint
        return found


def cluster_of(words: str) -> Cluster:
    """ "partition=main,nodes=2" -> the job's settings, typed."""
    return settings_of(Cluster, words, EXAMPLE)


@dataclass(frozen=True, kw_only=True)
class Training:
    """The job: called in every task, on every turn."""

    recipe: Recipe
    run: Path
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> str:
        """Start the run, or go on where its newest checkpoint is -> its folder."""
        from hpscli.train.keeping.state import clear_unsaved, whole
        from hpscli.train.scaling.stopping import stop_signals

        place = launched()
        join_step()
        from hpscli.train.loop import train

        resume = bool(whole(self.run))
        with stop_signals() as stop:
            try:
                if not resume and (place is None or place[0] == 0):
                    clear_unsaved(self.run)
                train(self.recipe, self.run, resume=resume, say=_say, **self.settings)
                return str(self.run)
            except Interrupted as error:
                _say("stopped", error.problem)
                number = stop.number
            except HpsError as error:
                _say("error", "\n            ".join([error.problem, *error.fix.splitlines()]))
                raise SystemExit(error.exit_code) from None
        raise queue_again(number)

    def checkpoint(self) -> Any:
        """-> what the next turn does: the same, for it looks for itself how far the run has come."""
        return submitit_package().helpers.DelayedSubmission(self)


def queue_again(number: int) -> SystemExit:
    """The signal that stopped the training -> the end of this turn; another one comes, if that was a warning."""
    again = number in WARNED or preempted()
    handler: Any = signal.getsignal(signal.SIGUSR2)
    if again and callable(handler):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # submitit would let it pass
        handler(signal.SIGUSR2, None)  # submitit's: the first task queues the job, and ends
        time.sleep(REQUEUE_SECONDS)  # the others: to end before it might end the first
    return SystemExit(Interrupted.exit_code)


def preempted() -> bool:
    """-> whether Slurm takes this job's place away, rather than its owner."""
    job = os.environ.get("SLURM_JOB_ID", "")
    words = job_facts(job)
    return words.get("PreemptTime", "None") != "None" and "CANCELLED" not in words["JobState"]


def job_facts(job: str) -> dict[str, str]:
    """Number of a job -> what Slurm says of it now, by Slurm's names; {}: it does not know it."""
    command = ["scontrol", "--oneliner", "show", "job", job]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    pairs = (word.partition("=") for word in done.stdout.split())
    return {name: value for name, equals, value in pairs if equals}


def hand_over(training: Training, cluster: Cluster) -> dict[str, str]:
    """Give a training to the cluster -> the job's number, its log, the run folder."""
    logs = training.run.absolute().parent / LOGS
    submitit = submitit_package()
    try:
        executor = submitit.AutoExecutor(
            folder=logs, cluster=cluster.executor, slurm_max_num_timeout=TIMEOUTS
        )
        executor.update_parameters(**cluster.parameters(training.recipe.name))
        job = executor.submit(training)
    except (submitit.core.utils.FailedJobError, RuntimeError) as error:
        raise refused("job", error) from None
    return {"job": str(job.job_id), "log": str(job.paths.stdout), "run": str(training.run)}


def _say(label: str, text: object) -> None:
    print(f"{label:<11} {text}".rstrip(), file=sys.stderr, flush=True)
