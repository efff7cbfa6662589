"""What a training begins with and is to reach: lines of a dry run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpscli.recipe import Recipe


def aims(recipe: "Recipe", validate: bool) -> Iterator[tuple[str, str]]:
    """-> labels and texts: the start of the weights, how the best is chosen, what was published."""
    from hpscli.cli.recipes.listing import targets_of
    from hpscli.cli.recipes.showing import reached
    from hpscli.registry import get_registry
    from hpscli.train.plan import selection

    registry = get_registry()
    yield from _start(recipe)
    chosen = selection(recipe) if validate else None
    metric = f" by {chosen.metric}" if chosen is not None and chosen.metric else ""
    theirs = recipe.data.validation_as_published
    other = "" if theirs is None or recipe.train.as_published else "; --as-published: "
    other += f"{theirs.protocol}, as its authors chose" if other and theirs is not None else ""
    yield (
        "best",
        (f"{chosen.protocol}{metric}{other}" if chosen else "the last: nothing is measured"),
    )
    targets = targets_of(recipe, registry)
    if not targets:
        yield "to reach", "nothing was published for this training"
    for number, (protocol, text) in enumerate(reached(targets)):
        yield "to reach" if number == 0 else "", f"{protocol.strip()}   {text}".strip()


def _start(recipe: "Recipe") -> Iterator[tuple[str, str]]:
    """-> where the weights come from, and how they come here."""
    from hpscli.registry import get_registry
    from hpscli.train.recipes.needs import file_needs

    model = recipe.model
    if not model.init and not model.backbone:
        yield "start", "all weights at random"
        return
    needs = file_needs(recipe, get_registry().model(model.name))
    need = next(n for n in needs if n.why.startswith("the start of the"))
    yield (
        "start",
        _named(model.init) if model.init else f"{need.name} for the backbone, all else at random",
    )
    if need.command and not need.here:
        yield "", need.command


def _named(source: str) -> str:
    """What a user typed -> the same, with the run that runs/RECIPE means."""
    from hpscli.errors import HpsError
    from hpscli.nn.weights.sources import find_checkpoint

    try:
        return find_checkpoint(source)[1]
    except HpsError:  # told among what is in the way
        return source
