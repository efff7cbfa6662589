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
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpscli.errors import HpsError, Interrupted
from hpscli.launched import join_step, launched
from hpscli.recipe import Recipe
from hpscli.slurm import common_parameters, minutes_of, refused, settings_of, submitit_package
from hpscli.train.scaling.launch import FIRST_SECONDS

EXAMPLE = "--slurm partition=main,nodes=2,gpus=4,time=24:00:00,cpus=8"
LOGS = ".jobs"  # beside the runs
WARNING_SECONDS = 120  # before the time is up: for one step and a checkpoint
TIMEOUTS = 1000  # times that a job may run out of time and be queued again
REQUEUE_SECONDS = 240.0  # for the first task to queue the job again or not, which ends all tasks
ASKS = 5  # a controller with much to do fails to answer now and then
ASK_SECONDS, PAUSE_SECONDS = 20.0, 3.0
FORGOTTEN = "Invalid job id"  # what is said of a job that ended minutes ago
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

    def describe(self) -> str:
        """-> "2 nodes x 4 GPUs, 8 processes with 8 CPUs each, 24:00:00 a turn, partition main"."""
        nodes = f"{self.nodes} node" + "s" * (self.nodes > 1)
        gpus = f" x {self.gpus} GPU" + "s" * (self.gpus > 1) if self.gpus else " without GPUs"
        processes = f"{self.world} process" + "es" * (self.world > 1)
        words = [nodes + gpus, f"{processes} with {self.cpus} CPUs each", f"{self.time} a turn"]
        words += [f"{self.mem_gb} GB a node"] if self.mem_gb else []
        names = ("partition", "account", "qos", "constraint")
        words += [f"{name} {getattr(self, name)}" for name in names if getattr(self, name)]
        return ", ".join(words)

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
            "slurm_srun_args": [
                f"--cpus-per-task={self.cpus}",  # not passed on since Slurm 22.05
                "--kill-on-bad-exit=1",  # who is lost before all have met would be waited for
            ],
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
        from hpscli.train.keeping.state import whole
        from hpscli.train.scaling.stopping import stop_signals

        place = launched()
        join_step()
        from hpscli.train.loop import train

        first = place is None or place[0] == 0
        with stop_signals() as stop:
            try:
                resume = bool(whole(self.run))  # what the first task finds counts
                train(self.recipe, self.run, resume=resume, say=_say, **self.settings)
                return str(self.run)
            except Interrupted as error:
                _say("stopped", error.problem)
            except HpsError as error:
                _say("error", "\n            ".join([error.problem, *error.fix.splitlines()]))
                if not first:
                    time.sleep(FIRST_SECONDS)
                raise SystemExit(error.exit_code) from None
        raise queue_again(stop.signals, first)

    def checkpoint(self) -> Any:
        """-> what the next turn does: the same, for it looks for itself how far the run has come."""
        return submitit_package().helpers.DelayedSubmission(self)


def queue_again(signals: Set[int], first: bool) -> SystemExit:
    """Signals that stopped the training -> the end of this turn; another one comes, if one was a warning.

    The first task decides. The others wait for its end, which is theirs: ending before it would end it.
    """
    handler: Any = signal.getsignal(signal.SIGUSR2)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # submitit would let it pass
    if not first:
        time.sleep(REQUEUE_SECONDS)
    elif (WARNED & signals or preempted()) and callable(handler):
        _queue(handler)
    return SystemExit(Interrupted.exit_code)


def _queue(handler: Any) -> None:
    """Call submitit's handler, which queues the job again and ends this task, till Slurm answers it."""
    for turn in range(ASKS):
        try:
            handler(signal.SIGUSR2, None)
            return
        except subprocess.SubprocessError as error:
            _say("warning", f"the job could not be queued again: {error}")
            if turn < ASKS - 1:
                time.sleep(PAUSE_SECONDS)


def preempted() -> bool:
    """-> whether Slurm takes this job's place away, rather than its owner."""
    job = os.environ.get("SLURM_JOB_ID", "")
    words = job_facts(job)
    state = words.get("JobState", "CANCELLED")  # unknown: it could not be queued again either
    return words.get("PreemptTime", "None") != "None" and "CANCELLED" not in state


def job_facts(job: str) -> dict[str, str]:
    """Number of a job -> what Slurm says of it now, by Slurm's names; {}: nothing, though asked ASKS times."""
    command = ["scontrol", "--oneliner", "show", "job", job]
    for turn in range(ASKS):
        if turn:
            time.sleep(PAUSE_SECONDS)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=ASK_SECONDS
            )
        except FileNotFoundError:
            return {}
        except (OSError, subprocess.TimeoutExpired):
            continue
        pairs = (word.partition("=") for word in done.stdout.split())
        if facts := {name: value for name, equals, value in pairs if equals}:
            return facts
        if FORGOTTEN in done.stderr:
            return {}
    return {}


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
