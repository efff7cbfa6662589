"""What is told of a training that ended for want of memory, and how one that ended is taken up again."""

from collections.abc import Iterator
from contextlib import contextmanager

from hpscli.errors import HpsError, in_words, lacks_memory
from hpscli.recipe import Recipe
from hpscli.train.keeping.state import saved_step
from hpscli.train.scaling.processes import Processes


@contextmanager
def memory_told(recipe: Recipe, processes: Processes) -> Iterator[None]:
    """Within it too little memory becomes an error that says how a training takes less."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        whose = "a GPU" if processes.device.type == "cuda" else "this machine"
        raise HpsError(
            f"the memory of {whose} does not suffice for batches of {recipe.optim.batch}: "
            f"{in_words(error)}.",
            _less(recipe, processes),
        ) from error


@contextmanager
def measuring_told(recipe: Recipe, batch: int, processes: Processes) -> Iterator[None]:
    """The same within a validation, of which a checkpoint is saved already."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not lacks_memory(error):
            raise
        part = "validation_as_published" if recipe.train.as_published else "validation"
        raise HpsError(
            f"the memory does not suffice for a validation in batches of {batch}: {in_words(error)}.",
            f"Smaller ones: hps train --resume {processes.run}{processes.flag} "
            f"data.{part}.batch={max(1, batch // 4)}",
        ) from error


def _less(recipe: Recipe, processes: Processes) -> str:
    """-> the ways to take less memory, nearest first."""
    batch, times = recipe.optim.batch, recipe.optim.accumulate
    known = saved_step(processes.run) >= 0
    where = f"--resume {processes.run}" if known else f"RECIPE --out {processes.run}"
    ways = []
    if batch % 2 == 0:
        halves = f"optim.batch={batch // 2} optim.accumulate={times * 2}"
        ways = [
            f"The same global batch in smaller parts: hps train {where}{processes.flag} {halves}"
        ]
    elif batch > 1:
        ways = ["A smaller optim.batch, and optim.accumulate as many times more."]
    other = [] if recipe.train.gradient_checkpointing else ["train.gradient_checkpointing=true"]
    other += ["--dtype bf16"] if recipe.train.dtype == "fp32" else []
    if other:
        ways.append(f"{'In a new run' if known else 'Or'}: {' or '.join(other)}")
    return "\n".join(ways) or "A smaller model or data.image_size, or a GPU with more memory."


def after_a_repair(processes: Processes) -> str:
    """-> how a run that ended by itself is taken up when the cause is gone."""
    if saved_step(processes.run) < 0:
        return f"Nothing was saved yet; then start again: hps train RECIPE --out {processes.run}"
    return f"Then continue: hps train --resume {processes.run}{processes.flag}"
