"""Saying what a training will do, and refusing what cannot work, before any process starts."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpscli.cli.training.order import Order

if TYPE_CHECKING:
    from hpscli.cli.output import Output
    from hpscli.errors import HpsError
    from hpscli.recipe import Recipe

UNSCALED = (
    "--scale-lr changes nothing: the recipe does not say for which optim.global_batch its rate is"
)


def check_plan(
    order: Order,
    recipe: "Recipe",
    run: Path | None,
    world: int,
    output: "Output",
    refused: "list[HpsError]",
) -> list[dict[str, Any]]:
    """Say the plan of a training in this many processes; raise what is wrong -> terms of a dry run.

    refused: what is in its way on this machine.
    """
    from hpscli.recipe import recipe_hash
    from hpscli.train import plan
    from hpscli.train.keeping.state import check_recipe as check_same
    from hpscli.train.learning.schedule import learning_rate
    from hpscli.train.scaling.launch import inside_job
    from hpscli.train.telling import describing
    from hpscli.train.telling.track import check_tracker

    if order.tracker:
        check_tracker(order.tracker)
    if run is not None:
        check_same(run, recipe)
    # a run that goes on has chosen its rate; another batch than its own is judged by its state
    choice = {"keep_lr": order.keep_lr or run is not None, "scale_lr": order.scale_lr}
    # everything that is in the way is said, not the first thing
    others = [*plan.in_the_way(recipe, world, start=run is None, **choice), *refused]
    choice["keep_lr"] = not order.scale_lr
    bare = recipe.model.model_copy(update={"backbone": ""})
    asked = recipe.model_copy(update={"model": bare})
    steps = plan.check_recipe(asked, world, **choice)
    rate = learning_rate(recipe, steps, keep=choice["keep_lr"], scale=choice["scale_lr"])
    parts = plan.check_shards(recipe, validate=order.validate)
    missing = plan.missing(parts)
    if not (others or missing) and _make_people(order, recipe, parts, steps.global_batch, output):
        parts = plan.check_shards(recipe, validate=order.validate)
    changed = f"   changed: {' '.join(order.changes)}" if order.changes else ""
    output.say("recipe", f"{recipe.name}   hash {recipe_hash(recipe)}{changed}")
    steps = describing.counted(recipe, world, parts)
    for label, text in describing.describe(recipe, steps, parts, rate):
        output.say(label, text)
    if order.scale_lr and not recipe.optim.global_batch:
        output.say("warning", UNSCALED)
    terms = _say_costs(recipe, output, order.validate) if order.dry_run else []
    made_first = order.dry_run and not inside_job()  # what a dry run leaves to the training
    blocked = made_first or others or missing
    more = f"What it needs and from where: hps recipes show {order.recipe}" if run is None else ""
    plan.refuse_missing(missing if blocked else parts, others, more)
    return terms


def _make_people(
    order: Order, recipe: "Recipe", parts: list[Any], batch: int, output: "Output"
) -> bool:
    """Make what is missing and needs no files, or of a dry run say how -> whether anything was made."""
    from hpscli.cli.training.people import make, to_make
    from hpscli.train.plan import FAST
    from hpscli.train.recipes.network import network_of
    from hpscli.train.scaling.launch import inside_job

    if inside_job():  # in a job one process would make what others make too
        return False
    wanted = list(to_make(recipe, parts, FAST * batch if order.fast else 0))
    if order.dry_run:
        for one in wanted:
            output.say("first", f"hps prepare {shlex.join(one.command())}")
        return False
    if wanted:  # people take minutes: a network that cannot be is to be told before
        network_of(recipe)
    for one in wanted:
        make(one, output)
    return bool(wanted)


def _say_costs(recipe: "Recipe", output: "Output", validate: bool) -> list[dict[str, Any]]:
    """Of a dry run: the start, the aim, size, memory, which terms learn from which data -> the last."""
    from hpscli.cli.training.aims import aims
    from hpscli.train.learning.memory import measure
    from hpscli.train.telling.active import active_terms_of, idle_warning

    for label, text in aims(recipe, validate):
        output.say(label, text)
    cost = measure(recipe)
    output.say("model", f"{recipe.model.name}   {cost['parameters'] / 1e6:.2f} M parameters")
    output.say("memory", f"about {cost['megabytes']:.0f} MB a process: weights and activations")
    terms = active_terms_of(recipe)
    for number, line in enumerate(terms.lines()):
        output.say("losses" if number == 0 else "", line)
    for name in terms.idle():
        output.say("warning", idle_warning(name, terms))
    output.say("dry run", "nothing was trained")
    return terms.document()
