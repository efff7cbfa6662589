"""The training loop: from a recipe to a run folder, top to bottom.

Accelerate brings devices, processes and precision. Everything that decides a result is explicit:
batch n of the stream and the learning rate of step n are pure functions of n, random generators and
optimiser are in the saved state, so a continued run repeats the unbroken one exactly.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path

import numpy as np
import torch

from hpscli.data.batch import ready
from hpscli.errors import InvalidData
from hpscli.recipe import Recipe
from hpscli.records import Batch, Prediction
from hpscli.registry import resolve
from hpscli.train.finishing import export_at_end
from hpscli.train.job import Job, start, stream
from hpscli.train.keeping.claim import claimed
from hpscli.train.keeping.saving import restore, save
from hpscli.train.learning.adversary import TERM
from hpscli.train.learning.freezing import learning_mode
from hpscli.train.learning.optimizers import NORM, REST
from hpscli.train.learning.schedule import count_steps, learning_rate, own_epoch
from hpscli.train.losses.bodies import with_joints_of_bodies
from hpscli.train.plan import AS_PUBLISHED, check_recipe, select_as_published, selection
from hpscli.train.scaling.leaving import Share, stopped
from hpscli.train.scaling.processes import open_processes
from hpscli.train.scaling.reach import anchor
from hpscli.train.scaling.stopping import Stop, stop_signals
from hpscli.train.telling.curves import draw_curves
from hpscli.train.telling.exhausted import after_a_repair, memory_told
from hpscli.train.telling.overlays import draw_people
from hpscli.train.telling.track import Say, memory_mb
from hpscli.train.validation import as_measured, validate_epoch


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    device: str = "",
    validate: bool = True,
    tracker: str = "",
    keep_lr: bool = False,
    scale_lr: bool = False,
    as_published: bool = False,
    say: Say = lambda label, text: None,
) -> Path:
    """Recipe, run folder -> the run folder, with checkpoints, log and pictures in it.

    as_published: choose the best checkpoint on what its authors chose it on, a test set; everything
    that comes of it says so.
    """
    recipe = select_as_published(recipe) if as_published else recipe
    with (
        open_processes(recipe, out, device, tracker) as processes,
        stop_signals() as stop,
        memory_told(recipe, processes),
        ExitStack() as held,
    ):
        resume = processes.gather(resume)[0]  # others may see files later than the first does
        keep = keep_lr or resume  # a run has chosen; what is new is judged by its state
        check_recipe(recipe, processes.world, keep_lr=keep, scale_lr=scale_lr)
        own = 0 if recipe.train.epoch_samples else own_epoch(recipe)
        steps = count_steps(recipe, processes.world, own)
        rate = learning_rate(recipe, steps, keep=keep, scale=scale_lr)
        if resume:
            held.enter_context(claimed(processes, say))
        job = start(recipe, processes, steps, rate, resume, say)
        if not resume:  # only now is there a folder
            held.enter_context(claimed(processes, say))
        validate = validate and selection(recipe) is not None
        if resume and not restore(job, keep_lr=keep_lr, scale_lr=scale_lr):
            end_epoch(job, validate, stop)
        steps = job.steps
        if resume and (job.step >= steps.total or given_up(job)):
            job.diary.say("finished", ended(job))
        batches = stream(job) if job.step < steps.total else iter(())
        learning_mode(job.network, job.fixed)
        clock = time.perf_counter()
        while job.step < steps.total and not given_up(job):
            stops = optimise(job, batches, stop)
            job.step += 1
            epoch_done = steps.ends_epoch(job.step)
            if epoch_done or job.step % recipe.train.log_every == 0:
                clock = log(job, clock)
            if epoch_done or stops or job.step % recipe.train.checkpoint_every == 0:
                save(job, measured=not (epoch_done and validate and due(job)))
            if stops:
                raise stopped(processes, stop, f"after step {job.step} of {steps.total}")
            if epoch_done:
                end_epoch(job, validate, stop)
                learning_mode(job.network, job.fixed)
                clock = time.perf_counter()
        finish(job, stop)
    return job.run


def optimise(job: Job, batches: Iterator[Batch], stop: Stop) -> bool:
    """One optimiser step -> whether the processes agree to stop after it."""
    recipe, processes = job.recipe, job.processes
    weights = {name: weight for name, weight in recipe.loss.items() if weight > 0}
    losses = resolve(job.spec.losses)
    scaler = processes.accelerator.scaler
    job.optimizer.set_rates(job.steps, job.step)
    if job.contest is not None:
        weights[TERM] = job.contest.weight
        if recipe.adversary is not None and recipe.adversary.scheduled:
            job.contest.set_rate(recipe.optim, job.steps, job.step)
    # terms, loss, norm of the gradient, wish to stop
    sums = torch.zeros(len(weights) + 3, device=processes.device)
    keys: list[str] = []
    waited = 0.0
    for micro in range(recipe.optim.accumulate):
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        keys += batch.keys
        last = micro == recipe.optim.accumulate - 1
        with nullcontext() if last else processes.no_sync(job.network):
            batch = ready(batch.to(processes.device), job.spec.mean, job.spec.std)
            batch = with_joints_of_bodies(batch, job.body, recipe.data.joints)
            prediction = in_float(job.network(batch.image))
            terms = losses(prediction, batch, job.body, [n for n in weights if n != TERM])
            if job.contest is not None:
                terms[TERM] = job.contest.judge(prediction, job.step, micro)
            loss = torch.stack([terms[name] * weight for name, weight in weights.items()]).sum()
            alone = processes.world == 1
            processes.accelerator.backward(
                (loss if alone else loss + anchor(prediction)) / recipe.optim.accumulate
            )
        sums[:-2] += torch.stack([*(terms[name] for name in weights), loss]).detach()
    sums[:-2] /= recipe.optim.accumulate
    sums[-2], sums[-1] = job.optimizer.clip(recipe.optim.clip_norm, scaler), float(stop.now())
    means = processes.mean(sums)
    job.optimizer.step(scaler)
    job.optimizer.zero_grad()
    if job.average is not None:
        job.average.update()
    # only now does a GPU have to be waited for; weights made of nonsense are never saved
    *numbers, wishes = means.tolist()
    values = dict(zip([*weights, "loss", NORM], numbers, strict=True))
    if job.contest is not None:
        job.contest.finish()
        values |= job.contest.values()
    if not np.isfinite(list(values.values())).all():
        raise stop_on_nonsense(job, values, keys)
    del values[NORM]
    job.meter.add(values, waited)
    return bool(wishes > 0)


def in_float(prediction: Prediction) -> Prediction:
    """-> the prediction in float32: losses are not computed in half precision."""
    named = prediction.named_tensors()
    return Prediction.from_named_tensors({name: value.float() for name, value in named.items()})


def stop_on_nonsense(job: Job, values: dict[str, float], keys: list[str]) -> InvalidData:
    """Save the keys of a batch whose loss or gradient is no number -> the error that says so."""
    file = job.run / f"not-finite-step-{job.step + 1:08d}-rank-{job.processes.rank}.json"
    job.processes.write_json(file, {"step": job.step + 1, "losses": values, "keys": keys})
    bad = {name: value for name, value in values.items() if not np.isfinite(value)}
    what = "gradient" if all(name.endswith(NORM) for name in bad) else "loss"
    told = ", ".join(f"{name} = {value}" for name, value in bad.items())
    return InvalidData(
        f"the {what} is not finite at step {job.step + 1}: {told}. "
        f"The keys of the batch are in {file}.",
        "Look at those samples (hps datasets audit SHARDS). "
        + after_a_repair(job.processes)
        + "\nIf they are sound, lower optim.lr, set optim.clip_norm=1, or use --dtype fp32, in a new run.",
    )


def end_epoch(job: Job, validate: bool, stop: Stop) -> None:
    """Measure and draw what is saved already, for validation may fail: its shards may be bad."""
    when = f"in the validation after step {job.step} of {job.steps.total}"
    share = Share(job.processes, stop, when)
    with as_measured(job) as module:
        better = validate_epoch(job, module, share) if validate and due(job) else None
        draw_people(job, module, validate)
    if better is not None:
        save(job, best=better)
    draw_curves(job)


def due(job: Job) -> bool:
    """-> whether the epoch that ends here is measured; the last one always is."""
    epoch = job.steps.epoch(job.step)
    return epoch % job.recipe.train.validate_every == 0 or job.step >= job.steps.total


def given_up(job: Job) -> bool:
    """-> whether so many validations were no better that the recipe stops here."""
    patience = job.recipe.train.early_stop
    return 0 < patience <= job.stale


def ended(job: Job) -> str:
    """-> that nothing is left to do in a run, and how to go on all the same."""
    return (
        "this run had reached its end. More epochs are a new run from its weights: "
        f"hps train RECIPE --init {job.run} train.epochs=N"
    )


def log(job: Job, clock: float) -> float:
    """Write what happened since the last line -> the time now."""
    now = time.perf_counter()
    seconds, count = max(now - clock, 1e-9), job.meter.count
    speed = job.meter.steps * job.steps.global_batch / seconds
    waited = min(1.0, job.meter.waited_s / seconds)
    means = job.meter.take()
    rates = job.optimizer.rates(job.steps, job.step - 1)
    rate = rates.get(REST, next(iter(rates.values())))
    if not job.logged:
        warn_of_idle_losses(job, means, count)
        job.logged = True
    memory = memory_mb(job.processes.device)
    record = {
        "step": job.step,
        "epoch": round(job.steps.moment(job.step) / job.steps.per_epoch, 4),
        "samples": job.steps.position(job.step),
        "losses": means,
        "lr": rate,
        **({"rates": rates} if len(rates) > 1 else {}),
        "samples_per_s": round(speed, 1),
        "data_wait": round(waited, 4),
        "memory_mb": round(memory, 1),
        "time": round(time.time(), 3),
    }
    job.diary.record(record)
    job.processes.accelerator.log({**means, "lr": rate, "samples_per_s": speed}, step=job.step)
    shown = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
    job.diary.say(
        f"{job.step}/{job.steps.total}",
        f"{shown}  lr {rate:.2e}  {speed:.0f} images/s  data-wait {waited:.0%}  {memory:.0f} MB",
    )
    return now


def warn_of_idle_losses(job: Job, means: dict[str, float], steps: int) -> None:
    """Name the losses that were exactly 0 in the first steps, as they are without any label."""
    for name, weight in job.recipe.loss.items():
        if weight > 0 and means[name] == 0:
            job.diary.warn(
                f"loss.{name}",
                f"loss '{name}' teaches nothing: nobody in the first {steps} steps has a label that "
                f"it can use. Check data.joints ({job.recipe.data.joints}) and what the shards hold: "
                "hps datasets stats SHARDS",
            )


def finish(job: Job, stop: Stop) -> None:
    """Write the file of a leaderboard, if one is wanted; say what came out, in finished.json too."""
    share = Share(job.processes, stop, f"in the export after step {job.step}")
    exported = export_at_end(job, share)
    if job.processes.first:
        document = {"schema": "hps/train/1", "step": job.step, "metrics": job.metrics}
        document |= {"selected": AS_PUBLISHED} if job.recipe.train.as_published else {}
        document |= {"stopped_early": True} if job.step < job.steps.total else {}
        document |= {"export": exported} if exported else {}
        job.processes.write_json(job.run / "finished.json", document)
    shown = "  ".join(f"{name} {value:.2f}" for name, value in job.metrics.items())
    if given_up(job):
        count = job.recipe.train.early_stop
        job.diary.say("early stop", f"{count} validations in a row were no better than the best")
    job.diary.say("done", f"{job.step} steps  {shown}".rstrip())
