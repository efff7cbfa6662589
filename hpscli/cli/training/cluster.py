"""hps train --slurm: the training goes to a cluster; --wait follows its log."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hpscli.cli.output import Output
from hpscli.cli.training.order import Order
from hpscli.errors import HpsError, Interrupted

if TYPE_CHECKING:
    from hpscli.recipe import Recipe
    from hpscli.train.scaling.slurm import Cluster

LOOK_SECONDS = 2.0
OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "DEADLINE")
TURN_SECONDS = 10.0  # between two turns of a job its state may say that it is over
SILENT_SECONDS = 300.0  # of a controller that does not answer, or has forgotten the job


def hand_over(
    order: Order, recipe: "Recipe", place: Path, cluster: "Cluster", output: Output
) -> None:
    """Submit the job, say where its log and run are, and follow it if that is wanted."""
    from hpscli.train.scaling.slurm import Training, hand_over

    training = Training(recipe=recipe, run=place.absolute(), settings=order.settings)
    job = hand_over(training, cluster)
    for label, text in job.items():
        output.say(label, text)
    if order.wait:
        follow(job["job"], Path(job["log"]), place, order.again(place), output)
    output.result("train-job", job, lambda: print(job["job"]))
    if order.wait:
        output.next(f"hps eval {place} --testset NAME")
    else:
        output.next(f"tail -F {job['log']}     scancel {job['job']}")


def follow(job: str, log: Path, run: Path, again: str, output: Output) -> None:
    """Pass a job's log on until the job is over, however often it is queued again."""
    from hpscli.train.scaling.slurm import job_facts

    shown, known = 0, time.monotonic()
    over: float | None = None  # since when its state has said so
    try:
        while True:
            state = job_facts(job).get("JobState", "")
            shown, now = _pass_on(log, shown, output), time.monotonic()
            known = now if state else known
            if not any(word in state for word in OVER):
                over = None
            elif over is None:
                over = now
            ended = state == "COMPLETED" or (over is not None and now - over > TURN_SECONDS)
            if ended or now - known > SILENT_SECONDS:
                break
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        raise Interrupted(
            f"job {job} goes on; only its log is not followed any more.",
            f"Follow it: tail -F {log}     End it: scancel {job}",
        ) from None
    _pass_on(log, shown, output)
    if not (run / "finished.json").is_file():
        raise HpsError(
            f"job {job} ended ({state}) before the training did."
            if state
            else f"Slurm says nothing of job {job} any more, and its training is not done.",
            f"Its log: {log}\nContinue: {again}",
        )


def _pass_on(log: Path, shown: int, output: Output) -> int:
    """Print what came since `shown` bytes -> how many bytes were shown."""
    if not log.is_file():
        return shown
    with log.open("rb") as stream:
        stream.seek(shown)
        news = stream.read()
    if news and not output.quiet:
        sys.stderr.write(news.decode(errors="replace"))
        sys.stderr.flush()
    return shown + len(news)
