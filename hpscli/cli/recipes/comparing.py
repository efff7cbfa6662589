"""hps recipes diff: what differs between two recipes, section by section."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, table
from hpscli.cli.recipes.arguments import Name

if TYPE_CHECKING:
    from hpscli.recipe import Recipe

MIX = "data.mix."
IDENTITY = ("name", "base")  # of the file: always another one
ABOUT = "about."


def diff(
    first: Name,
    second: Name,
    all_: Annotated[
        bool, typer.Option("--all", help=r"Also what changes no training: name, base, \[about].")
    ] = False,
    json: JsonOption = False,
) -> None:
    """What differs between two recipes after resolution; mixes as shares."""
    from hpscli.recipe import flat_values, load_recipe

    one, two = load_recipe(first), load_recipe(second)
    a, b = flat_values(one), flat_values(two)
    keys = [key for key in {**a, **b} if a.get(key) != b.get(key)]
    sections = _sections(keys, a, b, all_)
    shares = _shares(one), _shares(two)
    mix = {
        name: [shares[0].get(name), shares[1].get(name)]
        for name in {**shares[0], **shares[1]}
        if shares[0].get(name) != shares[1].get(name)
    }
    document = {
        "differences": {key: [a.get(key), b.get(key)] for key in keys},
        "mix_shares": mix,
    }

    def draw() -> None:
        rows: list[tuple[str, str, str]] = []
        if mix:
            rows.append(("[data.mix] shares", "", ""))
            rows += [(f"  {name}", _share(x), _share(y)) for name, (x, y) in mix.items()]
        for section, entries in sections.items():
            rows.append((f"[{section}]" if section else "of the file", "", ""))
            rows += [(f"  {name}", shown(x), shown(y)) for name, (x, y) in entries.items()]
        if rows:
            table(("", first, second), rows)
        else:
            print(f"{first} and {second} are the same training.")

    Output(json).result("recipe-diff", document, draw)


def _sections(
    keys: list[str], a: Mapping[str, Any], b: Mapping[str, Any], whole: bool
) -> dict[str, dict[str, tuple[Any, Any]]]:
    """Dotted keys that differ -> {section: {key: (first, second)}}.

    Members that only one side has are told by their shares, and weights are.
    """
    found: dict[str, dict[str, tuple[Any, Any]]] = {}
    for key in keys:
        if not whole and (key in IDENTITY or key.startswith((ABOUT, "summary"))):
            continue
        if shown(a.get(key)) == shown(b.get(key)):  # absent, and empty
            continue
        section, _, name = key.partition(".")
        if not name:
            section, name = "", key
        if key.startswith(MIX):
            member, _, name = key.removeprefix(MIX).partition(".")
            section = f"{MIX}{member}"
            both = all(any(k.startswith(f"{section}.") for k in side) for side in (a, b))
            if name == "weight" or not both:
                continue
        found.setdefault(section, {})[name] = (a.get(key), b.get(key))
    return found


def _shares(recipe: "Recipe") -> dict[str, float]:
    """-> the part of all weights that each member has."""
    total = sum(member.weight for member in recipe.data.mix.values()) or 1.0
    return {
        name: round(member.weight / total, 6)
        for name, member in recipe.data.mix.items()
        if member.weight > 0
    }


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def shown(value: object) -> str:
    """A value of a recipe -> how a table shows it."""
    if value is None or value in ("", (), [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(shown(entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
