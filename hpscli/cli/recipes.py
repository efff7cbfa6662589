"""hps recipes list | show | diff | check: experiments as files."""

from typing import Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, pairs, table

app = typer.Typer(
    help="Recipes: one TOML file per experiment.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="A recipe's name or path.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value, as for `hps train`.")]


@app.command("list")
def list_(json: JsonOption = False) -> None:
    """Every recipe that ships, with its model and data."""
    from hpscli.recipe import list_recipes, load_recipe

    rows: list[dict[str, Any]] = []
    for name, path in list_recipes().items():
        recipe = load_recipe(str(path))
        rows.append(
            {
                "name": name,
                "model": recipe.model.name,
                "data": list(recipe.data.mix),
                "epochs": recipe.train.epochs,
                "summary": recipe.summary,
            }
        )

    def draw() -> None:
        table(
            ("recipe", "model", "data", "epochs", "summary"),
            [(r["name"], r["model"], " ".join(r["data"]), r["epochs"], r["summary"]) for r in rows],
        )

    Output(json).result("recipes", {"recipes": rows}, draw)


@app.command()
def show(name: Name, overrides: Overrides = None, json: JsonOption = False) -> None:
    """The recipe as it would run: base, file and overrides resolved, every default written out."""
    from hpscli.recipe import load_recipe, recipe_hash, to_toml

    recipe = load_recipe(name, overrides or [])
    document = {"hash": recipe_hash(recipe), "recipe": recipe.model_dump(mode="json")}
    Output(json).result("recipe", document, lambda: print(to_toml(recipe), end=""))


@app.command()
def diff(first: Name, second: Name, json: JsonOption = False) -> None:
    """What differs between two recipes after resolution."""
    from hpscli.recipe import flat_values, load_recipe

    a, b = flat_values(load_recipe(first)), flat_values(load_recipe(second))
    keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
    document = {"differences": {key: [a.get(key), b.get(key)] for key in keys}}

    def draw() -> None:
        table(
            ("key", first, second), [(key, _shown(a.get(key)), _shown(b.get(key))) for key in keys]
        )

    Output(json).result("recipe-diff", document, draw)


@app.command()
def check(name: Name, overrides: Overrides = None, json: JsonOption = False) -> None:
    """Is every key known, every value of the right type, every name registered?"""
    from hpscli.recipe import load_recipe, recipe_hash
    from hpscli.registry import get_registry

    recipe = load_recipe(name, overrides or [])
    registry = get_registry()
    spec = registry.model(recipe.model.name)
    if recipe.data.validation:
        registry.protocol(recipe.data.validation.protocol)
    document = {"ok": True, "hash": recipe_hash(recipe), "model": spec.name}
    Output(json).result(
        "recipe-check",
        document,
        lambda: pairs([("ok", name), ("hash", document["hash"]), ("model", spec.summary)]),
    )


def _shown(value: object) -> str:
    return "-" if value is None else str(value)
