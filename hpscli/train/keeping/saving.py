"""Writing a training down and taking it up again."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from hpscli.body.kit import body_kit
from hpscli.errors import HpsError, InvalidData, in_words
from hpscli.nn.checkpoints import CheckpointInfo, load_weights
from hpscli.nn.weights.sources import FOLDER
from hpscli.recipe import to_toml
from hpscli.train.job import Job
from hpscli.train.keeping import state as saved
from hpscli.train.keeping.continuing import (
    continued_steps,
    generators_of,
    otherwise_sliced,
    rate_change,
    slices,
)
from hpscli.train.plan import AS_PUBLISHED
from hpscli.train.scaling.sharding import as_in, whole
from hpscli.train.telling.track import Meter


def describe(job: Job) -> CheckpointInfo:
    """-> the description that goes into a checkpoint made now."""
    return CheckpointInfo(
        model=job.spec.name,
        options=job.options,
        input_size=job.recipe.data.image_size or job.spec.input_size,
        body=_body(job),
        joints=job.recipe.data.joints,
        mean=job.spec.mean,
        std=job.spec.std,
        step=job.step,
        epoch=job.steps.epoch(job.step),
        samples=job.steps.position(job.step),
        metrics=job.metrics,
        recipe_toml=to_toml(job.recipe),
        selected=AS_PUBLISHED if job.recipe.train.as_published else "",
    )


def _body(job: Job) -> dict[str, str]:
    """-> what the weights must know of the body; of a model around a mesh, also whose vertices."""
    if not job.spec.takes_kit:
        return job.body.describe()
    return {**job.body.describe(), "topology": body_kit(job.spec.body, given=job.body).topology()}


def save(job: Job, *, best: bool = False, measured: bool = True) -> None:
    """Write a checkpoint with everything that `restore` needs.

    measured: False at an epoch's end whose validation is still to come.
    """
    generators = job.processes.gather(saved.random_state())
    # shared out weights are put together by all processes
    optimizer = whole(job.optimizer.state_dict())
    own = {n: p.detach().clone() for n, p in job.module.named_parameters()} if job.average else {}
    own = whole(own)
    if job.processes.first:
        scaler = job.processes.accelerator.scaler
        state: saved.State = {
            "step": job.step,
            "position": job.steps.position(job.step),
            "unit": job.steps.unit,
            "slices": list(slices(job.recipe, job.processes.world)),
            "people": job.people,
            "rate": job.rate,
            "best": job.best,
            "stale": job.stale,
            "measured": measured,
            "metrics": job.metrics,
            "optimizer": optimizer,
            "scaler": scaler.state_dict() if scaler is not None else {},
            "random": generators,
            "meter": job.meter.state(),
            "adversary": job.contest.state() if job.contest is not None else {},
            "parameters": own,
        }
    keep = job.recipe.train.keep
    with job.average.applied() if job.average is not None else nullcontext():
        weights = whole(job.module.state_dict())
        if job.processes.first:
            saved.save(job.run, weights, describe(job), state, best=best, keep=keep)
    job.processes.wait()


def load_together(
    run: Path, agree: Callable[[str], list[str]], warn: Callable[[str], None] = lambda text: None
) -> saved.Checkpoint:
    """The same of all processes, each of which calls it: what the first one can read.

    agree: the name of a file -> those of all processes, by rank. A file system may show a file later
    to one than to another, or fail one of them for a moment.
    """
    found = saved.load(run, warn)
    chosen = agree(found[0].name)[0]
    if found[0].name == chosen:
        return found
    try:
        return saved.load_one(run / FOLDER / chosen)
    except (OSError, HpsError) as error:
        raise InvalidData(
            f"{run / FOLDER / chosen} can be read by the first process, but not by every other: "
            f"{in_words(error)}.",
            f"When all machines see the same files: hps train --resume {run}",
        ) from None


def restore(job: Job, *, keep_lr: bool = False, scale_lr: bool = False) -> bool:
    """Put a job where it was when the newest checkpoint of its run was made.

    -> False when that was an epoch's end before its validation was done.
    """
    warn = partial(job.diary.say, "warning")
    path, weights, _, state = load_together(job.run, job.processes.gather, warn)
    recipe, world, rank = job.recipe, job.processes.world, job.processes.rank
    change = rate_change(recipe, job.steps, job.run, state, keep=keep_lr, scale=scale_lr)
    job.steps = continued_steps(job.steps, job.run, state)
    weights = as_in(job.module, weights)
    load_weights(job.module, weights, origin=str(path), model=job.spec.name)
    if job.average is not None:
        job.average.load(weights)
        own = as_in(job.module, state["parameters"])  # buffers are in the weights
        job.module.load_state_dict(own, strict=False)
    job.optimizer.load_state_dict(state["optimizer"])
    if state["scaler"] and job.processes.accelerator.scaler is not None:
        job.processes.accelerator.scaler.load_state_dict(state["scaler"])
    if job.contest is not None:
        job.contest.load(state["adversary"])
    job.step = state["step"]
    job.best = float("inf") if math.isnan(state["best"]) else state["best"]  # of older versions
    job.rate = state["rate"] * change
    job.optimizer.scale(change)
    job.people = state.get("people", {})
    job.stale = state.get("stale", 0)
    job.metrics, job.meter = state["metrics"], Meter(state["meter"])
    job.random = generators_of(recipe, job.steps, rank, state, job.steps.position(job.step))
    saved.restore_random_state(job.random)  # for the save after a validation that comes first
    measured = bool(state.get("measured", True))  # runs of older versions do not say it
    job.diary.rewind(job.step, measured=measured)
    job.diary.say("resume", f"{path.name}, step {job.step} of {job.steps.total}")
    if told := otherwise_sliced(recipe, world, job.run, state):
        job.diary.say("", told)
    return measured
