"""hps recipes list: every recipe by family and folder, what it is to reach, whether it can start."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, table

if TYPE_CHECKING:
    from pathlib import Path

    from hpscli.hooks import ProtocolSpec
    from hpscli.recipe import Recipe
    from hpscli.registry import Registry
    from hpscli.train.recipes.targets import Goal

SHOWN_LETTERS = 16  # of the members of a mix; of more, their number
SHOWN_GOALS = 2


def list_(
    folder: Annotated[str, typer.Argument(help="Only these: hmr/mixes, freihand, '*_free'.")] = "",
    model: Annotated[str, typer.Option(help="Only of this model: graphormer.")] = "",
    ready: Annotated[bool, typer.Option("--ready", help="Only those whose data are here.")] = False,
    json: JsonOption = False,
) -> None:
    """Every recipe that ships: model, data, published numbers, and whether its data are here."""
    from hpscli.recipe import recipes_like
    from hpscli.registry import get_registry

    registry = get_registry()
    if model:
        registry.model(model)
    rows = [_row(registry, name, path) for name, path in recipes_like(folder).items()]
    kept = [r for r in rows if model in ("", r["model"]) and (r["ready"] or not ready)]

    def draw() -> None:
        for title, members in _groups(kept).items():
            models = {r["model"] for r in members}
            if not any(model in title for model in models):
                title = f"{title}   {' '.join(sorted(models))}"
            table(
                ("recipe", "model", "data", "published", "ready"),
                [
                    (
                        r["name"],
                        _model(r, models),
                        _data(r["data"]),
                        _goals(r["targets"]),
                        _ready(r),
                    )
                    for r in members
                ],
                title=title,
            )

    output = Output(json)
    output.result("recipes", {"recipes": kept}, draw)
    output.say(
        "recipes",
        f"{len(kept)} of {len(rows)} shown, {sum(r['ready'] for r in kept)} of these ready to train",
    )
    output.next("hps recipes show NAME     what it needs, and what to type")


def _row(registry: "Registry", name: str, path: "Path") -> dict[str, Any]:
    """-> everything that the list says of one recipe; what is wrong with it, when it cannot be read."""
    from hpscli.errors import HpsError
    from hpscli.recipe import folder_of, load_recipe
    from hpscli.train.recipes.needs import data_needs, missing_data

    row: dict[str, Any] = {"name": name, "folder": folder_of(name), "ready": False, "problem": ""}
    empty = {"model": "", "preset": "", "data": [], "targets": [], "missing": []}
    try:
        recipe = load_recipe(str(path))
        needs = data_needs(recipe, registry)
        missing = missing_data(needs)
        return row | {
            "model": recipe.model.name,
            "preset": recipe.model.preset,
            "summary": recipe.summary,
            "source": recipe.about.source,
            "data": [need.name for need in needs if need.role == "training"],
            "mixing": recipe.data.mixing,
            "epochs": recipe.train.epochs,
            "targets": targets_of(recipe, registry),
            "ready": not missing,
            "missing": [need.name for need in missing],
        }
    except HpsError as error:
        return row | empty | {"problem": str(error), "summary": ""}


def targets_of(recipe: "Recipe", registry: "Registry") -> list[dict[str, Any]]:
    """-> the published numbers of a recipe, as a document."""
    from hpscli.train.recipes.targets import goals

    return [_document(goal) for goal in goals(recipe, registry)]


def _document(goal: "Goal") -> dict[str, Any]:
    protocol, number = goal.protocol, goal.published
    return {
        "protocol": protocol.name,
        "testset": _short(protocol),
        "metric": number.metric,
        "value": number.value,
        "label": number.label,
        "tta": number.tta,
        "source": number.source,
        "doubt": number.doubt,
        "note": number.note,
    }


def _short(protocol: "ProtocolSpec") -> str:
    return protocol.testset.removeprefix("mpi-")


def _groups(rows: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """-> the flat ones by model, then folder by folder."""
    found: dict[str, list[dict[str, Any]]] = {}
    flat = sorted((r for r in rows if not r["folder"]), key=lambda r: r["model"])
    for row in [*flat, *(r for r in rows if r["folder"])]:
        found.setdefault(f"recipes/{row['folder']}" if row["folder"] else row["model"], []).append(
            row
        )
    return found


def _model(row: Mapping[str, Any], models: Collection[str]) -> str:
    """-> the preset, and the model where the group has several."""
    alone = row["preset"] and len(models) == 1
    return row["preset"] if alone else " ".join(filter(None, (row["model"], row["preset"])))


def _data(names: Sequence[str]) -> str:
    text = " ".join(names)
    return text if len(names) == 1 or len(text) <= SHOWN_LETTERS else f"{len(names)} data sets"


def _goals(targets: Sequence[Mapping[str, Any]]) -> str:
    """-> "3dpw PA-MPJPE 64.2, MPJPE 105.1 ..."; in doubt: with a question mark."""
    if not targets:
        return ""
    first = targets[0]["testset"]
    same = [t for t in targets if t["testset"] == first]
    said = [
        f"{figure(t['metric'])} {t['value']:g}" + "?" * bool(t["doubt"]) for t in same[:SHOWN_GOALS]
    ]
    more = " ..." if len(targets) > SHOWN_GOALS else ""
    return f"{first} {', '.join(said)}{more}"


def figure(metric: str) -> str:
    """ "pa_mpjpe" -> "PA-MPJPE"; names of a rule's own figures stay."""
    return metric.upper().replace("_", "-") if metric.replace("_", "").isalpha() else metric


def _ready(row: Mapping[str, Any]) -> str:
    if row["problem"]:
        return row["problem"]  # type: ignore[no-any-return]
    missing = row["missing"]
    if not missing:
        return "yes"
    return f"{len(missing)} missing" if len(missing) > 1 else f"no {missing[0]}"
