"""Steps, learning rates and the batch that the whole job makes together."""

import math
from dataclasses import dataclass

from hpscli.errors import UsageError
from hpscli.recipe import Optim, Recipe


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How many optimiser steps a recipe means on this many processes."""

    world: int
    global_batch: int  # samples in one optimiser step, over all processes
    per_epoch: int
    total: int


def count_steps(recipe: Recipe, world: int) -> Steps:
    """-> steps; an epoch is a number of samples, so more processes mean fewer steps."""
    global_batch = recipe.optim.batch * recipe.optim.accumulate * world
    per_epoch = max(1, recipe.train.epoch_samples // global_batch)
    return Steps(
        world=world,
        global_batch=global_batch,
        per_epoch=per_epoch,
        total=per_epoch * recipe.train.epochs,
    )


def learning_rate(
    recipe: Recipe, steps: Steps, *, keep: bool = False, scale: bool = False
) -> float:
    """-> the learning rate for this global batch; a batch that the recipe does not expect is refused.

    `keep` takes the recipe's rate as it is, `scale` multiplies it by the ratio of the batches
    (Goyal et al. 2017, linear rule).
    """
    expected, rate = recipe.optim.global_batch, recipe.optim.lr
    if expected in (0, steps.global_batch) or keep:
        return rate
    if scale:
        return rate * steps.global_batch / expected
    parts = (
        f"{recipe.optim.batch} x {recipe.optim.accumulate} accumulated x {steps.world} processes"
    )
    raise UsageError(
        f"the global batch is {steps.global_batch} ({parts}), but the recipe is made for {expected}: "
        "the same learning rate would give another result.",
        f"Change optim.batch or optim.accumulate, or choose: --scale-lr (optim.lr becomes "
        f"{rate * steps.global_batch / expected:g}) or --keep-lr (stays {rate:g}).",
    )


def rate_factor(optim: Optim, steps: Steps, step: int) -> float:
    """-> what the learning rate is multiplied by at this step (0-based): a pure function of it."""
    if step < optim.warmup_steps:
        return (step + 1) / optim.warmup_steps
    if optim.schedule == "cosine":
        length = max(1, steps.total - optim.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * (step - optim.warmup_steps) / length))
    if optim.schedule == "step":
        epoch = step // steps.per_epoch
        return float(optim.step_factor ** sum(epoch >= limit for limit in optim.step_epochs))
    return 1.0


def rate_at(optim: Optim, steps: Steps, step: int, base: float) -> float:
    """-> the learning rate at this step (0-based) of what has this rate without a schedule.

    A cosine ends at optim.min_lr; what starts below it stays where it is.
    """
    factor = rate_factor(optim, steps, step)
    if optim.schedule == "cosine" and step >= optim.warmup_steps:
        lowest = min(optim.min_lr, base)
        return lowest + (base - lowest) * factor
    return base * factor
