"""hps recipes show: what a person wants to know before training a recipe."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, pairs, table
from hpscli.cli.recipes.arguments import Name, Overrides
from hpscli.cli.recipes.comparing import shown
from hpscli.cli.recipes.listing import figure, targets_of

if TYPE_CHECKING:
    from hpscli.recipe import Recipe
    from hpscli.train.recipes.needs import DataNeed, FileNeed

BY_SHARE = ("weighted", "independent", "partition")  # mixings in which weights are shares
OFF = (0, 0.0, "", None)


def show(
    name: Name,
    overrides: Overrides = None,
    resolved: Annotated[
        bool,
        typer.Option(
            "--resolved",
            help="The complete TOML, all defaults, as the start of a file of your own.",
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """What a recipe is, needs and is to reach, and which of that is here."""
    from hpscli.recipe import as_start, load_recipe, recipe_hash
    from hpscli.registry import get_registry
    from hpscli.train.recipes.needs import data_needs, file_needs, missing_data

    recipe = load_recipe(name, overrides or [])
    if resolved and not json:
        print(as_start(recipe), end="")
        return
    registry = get_registry()
    spec = registry.model(recipe.model.name)
    data, files = data_needs(recipe, registry), file_needs(recipe, spec)
    targets = targets_of(recipe, registry)
    missing = missing_data(data)
    document = {
        "hash": recipe_hash(recipe),
        "recipe": recipe.model_dump(mode="json"),
        "data": [_data_document(need, recipe) for need in data],
        "files": [vars(need) for need in files],
        "targets": targets,
        "licence": _licence(recipe, data),
        "ready": not missing,
    }

    def draw() -> None:
        pairs(_head(recipe, data))
        print()
        _draw_data(recipe, data)
        _draw_files(files)
        _draw_targets(targets)

    output = Output(json)
    output.result("recipe", document, draw)
    words = " ".join([name, *(overrides or [])])
    output.say("try", f"hps recipes check {words}     one fast dev run on made-up people")
    output.next(f"hps train {words}" if not missing else f"{missing[0].command}")


def _head(recipe: "Recipe", data: "Sequence[DataNeed]") -> Iterator[tuple[str, str]]:
    """-> the lines above the tables."""
    about, optim = recipe.about, recipe.optim
    yield "recipe", recipe.name + (f"   (base {recipe.base})" if recipe.base else "")
    if recipe.summary:
        yield "", recipe.summary
    if about.source:
        yield "follows", about.source
    for text in about.decisions:
        yield "decided", text
    yield "model", " ".join(filter(None, _model_words(recipe)))
    losses = [f"{name} {weight:g}" for name, weight in recipe.loss.items() if weight > 0]
    yield "losses", ", ".join(losses)
    if recipe.adversary is not None:
        yield "adversary", f"weight {recipe.adversary.weight:g}, real poses in the table below"
    changes = [f"{name} {shown(value)}" for name, value in recipe.augment if _on(name, value)]
    yield "augment", ", ".join(changes) or "nothing"
    yield "optimiser", _optimiser(recipe)
    yield "batch", _batch(recipe)
    if optim.groups:
        yield "groups", ", ".join(optim.groups)
    if about.gpu_hours:
        yield "GPU-hours", about.gpu_hours
    yield "licence", _licence(recipe, data)


def _model_words(recipe: "Recipe") -> Iterator[str]:
    model = recipe.model
    yield model.name
    yield f"preset {model.preset}" if model.preset else ""
    yield " ".join(f"{key}={shown(value)}" for key, value in model.options.items())
    yield f"body {model.body}" if model.body else ""
    yield f"from {model.init}" if model.init else ""
    yield f"backbone from {model.backbone}" if model.backbone else ""


def _on(name: str, value: object) -> bool:
    """-> whether an augmentation happens; where occluders fall is no augmentation."""
    return value not in OFF and not isinstance(value, dict) and name != "occluders_on"


def _optimiser(recipe: "Recipe") -> str:
    optim, train = recipe.optim, recipe.train
    steps = ", ".join(str(epoch) for epoch in optim.step_epochs)
    schedule = f"x{optim.step_factor:g} after epochs {steps}" if steps else optim.schedule
    extra = f", frozen {', '.join(train.freeze)}" if train.freeze else ""
    if train.fixed_statistics:
        extra += f", fixed statistics of {', '.join(train.fixed_statistics)}"
    return f"{optim.name} lr {optim.lr:g}, {schedule}, {train.epochs} epochs, {train.dtype}{extra}"


def _batch(recipe: "Recipe") -> str:
    optim, about = recipe.optim, recipe.about
    made = f"{optim.batch} a process" + (
        f" x {optim.accumulate} accumulated" if optim.accumulate > 1 else ""
    )
    whole = f"; {optim.global_batch} in all" if optim.global_batch else ""
    gpus = f" on {about.gpus} GPUs" if about.gpus else ""
    return made + whole + gpus


def _licence(recipe: "Recipe", data: "Sequence[DataNeed]") -> str:
    if recipe.about.licence:
        return recipe.about.licence
    said = dict.fromkeys(
        f"{need.dataset.name}: {need.dataset.licence}" for need in data if need.dataset
    )
    return "; ".join(said)


def _draw_data(recipe: "Recipe", data: "Sequence[DataNeed]") -> None:
    share = "share" if recipe.data.mixing in BY_SHARE else "weight"
    rows = [(n.name, _share(n, recipe), n.place, _here(n.here, n.makeable)) for n in data]
    table(("", share, "place", "here"), rows, title=f"data   ({recipe.data.mixing})")
    missing = [need.command for need in data if need.here is False and not need.makeable]
    if missing:  # whole lines, to be copied
        print("\n".join(("to make what is missing", "", *(f" {line}" for line in missing), "")))


def _share(need: "DataNeed", recipe: "Recipe") -> str:
    if need.role != "training":
        return ""
    total = sum(member.weight for member in recipe.data.mix.values())
    return f"{need.weight / total:.1%}" if recipe.data.mixing in BY_SHARE else f"{need.weight:g}"


def _here(here: bool | None, makeable: bool) -> str:
    if here is None:
        return "remote"
    if here:
        return "yes"
    return "made by itself" if makeable else "MISSING"


def _draw_files(files: "Sequence[FileNeed]") -> None:
    if files:
        print("files\n")
        pairs(_file_lines(files))
        print()


def _file_lines(files: "Sequence[FileNeed]") -> Iterator[tuple[str, str]]:
    words = {True: "here, for ", False: "MISSING, for ", None: "for "}
    for need in files:
        yield f" {need.name}", words[need.here] + need.why
        if need.command and not need.here:
            yield "", need.command
        if need.without and need.here is False:
            yield "", f"or {need.without}"


def _draw_targets(targets: Sequence[dict[str, Any]]) -> None:
    print("to reach" if targets else "to reach   nothing was published for this training")
    if targets:
        print()
        pairs(reached(targets))
    print()


def reached(targets: Sequence[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Published figures -> for each rule and source a line of figures, and one of what is known of them."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for t in targets:
        known = "; ".join(filter(None, (t["source"], t["doubt"], t["note"])))
        words = f"{figure(t['metric'])} {t['value']:g}"
        groups.setdefault((t["protocol"], t["tta"], known), []).append(words)
    for (protocol, tta, known), figures in groups.items():
        yield f" {protocol}", ", ".join(figures) + (f" ({tta})" if tta else "")
        yield "", known


def _data_document(need: "DataNeed", recipe: "Recipe") -> dict[str, Any]:
    total = sum(member.weight for member in recipe.data.mix.values()) or 1.0
    shares = need.role == "training" and recipe.data.mixing in BY_SHARE
    return {
        **{key: value for key, value in vars(need).items() if key != "dataset"},
        "share": need.weight / total if shares else None,
        "dataset": need.dataset.name if need.dataset else None,
        "access": need.dataset.access if need.dataset else None,
        "licence": need.dataset.licence if need.dataset else None,
        "homepage": need.dataset.homepage if need.dataset else None,
    }
