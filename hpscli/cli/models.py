"""hps models list | show: what can be trained and run, and under which licences."""

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, pairs, table

if TYPE_CHECKING:
    from hpscli.hooks import ModelSpec

app = typer.Typer(
    help="Models: networks that plugins bring, with options, presets and weights.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(help="Only names like this: 'hmr*'.")] = "*",
    json: JsonOption = False,
) -> None:
    """Every model: body, input size, weights, licence."""
    from hpscli.errors import UsageError
    from hpscli.registry import get_registry

    registry = get_registry()
    specs = [s for s in registry.all("model") if fnmatch(s.name, pattern) or pattern in s.name]
    if not specs and pattern != "*":
        known = ", ".join(registry.names("model")) or "none"
        raise UsageError(
            f"no model is named like '{pattern}'.",
            "\n".join([f"Known: {known}", *registry.broken()]),
        )
    rows = [_row(spec, registry.origin("model", spec.name)) for spec in specs]

    def draw() -> None:
        table(
            ("model", "body", "input", "presets", "weights", "licence", "from", "summary"),
            [
                (
                    r["name"],
                    r["body"],
                    "x".join(str(side) for side in r["input_size"]),
                    " ".join(r["presets"]) or "-",
                    " ".join(r["weights"]) or "-",
                    r["licence"],
                    r["origin"],
                    r["summary"],
                )
                for r in rows
            ],
        )

    out = Output(json)
    out.result("models", {"models": rows, "problems": registry.problems()}, draw)
    for problem in registry.problems():
        out.say("attention", problem)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A model's name.")],
    params: Annotated[
        bool, typer.Option("--params", help="Build it and count its parameters (imports torch).")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Options, presets, weights and licences of one model."""
    from hpscli.registry import get_registry

    registry = get_registry()
    spec = registry.model(name)
    document = _document(spec, registry.origin("model", name))
    if params:
        document["parameters"] = _parameters(spec)
    Output(json).result("model", document, lambda: _draw(document))


def _row(spec: "ModelSpec", origin: str) -> dict[str, Any]:
    return {
        "name": spec.name,
        "body": spec.body,
        "input_size": list(spec.input_size),
        "presets": list(spec.presets),
        "weights": [weights.tag for weights in spec.weights],
        "licence": spec.licence,
        "origin": origin,
        "summary": spec.summary,
    }


def _document(spec: "ModelSpec", origin: str) -> dict[str, Any]:
    weights = [
        {
            "name": f"{spec.name}.{entry.tag}",
            "licence": entry.licence,
            "ships": bool(entry.file),
            "sha256": entry.sha256,
            "homepage": entry.homepage,
            "note": entry.note,
            "results": dict(entry.results),
        }
        for entry in spec.weights
    ]
    return _row(spec, origin) | {
        "outputs": list(spec.outputs),
        "options": dict(spec.defaults),
        "presets": {preset: dict(options) for preset, options in spec.presets.items()},
        "weights": weights,
        "losses": spec.losses,
        "mean": list(spec.mean),
        "std": list(spec.std),
        "paper": spec.paper,
    }


def _parameters(spec: "ModelSpec") -> dict[str, dict[str, int]]:
    """-> parameters by part, of the defaults and of every preset."""
    from hpscli.nn.flops import count_parameters, meta_model

    return {
        preset or "defaults": count_parameters(meta_model(spec, preset))
        for preset in ("", *spec.presets)
    }


def _draw(document: dict[str, Any]) -> None:
    height, width = document["input_size"]
    pairs(
        [
            ("model", f"{document['name']}   {document['summary']}"),
            ("from", document["origin"]),
            ("body", document["body"]),
            ("input", f"{height}x{width} px"),
            ("gives", " ".join(document["outputs"])),
            ("licence", f"{document['licence']} (code)"),
            *([("paper", document["paper"])] if document["paper"] else []),
        ]
    )
    if document["options"]:
        presets = document["presets"]
        columns = ("option", "default", *presets)
        table(
            columns,
            [
                (name, str(value), *(str(p[name]) if name in p else "" for p in presets.values()))
                for name, value in document["options"].items()
            ],
        )
    if document["weights"]:
        table(
            ("weights", "licence", "ships", "results", "note"),
            [
                (
                    w["name"],
                    w["licence"],
                    w["ships"],
                    ", ".join(f"{k} {v}" for k, v in w["results"].items()) or "-",
                    w["note"] or w["homepage"] or "-",
                )
                for w in document["weights"]
            ],
        )
    for preset, parts in document.get("parameters", {}).items():
        shown = "   ".join(f"{part} {count:,}" for part, count in parts.items())
        print(f"parameters  {preset}: {shown}".replace(",", " "))
