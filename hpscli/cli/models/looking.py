"""hps models list | show: what there is, under which licences, and which weights are here."""

from collections.abc import Iterable
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.models.facts import model_document, row_of
from hpscli.cli.output import JsonOption, Output, console, pairs, table

if TYPE_CHECKING:
    from hpscli.hooks import ModelSpec

WIDE = 110  # columns of a terminal that hold everything in one table


def list_(
    pattern: Annotated[str, typer.Argument(help="Only names like this: 'hmr*'.")] = "*",
    json: JsonOption = False,
) -> None:
    """Every model: body, input size, presets, licence; which weights ship or were imported."""
    from hpscli.errors import UsageError
    from hpscli.nn.weights.store import model_folder
    from hpscli.registry import get_registry

    registry = get_registry()
    specs = [s for s in registry.all("model") if fnmatch(s.name, pattern) or pattern in s.name]
    if not specs and pattern != "*":
        known = ", ".join(registry.names("model")) or "none"
        raise UsageError(
            f"no model is named like '{pattern}'.",
            "\n".join([f"Known: {known}", *registry.broken()]),
        )
    rows = [row_of(spec, registry.origin("model", spec.name)) for spec in specs]
    problems = registry.problems()
    document = {"models": rows, "problems": problems, "folder": str(model_folder())}
    out = Output(json)
    out.result("models", document, lambda: _draw_list(rows))
    for problem in problems:
        out.say("attention", problem)
    absent = sum(w["state"] == "not here" for row in rows for w in row["weights"])
    if absent:
        out.say("note", f"released files that are not here: {absent}; which: hps models show NAME")


def show(
    name: Annotated[str, typer.Argument(help="A model's name.")],
    params: Annotated[
        bool, typer.Option("--params", help="Also count the parameters by part.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Count no parameters: answers at once.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """One model: presets, parameters, published numbers, assets, weights, licences.

    official_params counts what the authors' files hold, used_params what the network computes with.
    """
    from hpscli.registry import get_registry

    registry = get_registry()
    spec = registry.model(name)
    document = model_document(spec, registry.origin("model", name))
    out = Output(json)
    if not quick:
        out.say("counting", "parameters of every preset; --quick does without")
        _count(document, spec)
    if params:
        document["parameters"] = _parameters(spec)
    out.result("model", document, lambda: _draw(document))


def _count(document: dict[str, Any], spec: "ModelSpec") -> None:
    from hpscli.nn.official.counts import count_all

    for preset, counts in count_all(spec).items():
        document["variants"][preset].update(counts)


def _parameters(spec: "ModelSpec") -> dict[str, dict[str, int]]:
    """-> parameters by part, of every preset."""
    from hpscli.nn.counting.flops import count_parameters, meta_model

    presets = spec.presets or ("",)
    return {preset or "defaults": count_parameters(meta_model(spec, preset)) for preset in presets}


def _draw_list(rows: list[dict[str, Any]]) -> None:
    wide = console().width >= WIDE
    table(
        ("model", "body", "input", "presets", *(("licence", "from") if wide else ()), "summary"),
        [
            (
                r["name"],
                " ".join(r["bodies"]),
                _size(r["input_size"]),
                len(r["presets"]),
                *((r["licence"], r["origin"]) if wide else ()),
                r["summary"],
            )
            for r in rows
        ],
    )
    here = [w for row in rows for w in row["weights"] if w["state"] != "not here"]
    if here:
        table(
            ("weights here", "", "preset", "MB", "licence of the weights"),
            [(w["name"], w["state"], w["preset"] or "-", _mb(w), w["licence"]) for w in here],
        )


def _draw(document: dict[str, Any]) -> None:
    pairs(
        [
            ("model", f"{document['name']}   {document['summary']}"),
            ("from", document["origin"]),
            ("gives", " ".join(document["outputs"])),
            ("licence", f"{document['licence']} (code)"),
            *([("paper", document["paper"])] if document["paper"] else []),
            *(("reads", f"{at['name']}: {at['summary']}") for at in document["layouts"]),
        ]
    )
    if document["options"]:
        options = document["options"].items()
        table(("option", "default"), [(name, str(value)) for name, value in options])
    _draw_presets(document)
    _draw_assets(document["variants"])
    _draw_weights(document["weights"])
    for preset, parts in document.get("parameters", {}).items():
        shown = "   ".join(f"{part} {count:,}" for part, count in parts.items())
        print(f"parameters  {preset}: {shown}".replace(",", " "))


def _draw_presets(document: dict[str, Any]) -> None:
    """Names and counts stay whole; what a preset sets has a table of its own where it is narrow."""
    variants, wide = document["variants"], console().width >= WIDE
    counted = any("used_params" in variant for variant in variants.values())
    sets = {
        preset: variant.get("problem") or _changes(document["presets"].get(preset, {}))
        for preset, variant in variants.items()
    }
    table(
        (
            *("preset", "body", "input", "crop"),
            *(("official_params", "used_params") if counted else ()),
            *(("sets",) if wide else ()),
        ),
        [
            (
                preset or "(defaults)",
                v.get("body", "-"),
                _size(v.get("input_size", ())),
                v.get("crop", "-").rpartition(":")[2].lower(),
                *map(_number, (v.get("official_params"), v.get("used_params")) if counted else ()),
                *((sets[preset],) if wide else ()),
            )
            for preset, v in variants.items()
        ],
    )
    if not wide:
        table(("preset", "sets"), [(preset or "(defaults)", text) for preset, text in sets.items()])


def _draw_assets(variants: dict[str, dict[str, Any]]) -> None:
    """Which licensed files the authors' numbers need; free bodies do without."""
    users: dict[str, list[str]] = {}
    present: dict[str, bool] = {}
    for preset, variant in variants.items():
        for asset in variant.get("assets", ()):
            users.setdefault(asset["id"], []).append(preset)
            present[asset["id"]] = asset["present"]
    if users:
        table(
            ("asset (for the authors' numbers)", "here", "presets"),
            [
                (asset, "present" if present[asset] else "missing", _names(names, len(variants)))
                for asset, names in users.items()
            ],
        )


def _draw_weights(weights: list[dict[str, Any]]) -> None:
    """A block for each, for file names and licences must not be cut."""
    for w in weights:
        size = "" if w["bytes"] is None else f"   {_mb(w)} MB"
        about = [
            ("weights", f"{w['name']}   {w['state']}{size}"),
            ("  preset", w["preset"]),
            ("  file", w["official_file"]),
            ("  licence", f"{w['licence']} (weights)"),
            ("  published", ", ".join(f"{k} {v}" for k, v in w["results"].items())),
            ("  source", w["source"]),
            ("  note", w["note"]),
        ]
        pairs([(label, value) for label, value in about if value])


def _names(names: Iterable[str], all_of_them: int) -> str:
    names = list(names)
    return "all" if len(names) == all_of_them else " ".join(names)


def _changes(options: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in options.items()) or "-"


def _size(sides: Iterable[int]) -> str:
    return "x".join(str(side) for side in sides) or "-"


def _number(count: int | None) -> str:
    return "-" if count is None else f"{count:,}".replace(",", " ")


def _mb(weights: dict[str, Any]) -> str:
    return "-" if weights["bytes"] is None else f"{weights['bytes'] / 1e6:.1f}"
