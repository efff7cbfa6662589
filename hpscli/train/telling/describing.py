"""What a training says before it starts: its data, its epochs, its batch and its steps."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from hpscli.body.assets.loading import choose_make
from hpscli.data.crops import MARGIN
from hpscli.data.epochs.plan import entries_of
from hpscli.data.epochs.rounds import make_layout
from hpscli.nn.options import adapted, complete_options
from hpscli.recipe import Recipe
from hpscli.registry import get_registry
from hpscli.train.learning.schedule import Steps, count_steps, own_epoch
from hpscli.train.plan import Part, makeable, selection

MIXINGS = {  # what an epoch is; docs/explanation/training-order.md
    "weighted": "exact shares, everybody of a set once before anybody twice",
    "independent": "everybody by chance, again and again",
    "partition": "sets by chance, their people in turn",
    "concatenation": "everybody of all sets once",
    "balanced": "sides of equal length",
}


def counted(recipe: Recipe, world: int, parts: list[Part]) -> Steps:
    """-> the steps of a recipe whose data are known as far as `parts` go."""
    sizes = sizes_of(recipe, parts)
    return count_steps(recipe, world, own_epoch(recipe, sizes) if sizes else 0)


def sizes_of(recipe: Recipe, parts: list[Part]) -> dict[str, int]:
    """-> people in the shards of each member; {} unless all are there."""
    found = {p.name: p.samples for p in parts if p.name in recipe.data.mix and p.samples}
    used = [name for name, member in recipe.data.mix.items() if member.weight > 0]
    return found if used and all(name in found for name in used) else {}


def shares_of(recipe: Recipe, sizes: Mapping[str, int]) -> dict[str, float]:
    """People by member -> its part of all picks; {} where that depends on sizes not known."""
    if not sizes and recipe.data.mixing in ("concatenation", "balanced"):
        return {}
    names = [name for name, member in recipe.data.mix.items() if member.weight > 0]
    entries = entries_of(recipe.data.mix, sizes or dict.fromkeys(names, 1))
    return dict(
        zip(names, make_layout(recipe.data.mixing, entries).shares(len(names)), strict=True)
    )


def describe(
    recipe: Recipe, steps: Steps, parts: list[Part], rate: float
) -> Iterator[tuple[str, Any]]:
    """-> the lines that a training says before it starts."""
    recipe_batch = recipe.optim.global_batch
    expected = (
        ""
        if not recipe_batch
        else (
            "   (as the recipe expects)"
            if recipe_batch == steps.global_batch
            else f"   (the recipe is made for {recipe_batch})"
        )
    )
    shares = shares_of(recipe, sizes_of(recipe, parts))
    words = []
    for part in parts:
        share = f" {shares[part.name]:.2f}" if part.name in shares else ""
        words.append(f"{part.name}{share} {_amount(part, _limit(recipe, part.name))}")
    yield "data", " · ".join(words)
    for warning in (*_mixed_bodies(recipe, parts), *_enlarged(recipe, parts)):
        yield "warning", warning
    accumulated = f" x {recipe.optim.accumulate} accumulated" if recipe.optim.accumulate > 1 else ""
    processes = f"{steps.world} process" + "es" * (steps.world > 1)
    yield (
        "batch",
        f"{recipe.optim.batch}{accumulated} x {processes} = {steps.global_batch}{expected}",
    )
    amount = f"{steps.samples} samples" if steps.samples else "as long as its data, not known yet"
    yield "epoch", f"{amount}   {recipe.data.mixing}: {MIXINGS[recipe.data.mixing]}"
    total = f"{steps.per_epoch} x {recipe.train.epochs} epochs = {steps.total}"
    yield (
        "steps",
        f"{total if steps.samples else f'{recipe.train.epochs} epochs'}   "
        f"{recipe.optim.name} lr {rate:g} {recipe.optim.schedule}   {recipe.train.dtype}",
    )


def _amount(part: Part, limit: int) -> str:
    """-> "8000 people", "64 of 8000 people", or that they are not there."""
    if part.problem is not None:
        return "not there: made first, when training starts" if makeable(part) else "MISSING"
    kind = "poses" if part.name == "adversary" else "person" if part.samples == 1 else "people"
    some = f"{limit} of " if 0 < limit < part.samples else ""
    return f"{some}{part.samples or 'all'} {kind}"


def _limit(recipe: Recipe, name: str) -> int:
    """A part of a recipe -> how many of its people are used; 0: all."""
    if name in recipe.data.mix:
        return recipe.data.mix[name].limit
    chosen = {"validation": selection(recipe), "export": recipe.export}.get(name)
    return chosen.limit if chosen is not None else 0


def _enlarged(recipe: Recipe, parts: list[Part]) -> Iterator[str]:
    """-> a line for each member whose stored crops are smaller than what the network sees."""
    spec = get_registry().model(recipe.model.name)
    options = complete_options(spec, recipe.model.preset, recipe.model.options)
    window_px = max(recipe.data.image_size or adapted(spec, options).input_size)
    needed_px = math.ceil(window_px * MARGIN / recipe.data.crop_scale)
    for part in parts:
        if part.name in recipe.data.mix and 0 < part.stored_px < needed_px:
            yield (
                f"crops in {part.shards} are stored {part.stored_px} px large: the network's window "
                f"of {window_px} px enlarges them. Prepare them with --size-px {needed_px}"
            )


def _mixed_bodies(recipe: Recipe, parts: list[Part]) -> Iterator[str]:
    """-> a line for each part whose people were made with other bodies than the model's own."""
    told = [part for part in parts if part.body_source]
    if not told:
        return
    spec = get_registry().model(recipe.model.name)
    options = complete_options(spec, recipe.model.preset, recipe.model.options)
    kind = adapted(spec, options).body
    own = choose_make(
        kind, gender="neutral", source=recipe.model.body, age="adult", hand="right"
    ).source
    for part in told:
        if (part.body_kind == "mano") != (kind == "mano"):
            theirs, wanted = ("hands", "bodies") if kind != "mano" else ("bodies", "hands")
            yield (
                f"{part.shards} holds {theirs} ({part.body_kind}), the model learns {wanted} "
                f"({kind}): hardly a label fits. Leave it out: data.mix.{part.name}=0"
            )
        elif part.body_source != own:
            yield (
                f"the people in {part.shards} were made with {part.body_source} bodies, the model's "
                f"body is {own}: the same parameters mean other shapes. "
                + ("Validation will refuse them. " if part.name == "validation" else "")
                + f"Prepare them again, or set model.body={part.body_source}"
            )
