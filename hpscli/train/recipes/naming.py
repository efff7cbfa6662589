"""Whether a recipe names only what exists: data, splits, losses, protocols, parameters, published rows."""

from collections.abc import Callable, Collection, Iterator
from typing import Any

import torch

from hpscli.body.assets.sources import asset_records
from hpscli.body.joints import joint_set
from hpscli.data.augmentations.changes import check_only
from hpscli.errors import HpsError, UsageError, did_you_mean
from hpscli.hooks import ModelSpec
from hpscli.metrics.protocol_names import protocol_named
from hpscli.recipe import Recipe
from hpscli.records import Batch, Prediction
from hpscli.registry import get_registry, resolve
from hpscli.train.recipes.fitting import check_schedule, check_sides
from hpscli.train.recipes.network import matching, network_of, spec_of
from hpscli.train.recipes.prepare_lines import read_line
from hpscli.train.recipes.targets import goals

NOBODY = "a loss that no model has"


def problems(recipe: Recipe) -> list[str]:
    """-> everything that the recipe names and that is not there, one sentence each."""
    found: list[str] = []

    def ask(question: Callable[[], object]) -> Any:
        try:
            return question()
        except HpsError as error:
            found.append(str(error))
            return None

    spec: ModelSpec | None = ask(lambda: spec_of(recipe))
    learnt = [name for name, weight in recipe.loss.items() if weight > 0]  # 0 turns off a base's
    if spec is not None:
        ask(lambda: check_losses(spec, learnt))
        ask(lambda: _start(recipe, spec))
        found.extend(_parameters(recipe))
    ask(lambda: joint_set(recipe.data.joints))
    for check in _lookups(recipe):
        ask(check)
    found.extend(_inconsistent(recipe))
    return found


def _lookups(recipe: Recipe) -> Iterator[Callable[[], object]]:
    """-> questions whose answer is an error when the recipe names something unknown."""
    registry, data = get_registry(), recipe.data
    for member in data.mix.values():
        if "://" not in member.shards or member.prepare:
            yield lambda member=member: read_line(member.prepare, member.shards)  # type: ignore[misc]
    for part in filter(None, (data.validation, data.validation_as_published)):
        yield lambda part=part: protocol_named(registry, part.protocol)  # type: ignore[misc]
        yield lambda part=part: read_line(part.prepare, part.shards)  # type: ignore[misc]
    if adversary := recipe.adversary:
        yield lambda: _poses(adversary.poses, adversary.prepare)
    if export := recipe.export:
        yield lambda: registry.get("writer", export.writer)
        yield lambda: read_line(export.prepare, export.shards)
    yield lambda: goals(recipe, registry)
    yield lambda: check_sides(data)
    yield lambda: check_only(recipe.augment, data.mix)
    yield lambda: check_schedule(recipe.optim)


def check_losses(spec: ModelSpec, names: Collection[str]) -> None:
    """Raise for a loss that the model does not have: losses refuse the first name they do not know."""
    if not names:
        raise UsageError("it has no [loss]: nothing would be learnt.")
    camera = torch.zeros(1, 3)
    nothing = Batch(
        keys=("",),
        image=torch.zeros(1, 3, 1, 1),
        targets={},
        present={},
        affine=torch.zeros(1, 2, 3),
        flipped=torch.zeros(1, dtype=torch.bool),
    )
    try:
        resolve(spec.losses)(Prediction(camera=camera), nothing, None, [*names, NOBODY])
    except UsageError as error:
        if NOBODY not in error.problem:
            raise
    except Exception:  # a plugin's function that computes before it looks at names cannot be asked
        return


def _parameters(recipe: Recipe) -> Iterator[str]:
    """-> globs that mean no parameter; the network is only built where there are any."""
    globs = {f"optim.groups.{name}.match": g.match for name, g in recipe.optim.groups.items()}
    globs["train.freeze"] = recipe.train.freeze
    globs["train.fixed_statistics"] = recipe.train.fixed_statistics
    names = network_of(recipe).names if any(globs.values()) else ()
    for key, patterns in globs.items():
        for pattern in patterns:
            if not matching((pattern,), names):
                yield f"{key}: no parameter of the network is called '{pattern}'."


def _start(recipe: Recipe, spec: ModelSpec) -> None:
    """Weights to start from: of a known model and tag, if it is not a file."""
    model, dot, tag = recipe.model.init.partition(".")
    registry = get_registry()
    if not dot or model not in registry.names("model") or "/" in tag:
        return
    tags = [weights.tag for weights in registry.model(model).weights]
    if tag not in tags:
        raise UsageError(
            f"model.init: model '{model}' has no weights '{tag}'.",
            did_you_mean(tag, tags) or f"See: hps models show {model}",
        )
    if model != spec.name:
        raise UsageError(f"model.init: '{model}.{tag}' is of another model than '{spec.name}'.")


def _poses(place: str, prepare: str) -> None:
    if place not in asset_records() and not read_line(prepare, place).dataset.poses:
        raise UsageError(
            f"adversary.prepare: '{prepare}' makes no poses.", 'For example: prepare = "amass"'
        )


def _inconsistent(recipe: Recipe) -> Iterator[str]:
    """-> what is known by itself and does not fit together."""
    data, optim, about = recipe.data, recipe.optim, recipe.about
    members = [name for name, member in data.mix.items() if member.weight > 0]
    if not members:
        yield "data.mix: no member has a weight."
    sides = [name for name in members if data.mix[name].side]
    if sides and data.mixing != "balanced":
        yield f"data.mix.{sides[0]}.side: only mixing = 'balanced' has sides."
    step = optim.batch * optim.accumulate * max(about.gpus, 1)
    if optim.global_batch and about.gpus and step != optim.global_batch:
        yield (
            f"optim.global_batch is {optim.global_batch}, but {optim.batch} x {optim.accumulate} "
            f"accumulated x {about.gpus} GPUs is {step}."
        )
