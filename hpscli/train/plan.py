"""What a training needs and will do, before anything is done: the checks of --dry-run."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hpscli.body.joints import joint_set
from hpscli.data.augmentations.changes import check_only
from hpscli.data.motion.real_poses import check_real_poses
from hpscli.data.remote import is_remote
from hpscli.data.shards import read_index, refuse_crops, stored_px
from hpscli.errors import HpsError, MissingError, UsageError
from hpscli.hooks import ModelSpec
from hpscli.nn.options import adapted, complete_options
from hpscli.nn.weights.sources import find_checkpoint
from hpscli.nn.weights.starts import check_backbone
from hpscli.recipe import Export, Member, Recipe, Validation, validated
from hpscli.registry import get_registry
from hpscli.run.exporting.request import writer_named
from hpscli.train.learning.adversary import refuse_without_critic
from hpscli.train.learning.adversary import wanted as adversary
from hpscli.train.learning.schedule import Steps, count_steps, learning_rate
from hpscli.train.losses import TERMS
from hpscli.train.recipes.fitting import check_schedule, check_sides, check_validation
from hpscli.train.recipes.naming import check_losses
from hpscli.train.recipes.needs import OCCLUDERS, file_needs

FAST = 1  # steps, and batches of validation, of --fast-dev-run
FAST_EXPORT = 64  # people of its leaderboard file
AS_PUBLISHED = "selected on the published test set"  # the mark of such runs


@dataclass(frozen=True, kw_only=True)
class Part:
    """One shard folder of the recipe."""

    name: str
    shards: str
    samples: int = 0
    body_source: str = ""  # of the bodies that its people were made with; "" when it does not say
    body_kind: str = ""  # smpl, smplx or mano
    stored_px: int = 0  # the longest side of its crops; 0: whole pictures, or it does not say
    problem: HpsError | None = None
    prepare: str = ""  # what to type after `hps prepare`


def adjusted(
    recipe: Recipe,
    world: int,
    *,
    init: str = "",
    dtype: str = "",
    seed: int | None = None,
    compile: bool = False,
    limit: int = 0,
    fast: bool = False,
    as_published: bool = False,
) -> Recipe:
    """-> the recipe with what the flags of a command line say, checked like any other."""
    raw = recipe.model_dump(exclude_none=True)
    if init:
        raw["model"]["init"] = init
    if dtype:
        raw["train"]["dtype"] = dtype
    if seed is not None:
        raw["seed"] = seed
    if compile:
        raw["train"]["compile"] = True
    if as_published:
        raw["train"]["as_published"] = True
    found = (raw["data"].get(name) for name in ("validation", "validation_as_published"))
    validations = [part for part in found if part]
    if limit:
        for part in [*raw["data"]["mix"].values(), *validations]:
            part["limit"] = min(limit, part["limit"] or limit)
    if export := raw.get("export"):
        least = min(limit or FAST_EXPORT, FAST_EXPORT) if fast else limit
        export["limit"] = min(least, export["limit"] or least) if least else export["limit"]
    if fast:  # one step and one batch of everything
        step = raw["optim"]["batch"] * raw["optim"]["accumulate"] * world
        raw["train"].update(epochs=1, epoch_samples=FAST * step, log_every=1)
        for part in validations:
            part["limit"] = FAST * part["batch"]
    return validated(raw, "the command line")


def select_as_published(recipe: Recipe) -> Recipe:
    """-> the recipe that chooses its best checkpoint as its authors did, on a test set."""
    train = recipe.train.model_copy(update={"as_published": True})
    return recipe.model_copy(update={"train": train})


def selection(recipe: Recipe) -> Validation | None:
    """-> the people on whom the best checkpoint is chosen, None without any."""
    if not recipe.train.as_published:
        return recipe.data.validation
    if recipe.data.validation_as_published is None:
        raise UsageError(
            f"recipe '{recipe.name}' does not say on which test set its authors chose.",
            "Leave --as-published out: the best checkpoint is then chosen on data.validation.",
        )
    return recipe.data.validation_as_published


def check_recipe(recipe: Recipe, world: int, *, keep_lr: bool, scale_lr: bool) -> Steps:
    """Names, losses, mixing and the batch of a recipe, without touching data -> its steps."""
    if not any(member.weight > 0 for member in recipe.data.mix.values()):
        raise UsageError(
            f"recipe '{recipe.name}' has no data: no member of [data.mix] has a weight."
        )
    if recipe.train.compile and recipe.train.sharding == "fsdp" and world > 1:
        raise UsageError(
            "a compiled network cannot be shared out over processes here: both change what is called.",
            "Leave one out: train.compile=false, or train.sharding=none",
        )
    if not any(weight > 0 for weight in recipe.loss.values()):
        raise UsageError(
            f"recipe '{recipe.name}' has no [loss]: nothing would be learnt.",
            "For example: loss.keypoints3d=10 loss.pose=1",
        )
    spec = get_registry().model(recipe.model.name)
    options = complete_options(spec, recipe.model.preset, recipe.model.options)
    joint_set(recipe.data.joints)
    spec = adapted(spec, options)
    # a weight of 0 takes back a standard loss of the base
    check_losses(spec, [n for n, weight in recipe.loss.items() if weight > 0 or n not in TERMS])
    check_sides(recipe.data)
    check_only(recipe.augment, recipe.data.mix)
    check_schedule(recipe.optim)
    refuse_without_critic(recipe, spec.adversary)
    check_backbone(spec, options, recipe.model.backbone)
    if (validation := selection(recipe)) is not None:
        check_validation(validation, spec)
    if recipe.export is not None and recipe.export.writer:
        writer_named(get_registry(), recipe.export.writer)
    steps = count_steps(recipe, world)
    learning_rate(recipe, steps, keep=keep_lr, scale=scale_lr)
    return steps


def check_shards(recipe: Recipe, *, validate: bool = True) -> list[Part]:
    """-> every shard folder of a recipe: how many samples, or what is wrong with it."""
    wanted: dict[str, Member | Validation | Export]
    wanted = {name: member for name, member in recipe.data.mix.items() if member.weight > 0}
    alone = len(wanted) == 1
    if validate and (validation := selection(recipe)) is not None:
        wanted["validation"] = validation
    if recipe.export is not None and recipe.export.writer:
        wanted["export"] = recipe.export
    parts = [_part(name, one, alone and name in recipe.data.mix) for name, one in wanted.items()]
    return [*parts, *_adversary(recipe)]


def _adversary(recipe: Recipe) -> Iterator[Part]:
    """-> the real poses of an adversary, if there is one."""
    settings = adversary(recipe)
    if settings is None:
        return
    found: dict[str, Any] = {"name": "adversary", "shards": settings.poses}
    try:
        found["samples"] = check_real_poses(settings.poses, settings.prepare)
    except HpsError as error:
        found |= {"problem": error, "prepare": settings.prepare}
    yield Part(**found)


def _part(name: str, wanted: Member | Validation | Export, needed: bool) -> Part:
    shards = wanted.shards
    try:
        _refuse_file(shards)
        index = read_index(shards)
        if isinstance(wanted, Validation):
            refuse_crops(index, get_registry().protocol(wanted.protocol))
        body = index.body or {}
        return Part(
            name=name,
            shards=shards,
            samples=index.samples,
            body_source=body.get("source", ""),
            body_kind=body.get("kind", ""),
            stored_px=stored_px(index),
        )
    except MissingError:
        without = {"validation": "--no-validate", "export": "export.writer="}
        less = without.get(name, f"data.mix.{name}=0")
        problem = MissingError(
            f"no shards '{name}': {shards} has no index.json.",
            prepare_command(shards, wanted.prepare)
            + ("" if needed else f"\nor train without: {less}"),
        )
        return Part(name=name, shards=shards, problem=problem, prepare=wanted.prepare)
    except HpsError as error:
        return Part(name=name, shards=shards, problem=error)


def _refuse_file(shards: str) -> None:
    """Raise for a file where a folder of shards is to be, or to be made."""
    if not is_remote(shards) and Path(shards).is_file():
        raise UsageError(
            f"{shards} is a file; shards are a folder with index.json in it.",
            "Name its folder, or make shards: hps prepare --help",
        )


def makeable(part: Part) -> bool:
    """-> whether missing shards can be made without any file: the recipe says how, of generated data."""
    datasets = {spec.name: spec for spec in get_registry().all("dataset")}
    name = part.prepare.partition(" ")[0]
    return (
        isinstance(part.problem, MissingError)
        and not is_remote(part.shards)
        and name in datasets
        and not datasets[name].needs_root
    )


def prepare_command(shards: str, prepare: str = "") -> str:
    """shards/<data set>/<split>, and what a recipe says of them -> the command that makes them."""
    if prepare:
        words = shlex.join(without_place(shlex.split(prepare)))
        return f"Make them: hps prepare {words} --out {shards}"
    parts = PurePosixPath(shards).parts
    datasets = {spec.name: spec for spec in get_registry().all("dataset")}
    if len(parts) < 2 or parts[-2] not in datasets:
        return "Make them: hps prepare --help"
    source = " --from DIR" if datasets[parts[-2]].needs_root else ""
    return f"Make them: hps prepare {parts[-2]}{source} --split {parts[-1]} --out {shards}"


def missing(parts: Sequence[Part]) -> list[Part]:
    """-> the parts with a problem that making people cannot mend."""
    return [part for part in parts if part.problem is not None and not makeable(part)]


def without_place(words: Sequence[str]) -> list[str]:
    """Words after `hps prepare` -> the same without --out DIR: the recipe's shards say it."""
    at = words.index("--out") if "--out" in words else len(words)
    return [*words[:at], *words[at + 2 :]]


