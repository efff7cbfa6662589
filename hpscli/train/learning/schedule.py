"""Steps, learning rates and the batch that the whole job makes together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from hpscli.data.epochs.plan import entries_of
from hpscli.data.epochs.rounds import epoch_length
from hpscli.data.shards import read_index
from hpscli.errors import UsageError
from hpscli.recipe import Optim, Recipe


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How many optimiser steps a recipe means on this many processes.

    Epochs and learning rates follow the samples that were taken, not the steps: a run that is
    continued with another global batch keeps the schedule that it was started with.
    """

    world: int
    global_batch: int  # samples in one optimiser step, over all processes
    samples: int  # in an epoch; 0: not known, for the data are not there
    epochs: int
    unit: int  # global batch of the run's start, in which its schedule is counted
    since_step: int = 0  # from here on steps take global_batch samples
    since_position: int = 0  # samples taken before

    @property
    def per_epoch(self) -> int:
        """-> steps of `unit` samples in an epoch."""
        return max(1, self.samples // self.unit) if self.samples else 0

    @property
    def total(self) -> int:
        """-> steps of the whole run; the last one is a whole batch too."""
        left = max(0, self.per_epoch * self.epochs * self.unit - self.since_position)
        return self.since_step + math.ceil(left / self.global_batch)

    def position(self, step: int) -> int:
        """Steps done -> samples taken: the place in the list of the training."""
        return self.since_position + (step - self.since_step) * self.global_batch

    def moment(self, step: int) -> float:
        """Steps done -> the same in steps of the schedule."""
        return self.position(step) / self.unit

    def epoch(self, step: int) -> int:
        """Steps done -> epochs that are over."""
        return self.position(step) // (self.per_epoch * self.unit)

    def ends_epoch(self, step: int) -> bool:
        """Steps done -> whether the last of them ended an epoch."""
        return self.epoch(step) > self.epoch(step - 1)

    def continued(self, step: int, position: int, unit: int) -> "Steps":
        """-> the steps of a run that has come so far with batches of its own."""
        return replace(self, unit=unit, since_step=step, since_position=position)


def count_steps(recipe: Recipe, world: int, own: int = 0) -> Steps:
    """-> steps; an epoch is a number of samples, so more processes mean fewer steps.

    own: samples of an epoch as its mixing has it (own_epoch), for recipes that do not say.
    """
    global_batch = recipe.optim.batch * recipe.optim.accumulate * world
    return Steps(
        world=world,
        global_batch=global_batch,
        samples=recipe.train.epoch_samples or own,
        epochs=recipe.train.epochs,
        unit=global_batch,
    )


def own_epoch(recipe: Recipe, sizes: Mapping[str, int] | None = None) -> int:
    """Recipe, people in the shards of its members -> samples of an epoch as its mixing has it.

    sizes: None: they are read from the shards.
    """
    if sizes is None:
        used = {name: m for name, m in recipe.data.mix.items() if m.weight > 0}
        sizes = {name: read_index(member.shards).samples for name, member in used.items()}
    return epoch_length(recipe.data.mixing, entries_of(recipe.data.mix, sizes))


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
    processes = f"{steps.world} process" + "es" * (steps.world > 1)
    parts = f"{recipe.optim.batch} x {recipe.optim.accumulate} accumulated x {processes}"
    raise UsageError(
        f"the global batch is {steps.global_batch} ({parts}), but the recipe is made for {expected}: "
        "the same learning rate would give another result.",
        f"{_ways_to_batch(recipe.optim, steps.world)}\nor train with this one: --scale-lr (optim.lr "
        f"becomes {rate * steps.global_batch / expected:g}) or --keep-lr (stays {rate:g}).",
    )


def _ways_to_batch(optim: Optim, world: int) -> str:
    """-> what to type for the global batch that a recipe is made for."""
    ways = []
    accumulate, rest = divmod(optim.global_batch, optim.batch * world)
    if accumulate and not rest:
        ways.append(f"optim.accumulate={accumulate}")
    gpus, rest = divmod(optim.global_batch, optim.batch * optim.accumulate)
    if gpus and not rest:
        ways.append(f"{gpus} GPU{'s' * (gpus > 1)} (--gpus {gpus})")
    if not ways:
        return "Change optim.batch or optim.accumulate"
    return f"For a batch of {optim.global_batch}: {', or '.join(ways)}"


def rate_factor(optim: Optim, steps: Steps, step: int) -> float:
    """-> what the learning rate is multiplied by at this step (0-based): a pure function of it."""
    moment = steps.moment(step)
    if moment < optim.warmup_steps:
        return min(1.0, (moment + 1) / optim.warmup_steps)
    if optim.schedule == "cosine":
        length = max(1, steps.per_epoch * steps.epochs - optim.warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (moment - optim.warmup_steps) / length)))
    if optim.schedule == "step":
        epoch = steps.epoch(step)
        return float(optim.step_factor ** sum(epoch >= limit for limit in optim.step_epochs))
    return 1.0


def rate_at(optim: Optim, steps: Steps, step: int, base: float) -> float:
    """-> the learning rate at this step (0-based) of what has this rate without a schedule.

    A cosine ends at optim.min_lr; what starts below it stays where it is.
    """
    factor = rate_factor(optim, steps, step)
    if optim.schedule == "cosine" and steps.moment(step) >= optim.warmup_steps:
        lowest = min(optim.min_lr, base)
        return lowest + (base - lowest) * factor
    return base * factor
