"""A recipe: one TOML file that says everything about an experiment; typed, checked, hashed.

Reading order: the one base recipe that it may name, the file itself, `key=value` overrides.
Files whose names begin with _ are bases of a family: not listed, not run.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import tomlkit
from pydantic import BaseModel, ValidationError

from hpscli.errors import MissingError, UsageError, did_you_mean
from hpscli.mistakes import mistakes
from hpscli.recipe.finding import (
    find_base,
    find_recipe,
    folder_of,
    list_recipes,
    recipe_folders,
    recipes_like,
    run_name,
)
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
    "as_start",
    "find_recipe",
    "flat_values",
    "folder_of",
    "known_keys",
    "list_recipes",
    "load_recipe",
    "recipe_folders",
    "recipe_hash",
    "recipes_like",
    "to_toml",
    "validated",
]


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """A path or name, and `key=value` words -> the checked recipe."""
    path = find_recipe(name)
    raw = _read(path)
    if base := raw.get("base"):
        if not isinstance(base, str):
            raise UsageError(f"{path}: base wants the name of one recipe, not {base!r}.")
        local = path.parent / f"{base}.toml"
        if local.resolve() == path.resolve():
            raise UsageError(f"recipe '{path}' is its own base.", "Take the line base = ... out.")
        below = _read(local if local.is_file() else find_base(base))
        if below.get("base"):
            raise UsageError(
                f"recipe '{path}' has base '{base}', which has a base itself: one only.",
                f'Its base: base = "{below["base"]}"; or write it out: '
                f"hps recipes show {base} --resolved > FILE",
            )
        below.pop("name", None)  # runs of a recipe of one's own are not runs of its base
        raw = _merged(below, raw)
    raw.setdefault("name", run_name(path))
    known = resolve_mix(raw, str(path))
    typed = [_override(raw, word, known) for word in overrides]
    return validated(raw, str(path), typed, known)


def resolve_mix(raw: dict[str, Any], origin: str) -> Mapping[str, Any]:
    """Put members of [data.members] where the mix names them by a number, which is their weight;
    the table goes away, for it is a family's catalogue and no part of one experiment -> the table."""
    data = raw.get("data", {})
    known = data.pop("members", {}) if isinstance(data, dict) else {}
    mix = data.get("mix", {}) if isinstance(data, dict) else {}
    if not isinstance(known, dict) or not all(isinstance(e, dict) for e in known.values()):
        raise UsageError(
            f"{origin}: data.members wants a table of tables.",
            'For example: [data.members.mine] shards = "shards/mine/train"',
        )
    for name, entry in mix.items() if isinstance(mix, dict) else ():
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


def validated(
    raw: Mapping[str, Any],
    origin: str,
    typed: Sequence[str] = (),
    catalogue: Mapping[str, Any] = MappingProxyType({}),
) -> Recipe:
    """A parsed TOML document, its file, the keys that were typed, [data.members] -> the recipe, or
    every mistake."""
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        members = {*catalogue, *_whole_members(raw)}
        raise mistakes(error, Recipe, known_keys(), origin, typed, members) from None


def _whole_members(raw: Mapping[str, Any]) -> list[str]:
    """-> the members of the mix that say where their shards are."""
    data = raw.get("data")
    mix = data.get("mix") if isinstance(data, Mapping) else None
    mix = mix if isinstance(mix, Mapping) else {}
    return [name for name, entry in mix.items() if isinstance(entry, Mapping) and "shards" in entry]


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


def as_start(recipe: Recipe) -> str:
    """-> the same for a file of one's own: its name, whom it follows and what was published stay behind."""
    document = recipe.model_dump(mode="json", exclude_none=True, exclude={"base", "name"})
    for key in ("source", "targets"):
        del document["about"][key]
    return tomlkit.dumps(document)


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
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a mark first
    except FileNotFoundError:
        raise MissingError(f"no recipe file {path}.") from None
    except (ValueError, RecursionError) as error:  # of TOML, of letters, of endless numbers
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
    except (ValueError, RecursionError):
        value = text
    if key == "base":
        raise UsageError("base: a recipe's base is written in its file.", f"hps train {value}")
    asked = key
    if key.startswith("data.mix.") and key.count(".") == 2 and _is_number(value):
        name = key.rpartition(".")[2]
        _table(raw, key, ["data", "mix"]).setdefault(name, dict(members.get(name, {})))
        key += ".weight"
    *parents, last = key.split(".")
    place = _table(raw, key, parents)
    place[last] = value
    if key == "model.name":  # options belong to the model they were written for
        place.pop("options", None)
        place.pop("preset", None)
    return asked


def _table(raw: dict[str, Any], key: str, parents: Sequence[str]) -> dict[str, Any]:
    """A parsed document, a dotted key that is set, the parts before its last -> the table there."""
    place = raw
    for part in parents:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise UsageError(f"'{key}': '{part}' is a value, not a table.")
    return place