def refuse_missing(parts: Sequence[Part], others: Sequence[HpsError] = (), more: str = "") -> None:
    """Raise what is wrong with the data, if anything is, and the `others` with it.

    more: what to type to read about the recipe, when there are several things.
    """
    problems = [part.problem for part in parts if part.problem is not None]
    problems += others
    if len(problems) == 1:
        raise problems[0]
    if problems:
        told = [line for p in problems for line in (p.problem, *_indented(p.fix))]
        raise type(problems[0])("\n".join(told), more)


def _indented(fix: str) -> list[str]:
    return [f"  {line}" for line in fix.splitlines()]


def in_the_way(
    recipe: Recipe, world: int, *, start: bool, keep_lr: bool, scale_lr: bool
) -> list[HpsError]:
    """-> what else a training would be refused for, besides its data: weights to start from,
    objects to paste, its batch.

    start: whether it starts anew, not from a run of its own.
    """
    registry, model = get_registry(), recipe.model
    spec = registry.model(model.name)
    options = complete_options(spec, model.preset, model.options)
    found: list[HpsError] = []
    for ask in (
        lambda: find_checkpoint(model.init) if start and model.init else None,
        lambda: check_backbone(spec, options, model.backbone) if start else None,
        lambda: _check_occluders(recipe, spec),
        lambda: learning_rate(recipe, count_steps(recipe, world), keep=keep_lr, scale=scale_lr),
    ):
        try:
            ask()
        except HpsError as error:
            found.append(error)
    return found


def _check_occluders(recipe: Recipe, spec: ModelSpec) -> None:
    """Raise for cut-outs that are not there: else the first batch would miss them, after the start."""
    for need in file_needs(recipe, spec):
        if need.why == OCCLUDERS and not need.here:
            bring = f"Bring it: {need.command}" if need.command else "Put the file there"
            raise MissingError(
                f"{OCCLUDERS}, augment.occluders_file = '{need.name}', are not there.",
                f"{bring}\nor {need.without}",
            )
