"""hps plugins list | new | check: what extends this installation, and how to extend it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, table

if TYPE_CHECKING:
    from hpscli.registry import Plugin
    from hpscli.testing.conformance.checks import Check

app = typer.Typer(
    help="Plugins: packages that bring models, data sets, protocols, writers, commands.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
new = typer.Typer(help="Write an installable plugin package.", no_args_is_help=True)
app.add_typer(new, name="new")

Name = Annotated[str, typer.Argument(help="What the model or data set shall be called.")]
Where = Annotated[Path | None, typer.Option("--out", help="Folder to write; default: ./hps-NAME.")]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that exists.")]


@app.command("list")
def list_(json: JsonOption = False) -> None:
    """Every plugin: where it comes from, what it registered, what is wrong with it."""
    from hpscli.registry import get_registry

    registry = get_registry()
    rows = [_row(plugin) for plugin in registry.plugins]
    problems = registry.problems()

    def draw() -> None:
        table(
            ("plugin", "from", "brings"),
            [(r["name"], r["origin"], _brings(r)) for r in rows],
        )
        for problem in problems:
            print(f"BROKEN  {problem}")

    Output(json).result("plugins", {"plugins": rows, "problems": problems}, draw)


@new.command("model")
def new_model(name: Name, out: Where = None, force: Force = False) -> None:
    """A small SMPL regressor that trains, with its test: change it into yours."""
    _new("model", name, out, force)


@new.command("dataset")
def new_dataset(name: Name, out: Where = None, force: Force = False) -> None:
    """A data set read from a folder with people.jsonl, with its test: change it into yours."""
    _new("dataset", name, out, force)


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A plugin, a model or a data set.")],
    root: Annotated[
        Path | None, typer.Option("--from", help="Original files of a data set, to read some.")
    ] = None,
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Also export models to ONNX and compare.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run the conformance kit on everything that a plugin brings."""
    from hpscli.errors import CheckFailed
    from hpscli.testing.conformance import check_plugin

    out = Output(json)
    checks = check_plugin(name, root=root, onnx=onnx, say=out.say)
    failed = [c for c in checks if not c.ok]
    document = {"name": name, "ok": not failed, "checks": [vars(c) for c in checks]}

    def draw() -> None:
        table(
            ("of", "check", "verdict", "says"),
            [(c.subject, c.name, _verdict(c), c.says) for c in checks],
        )

    out.result("plugin-check", document, draw)
    if failed:
        raise CheckFailed(
            f"{len(failed)} of {len(checks)} checks of '{name}' failed; first: {failed[0].name}: "
            f"{failed[0].says}"
        )


def _verdict(check: "Check") -> str:
    return ("ok" if check.ok else "FAIL") if check.ran else "not run"


def _new(kind: str, name: str, out: Path | None, force: bool) -> None:
    from hpscli.testing.scaffold import write_package

    folder, files = write_package(kind, name, out, force=force)
    story = Output()
    for path in files:
        print(path)
    plugin = next(path for path in files if path.name == "plugin.py")
    example = folder / "example"
    source = f" --from {example}" if kind == "dataset" else ""
    story.say("wrote", f"{folder}   {len(files)} files")
    story.say("try", f"HPS_PLUGINS={plugin} hps plugins check {name}{source}")
    use = (
        f"hps train recipes/tiny.toml model.name={name}"
        if kind == "model"
        else f"hps prepare {name} --from {example} --out shards/{name}"
    )
    story.next(f"pip install -e {folder} && {use}")


def _row(plugin: "Plugin") -> dict[str, Any]:
    return {
        "name": plugin.name,
        "origin": plugin.origin,
        "brings": [{"kind": kind, "name": record.name} for kind, record in plugin.records],
        "problems": list(plugin.problems),
    }


def _brings(row: dict[str, Any]) -> str:
    kinds: dict[str, list[str]] = {}
    for entry in row["brings"]:
        kinds.setdefault(entry["kind"], []).append(entry["name"])
    return "; ".join(f"{kind} {' '.join(names)}" for kind, names in kinds.items()) or "nothing"
