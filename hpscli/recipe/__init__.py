"""A recipe: one TOML file that says everything about an experiment; typed, checked, hashed.

Reading order: the one base recipe that it may name, the file itself, `key=value` overrides.
Files whose names begin with _ are bases of a family: not listed, not run.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import tomlkit
from pydantic import BaseModel, ValidationError

from hpscli.errors import MissingError, UsageError, did_you_mean
from hpscli.mistakes import mistakes
from hpscli.recipe.schema import (
    About,
    Adversary,
    Augment,
    Data,
    Export,
    Group,
    Member,
    Model,
    Optim,
    Recipe,
    Section,
    Target,
    Train,
    Validation,
)

__all__ = [
    "About",
    "Adversary",
    "Augment",
    "Data",
    "Export",
    "Group",
    "Member",
    "Model",
    "Optim",
    "Recipe",
    "Section",
    "Target",
    "Train",
    "Validation",
    "find_recipe",
    "flat_values",
    "known_keys",
    "list_recipes",
    "load_recipe",
    "recipe_folders",
    "recipe_hash",
    "to_toml",
    "validated",
]


def recipe_folders() -> list[Path]:
    """-> where recipes are looked for by name: beside the checkout, or inside the wheel."""
    package = Path(__file__).parents[1]
    return [f for f in (package.parent / "recipes", package / "_recipes") if f.is_dir()]


def list_recipes() -> dict[str, Path]:
    """-> every shipped recipe by name (`tiny`, `hmr/mix01`)."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for folder in recipe_folders()
        for path in sorted(folder.rglob("*.toml"))
        if not path.name.startswith("_")
    }


def find_recipe(name: str) -> Path:
    """A path, or the name of a shipped recipe -> the file."""
    path = Path(name)
    if path.is_file():
        return path
    stem = path.with_suffix("").as_posix().removeprefix("recipes/")
    for folder in recipe_folders():
        if (file := folder / f"{stem}.toml").is_file() and not file.name.startswith("_"):
            return file
    known = list_recipes()
    near = did_you_mean(stem, known).replace("Did you mean '", "Did you mean 'recipes/")
    fix = near.replace("'?", ".toml'?") if near else "See: hps recipes list"
    raise UsageError(f"no recipe '{name}'.", fix)


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """A path or name, and `key=value` words -> the checked recipe."""
    path = find_recipe(name)
    raw = _read(path)
    if base := raw.get("base"):
        local = path.parent / f"{base}.toml"
        below = _read(local if local.is_file() else _find_base(base))
        if below.get("base"):
            raise UsageError(
                f"recipe '{path}' has base '{base}', which has a base itself: one only.",
                f'Its base: base = "{below["base"]}"; or write it out: '
                f"hps recipes show {base} --resolved > FILE",
            )
        below.pop("name", None)  # runs of a recipe of one's own are not runs of its base
        raw = _merged(below, raw)
    raw.setdefault("name", _name(path))
    known = resolve_mix(raw, str(path))
    typed = [_override(raw, word, known) for word in overrides]
    return validated(raw, str(path), typed)


def resolve_mix(raw: dict[str, Any], origin: str) -> Mapping[str, Any]:
    """Put members of [data.members] where the mix names them by a number, which is their weight;
    the table goes away, for it is a family's catalogue and no part of one experiment -> the table."""
    data = raw.get("data", {})
    known: dict[str, Any] = data.pop("members", {}) if isinstance(data, dict) else {}
    mix = data.get("mix", {}) if isinstance(data, dict) else {}
    for name, entry in mix.items():
        if _is_number(entry):
            if name not in known:
                raise UsageError(
                    f"{origin}: data.mix.{name} is a number, but [data.members] has no '{name}'.",
                    did_you_mean(name, known) or "Say where its shards are: { shards = ... }",
                )
            mix[name] = {**known[name], "weight": entry}
    return known


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _name(path: Path) -> str:
    """A recipe's file -> its name, unless it says another: that of the file, after its folders."""
    place = path.resolve()
    for folder in recipe_folders():
        if place.is_relative_to(folder.resolve()):
            return "-".join(place.relative_to(folder.resolve()).with_suffix("").parts)
    return path.stem


def _find_base(name: str) -> Path:
    """-> the file of a base, which is not listed: its name starts with _."""
    for folder in recipe_folders():
        if (file := folder / f"{name}.toml").is_file():
            return file
    return find_recipe(name)


def validated(raw: Mapping[str, Any], origin: str, typed: Sequence[str] = ()) -> Recipe:
    """A parsed TOML document, its file, the keys that were typed -> the recipe, or every mistake."""
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        raise mistakes(error, Recipe, known_keys(), origin, typed) from None


def known_keys(section: type[BaseModel] = Recipe, prefix: str = "") -> list[str]:
    """-> every dotted key of a recipe."""
    keys: list[str] = []
    for name, entry in section.model_fields.items():
        keys.append(prefix + name)
        kind = entry.annotation
        optional = [part for part in get_args(kind) if part is not type(None)]
        if len(optional) == 1:  # a section that may be absent
            kind = optional[0]
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            keys += known_keys(kind, f"{prefix}{name}.")
    return keys


def recipe_hash(recipe: Recipe) -> str:
    """-> 16 hex digits that change when anything in the resolved recipe changes."""
    text = json.dumps(recipe.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def to_toml(recipe: Recipe) -> str:
    """-> the resolved recipe, complete, as TOML that loads to the same recipe."""
    return tomlkit.dumps(recipe.model_dump(mode="json", exclude_none=True, exclude={"base"}))


def flat_values(recipe: Recipe) -> dict[str, Any]:
    """-> every value of the resolved recipe by dotted key."""
    flat: dict[str, Any] = {}

    def walk(value: Any, prefix: str) -> None:
        if isinstance(value, Mapping) and value:
            for key, below in value.items():
                walk(below, f"{prefix}.{key}" if prefix else key)
        else:
            flat[prefix] = value

    walk(recipe.model_dump(mode="json"), "")
    return flat


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(f"no recipe file {path}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {error}.") from None


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(both.get(key), Mapping):
            both[key] = _merged(both[key], value)
        else:
            both[key] = value
    return both


def _override(raw: dict[str, Any], word: str, members: Mapping[str, Any]) -> str:
    """Set one dotted `key=value` in a parsed document; TOML, or else a plain string -> the key."""
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise UsageError(f"'{word}' is not key=value.", "For example: optim.lr=1e-4")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    if key.startswith("data.mix.") and key.count(".") == 2 and _is_number(value):
        name = key.rpartition(".")[2]
        mix = raw.setdefault("data", {}).setdefault("mix", {})
        mix.setdefault(name, dict(members.get(name, {})))["weight"] = value
        return key
    *parents, last = key.split(".")
    place = raw
    for part in parents:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise UsageError(f"'{key}': '{part}' is a value, not a table.")
    place[last] = value
    if key == "model.name":  # options belong to the model they were written for
        place.pop("options", None)
        place.pop("preset", None)
    return key
