"""One preparation as a list of jobs on other machines: each makes a stretch of shards.

A shard is done when its table is there, so a job that was stopped, or comes twice, goes on where the
shards end. The last step makes what is missing, compares keys across jobs, and writes the index.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hpscli.data.people import Layout
from hpscli.data.prepare import Report, begin, checked_source, prepare
from hpscli.data.preparing.keys import Keys
from hpscli.data.preparing.making import Making, shards_in_order, whole_shard
from hpscli.data.preparing.places import place_of
from hpscli.data.remote import is_remote
from hpscli.data.sources import Source
from hpscli.errors import HpsError
from hpscli.hooks import DatasetSpec
from hpscli.slurm import common_parameters, minutes_of, refused, settings_of, submitit_package

TIMEOUTS = 100  # times that a job may run out of time and be queued again
EXAMPLE = "--slurm partition=main,time=4:00:00,cpus=8,array=40"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What a job may use; the words of --slurm."""

    partition: str = ""
    account: str = ""
    qos: str = ""
    time: str = "4:00:00"  # of each job: minutes, H:MM:SS or D-HH:MM:SS
    cpus: int = 8  # of each job, and its worker processes
    mem_gb: int = 0  # of each job; 0: what the cluster gives
    array: int = 0  # jobs; 0: twice as many as nodes
    nodes: int = 4  # jobs at a time
    executor: str = "slurm"  # local: processes on this machine

    @property
    def jobs(self) -> int:
        return self.array or 2 * self.nodes


def cluster_of(words: str) -> Cluster:
    """ "partition=main,time=60" -> the cluster's settings, typed."""
    return settings_of(Cluster, words, EXAMPLE)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A preparation in full: what `prepare` takes, so that it can be carried out elsewhere."""

    spec: DatasetSpec
    root: Path
    split: str
    out: str
    options: Mapping[str, Any] = field(default_factory=dict)
    layout: Layout | None = None
    limit: int = 0
    shard_samples: int = 1000

    def source(self) -> Source:
        """-> the source, after its files were looked for."""
        return checked_source(self.spec, self.root, self.split, self.options, self.layout)

    def finish(self, workers: int, advance: Callable[[int], None] = lambda count: None) -> Report:
        """Make what is missing and write the index."""
        return prepare(
            self.spec,
            self.root,
            self.split,
            self.out,
            options=self.options,
            workers=workers,
            limit=self.limit,
            shard_samples=self.shard_samples,
            layout=self.layout,
            advance=advance,
        )


@dataclass(frozen=True)
class Stretch:
    """One job: shards first .. end - 1; called on the machine where it runs."""

    order: Order
    first: int
    end: int
    workers: int

    def __call__(self) -> int:
        """-> people in these shards."""
        place = place_of(self.order.out)
        making = Making(
            source=self.order.source(),
            place=place,
            shard_samples=self.order.shard_samples,
            limit=self.order.limit,
            first=self.first,
            end=self.end,
            workers=self.workers,
            ready=partial(whole_shard, place),
        )
        try:
            with Keys(place.work) as keys:
                return sum(len(table.keys) for table, _ in shards_in_order(making, keys))
        finally:
            place.close()

    def checkpoint(self) -> Any:
        """Stopped by the cluster: the same again, which goes on behind the shards that are whole."""
        return submitit_package().helpers.DelayedSubmission(self)


@dataclass(frozen=True)
class Ending:
    """The last job, when all others have ended."""

    order: Order
    workers: int

    def __call__(self) -> int:
        """-> people in all shards."""
        return self.order.finish(self.workers).samples

    def checkpoint(self) -> Any:
        """Stopped by the cluster: the same again."""
        return submitit_package().helpers.DelayedSubmission(self)


@dataclass(frozen=True)
class Submission:
    """Jobs that were handed over."""

    people: int
    jobs: tuple[Any, ...]
    last: Any  # the job that ends it; None when this process does
    logs: Path


def count_people(source: Source, limit: int, advance: Callable[[int], None]) -> int:
    """-> how many records the source has, by reading its labels once."""
    if source.spec.parallel:
        count, _ = source.open_parallel()
    else:
        count = 0
        for _ in source.open_records():
            count += 1
            advance(1)
            if count == limit:
                break
    return min(count, limit) if limit else count


def stretches(order: Order, people: int, jobs: int, workers: int) -> list[Stretch]:
    """-> the job list: stretches of shards that differ by one shard at most, in order."""
    shards = math.ceil(people / order.shard_samples)
    jobs = min(jobs, shards)
    bounds = [shards * job // jobs for job in range(jobs + 1)] if jobs else []
    return [
        Stretch(order, first, end, workers) for first, end in zip(bounds, bounds[1:], strict=False)
    ]


def submit(order: Order, cluster: Cluster, people: int, *, wait: bool) -> Submission:
    """Hand the job list over; when nobody waits, a last job follows that writes the index."""
    place = place_of(order.out)
    try:
        begin(
            Making(
                source=order.source(),
                place=place,
                shard_samples=order.shard_samples,
                limit=order.limit,
            )
        )
    finally:
        place.close()
    logs = _log_folder(order.out)
    submitit = submitit_package()
    try:
        executor = submitit.AutoExecutor(
            folder=logs, cluster=cluster.executor, slurm_max_num_timeout=TIMEOUTS
        )
        executor.update_parameters(**_parameters(cluster, order))
        todo = stretches(order, people, cluster.jobs, cluster.cpus)
        jobs = tuple(executor.submit_array(todo))
        if wait or cluster.executor != "slurm" or not jobs:
            return Submission(people, jobs, None, logs)
        array = str(jobs[0].job_id).partition("_")[0]
        after = {"dependency": f"afterany:{array}"}
        executor.update_parameters(slurm_additional_parameters=after)
        last = executor.submit(Ending(order, cluster.cpus))
        return Submission(people, jobs, last, logs)
    except (submitit.core.utils.FailedJobError, RuntimeError) as error:
        raise refused("jobs", error) from None


def wait_for(submission: Submission, advance: Callable[[int], None]) -> None:
    """Wait until all jobs ended; the first that failed is an error that names its log."""
    for job in submission.jobs:
        job.wait()
        error = job.exception()
        if error is not None:
            reason = str(error).strip().splitlines()[-1]
            raise HpsError(
                f"job {job.job_id} failed: {reason}",
                f"Its log: {job.paths.stderr}\nThen repeat the same command: whole shards are kept.",
            )
        advance(int(job.result()))


def _parameters(cluster: Cluster, order: Order) -> dict[str, Any]:
    """-> what submitit is told about each job."""
    return {
        "name": f"prepare-{order.spec.name}",
        "timeout_min": minutes_of(cluster.time),
        "cpus_per_task": cluster.cpus,
        "nodes": 1,
        "tasks_per_node": 1,
        "slurm_array_parallelism": cluster.nodes,
        **common_parameters(cluster),
    }


def _log_folder(out: str) -> Path:
    """-> where jobs lie and log: beside a folder; for a URL below the current folder."""
    if is_remote(out):
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", out).strip("_")
        return Path.cwd() / f".{name}.jobs"
    folder = Path(out).absolute()
    return folder.with_name(f".{folder.name}.jobs")
