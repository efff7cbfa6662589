"""A recipe: one TOML file that says everything about an experiment; typed, checked, hashed.

Reading order: the one base recipe that it may name, the file itself, `key=value` overrides.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import tomlkit
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hpscli.errors import MissingError, UsageError, did_you_mean
from hpscli.mistakes import mistakes


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Model(Section):
    name: str
    preset: str = ""
    options: dict[str, Any] = {}  # checked against the plugin's declared options when built
    body: Literal["", "free", "imported"] = ""  # "": imported files when there are any, else free
    init: str = ""  # weights to start from: file, model.tag or run folder


class Member(Section):
    """One data set of the training mix."""

    shards: str  # folder or URL with index.json
    weight: float = Field(1.0, ge=0)
    limit: int = Field(0, ge=0)  # use only the first N samples; 0: all
    prepare: str = ""  # what to type after `hps prepare` to make these shards


class Validation(Section):
    shards: str
    protocol: str
    limit: int = Field(0, ge=0)
    batch: int = Field(32, ge=1)
    prepare: str = ""  # as in the mix


class Data(Section):
    mix: dict[str, Member] = {}
    validation: Validation | None = None
    image_size: tuple[int, int] | None = None  # (height, width); default: the model's own
    joints: str = "smpl24"  # joint set of the supervision
    workers: int = Field(1, ge=0)
    crop_scale: float = Field(1.0, gt=0)


class Augment(Section):
    """Random changes of training crops; ranges are +-."""

    flip: float = Field(0.5, ge=0, le=1)
    rotation_degrees: float = Field(30.0, ge=0, le=180)
    rotation_chance: float = Field(0.6, ge=0, le=1)
    scale: float = Field(0.25, ge=0, lt=1)
    shift: float = Field(0.0, ge=0, lt=1)  # of the box side
    colour: float = Field(0.4, ge=0, lt=1)  # per-channel multiplier
    erase: float = Field(0.0, ge=0, le=1)  # chance of a random rectangle


class Optim(Section):
    name: Literal["adam", "adamw", "sgd"] = "adamw"
    lr: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.9
    batch: int = Field(32, ge=1)  # per process
    global_batch: int = Field(0, ge=0)  # what the numbers were published with; 0: not stated
    accumulate: int = Field(1, ge=1)
    clip_norm: float = Field(0.0, ge=0)  # 0: off
    ema: float = Field(0.0, ge=0, lt=1)  # decay; 0: off
    schedule: Literal["constant", "cosine", "step"] = "constant"
    warmup_steps: int = Field(0, ge=0)
    step_epochs: tuple[int, ...] = ()  # schedule = "step": multiply lr by step_factor after these
    step_factor: float = 0.1


class Train(Section):
    epochs: int = Field(1, ge=1)
    epoch_samples: int = Field(..., ge=1)  # an epoch is a number of samples, over all processes
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    log_every: int = Field(50, ge=1)  # optimiser steps
    checkpoint_every: int = Field(1000, ge=1)  # optimiser steps; also at each epoch's end
    keep: int = Field(2, ge=1)  # numbered checkpoints kept besides best and last
    overlays: int = Field(4, ge=0)  # pictures per epoch


class Recipe(Section):
    name: str
    summary: str = ""
    base: str = ""
    seed: int = 0
    needs: tuple[str, ...] = ()  # data sets and assets that a person must bring
    model: Model
    data: Data
    augment: Augment = Augment()
    loss: dict[str, float] = {}  # name of a loss of the model -> weight
    optim: Optim = Optim()
    train: Train


def recipe_folders() -> list[Path]:
    """-> where recipes are looked for by name: beside the checkout, or inside the wheel."""
    package = Path(__file__).parent
    return [f for f in (package.parent / "recipes", package / "_recipes") if f.is_dir()]


def list_recipes() -> dict[str, Path]:
    """-> every shipped recipe by name (`tiny`, `hmr/mix01`)."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for folder in recipe_folders()
        for path in sorted(folder.rglob("*.toml"))
    }


def find_recipe(name: str) -> Path:
    """A path, or the name of a shipped recipe -> the file."""
    path = Path(name)
    if path.is_file():
        return path
    known = list_recipes()
    stem = path.with_suffix("").as_posix().removeprefix("recipes/")
    if stem in known:
        return known[stem]
    near = did_you_mean(stem, known).replace("Did you mean '", "Did you mean 'recipes/")
    fix = near.replace("'?", ".toml'?") if near else "See: hps recipes list"
    raise UsageError(f"no recipe '{name}'.", fix)


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """A path or name, and `key=value` words -> the checked recipe."""
    path = find_recipe(name)
    raw = _read(path)
    if base := raw.get("base"):
        local = path.parent / f"{base}.toml"
        below = _read(local if local.is_file() else find_recipe(base))
        if below.get("base"):
            raise UsageError(
                f"recipe '{path}' has base '{base}', which has a base itself: one only."
            )
        raw = _merged(below, raw)
    typed = [_override(raw, word) for word in overrides]
    return validated(raw, str(path), typed)


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
        if name == "validation":
            kind = Validation
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


def _override(raw: dict[str, Any], word: str) -> str:
    """Set one dotted `key=value` in a parsed document; TOML, or else a plain string -> the key."""
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise UsageError(f"'{word}' is not key=value.", "For example: optim.lr=1e-4")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
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
