"""What the commands of `hps recipes` take, and which recipes a word means."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

Name = Annotated[str, typer.Argument(help="A recipe's name or path.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value, as for `hps train`.")]


def chosen(pattern: str) -> Mapping[str, Path]:
    """A name, a folder (hmr/mixes) or a part of names -> the shipped recipes meant; "": all."""
    from hpscli.errors import UsageError, did_you_mean
    from hpscli.recipe import list_recipes

    known = list_recipes()
    word = pattern.removeprefix("recipes/").removesuffix(".toml").strip("/")
    if word in known:
        return {word: known[word]}
    inside = {name: path for name, path in known.items() if name.startswith(f"{word}/")}
    found = inside or {name: path for name, path in known.items() if word in name}
    if not found:
        folders = {folder_of(name) for name in known} - {""}
        fix = did_you_mean(word, [*folders, *known]) or f"Folders: {', '.join(sorted(folders))}"
        raise UsageError(f"no recipe has '{pattern}' in its name.", fix)
    return found


def folder_of(name: str) -> str:
    """ "hmr/mixes/mix01" -> "hmr/mixes"; of a recipe that lies flat "" ."""
    return name.rpartition("/")[0]
