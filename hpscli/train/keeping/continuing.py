"""Going on from a saved place with the processes and the batch that there are now.

A run is at a position of its list (data/epochs/plan.py), whoever took the picks before it. With the
same slices it goes on bit for bit; with others no pick is lost or taken twice.
"""

import math
import tomllib
from pathlib import Path

from hpscli.errors import UsageError
from hpscli.recipe import Recipe, validated
from hpscli.train.keeping.state import State, derived_seed, random_state, seed_random
from hpscli.train.learning.schedule import Steps


def slices(recipe: Recipe, world: int) -> tuple[int, ...]:
    """-> how a global batch is cut: processes, samples of each, times that they are added up."""
    return world, recipe.optim.batch, recipe.optim.accumulate


def saved_slices(run: Path, state: State) -> tuple[int, ...]:
    """-> how it was cut when a state was saved; older versions had only those of the recipe."""
    if "slices" in state:
        return tuple(state["slices"])
    own = validated(tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8")), str(run))
    return slices(own, state["world"])


def continued_steps(steps: Steps, run: Path, state: State) -> Steps:
    """Steps of this job, state of the run -> the steps from the saved place on."""
    batch = math.prod(saved_slices(run, state))
    position = state.get("position", state["step"] * batch)  # of older versions: all steps alike
    return steps.continued(state["step"], position, state.get("unit", batch))


def rate_change(
    recipe: Recipe, steps: Steps, run: Path, state: State, *, keep: bool, scale: bool
) -> float:
    """-> what rates are multiplied by: 1, unless another global batch goes on and is to scale them."""
    before, now = math.prod(saved_slices(run, state)), steps.global_batch
    if before == now or keep:
        return 1.0
    if scale:
        return now / before
    each, over = divmod(before, recipe.optim.accumulate * steps.world)
    same = "" if over else f"The same batch: optim.batch={each}\n"
    raise UsageError(
        f"{run} took {before} samples a step, now it would be {now} "
        f"({_words(*slices(recipe, steps.world))}): the same learning rate would give "
        "another result.",
        f"{same}Or choose: --scale-lr (rates times {now / before:g}) or --keep-lr",
    )


def _words(world: int, batch: int, accumulate: int) -> str:
    processes = f"{world} process" + "es" * (world > 1)
    return f"{processes} x {batch}" + f" x {accumulate} accumulated" * (accumulate > 1)


def otherwise_sliced(recipe: Recipe, world: int, run: Path, state: State) -> str:
    """-> what is told of a run that goes on with other slices, "" with the same."""
    before, now = saved_slices(run, state), slices(recipe, world)
    if before == now:
        return ""
    was, will = (_words(*parts) for parts in (before, now))
    return (
        f"it was {was}, it is {will}: no pick is lost or taken twice, but sums are added in another "
        "order and random layers draw other numbers, so it is not bit for bit what it would have been"
    )


def generators_of(recipe: Recipe, steps: Steps, rank: int, state: State, position: int) -> State:
    """-> random generators of a process: its own; with another number of processes, new ones."""
    if len(state["random"]) == steps.world:
        own: State = state["random"][rank]
        return own
    seed_random(derived_seed(recipe.seed, position, rank))
    return random_state()
