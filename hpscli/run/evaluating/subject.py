"""Who predicted: a model of ours, or whoever made a file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hpscli.body.layer import Body
from hpscli.data.preparation import FAST
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import LoadedModel
from hpscli.nn.options import preset_of
from hpscli.recipe import recipe_hash, validated
from hpscli.records import PredictionSet
from hpscli.run.inference import device_of, preparation_of


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who predicted, in the words of a result."""

    model: str
    checkpoint: Mapping[str, Any]
    body: Mapping[str, Any]
    names: tuple[str, ...] = ()  # under which figures may have been published
    options: Mapping[str, Any] = field(default_factory=dict)  # of the model
    crop: str = ""
    device: str = ""
    recipe_hash: str = ""
    notes: tuple[str, ...] = ()  # what a reader of the result must know of the weights


def subject_of(model: LoadedModel, crop: str = "") -> Subject:
    """-> a model of ours."""
    return Subject(
        model=model.spec.name,
        checkpoint=checkpoint_of(model),
        body=model.body.describe(),
        names=names_of(model),
        options=model.options,
        crop=crop_name(model, crop),
        device=str(device_of(model)),
        recipe_hash=_recipe_hash(model.info.recipe_toml),
        notes=(f"the weights were {model.info.selected}",) if model.info.selected else (),
    )


def names_of(model: LoadedModel) -> tuple[str, ...]:
    """-> under which protocols and published numbers may know it, the most certain first.

    As it was named; the released weights that it was imported from; its preset; its kind of model.
    """
    spec, origin = model.spec, str(model.info.origin.get("file", ""))
    released = [
        f"{spec.name}.{w.tag}" for w in spec.weights if origin and w.official_file == origin
    ]
    preset = preset_of(spec, model.options)
    named = [model.name] if model.name.partition(".")[0] == spec.name else []
    presets = [f"{spec.name}.{preset}"] if preset else []
    return tuple(dict.fromkeys([*named, *released, *presets, spec.name]))


def subject_of_file(predictions: PredictionSet, body: Body) -> Subject:
    """-> whoever made a file of predictions."""
    about = {"name": "", "sha256": "", "step": 0, "epoch": 0, **predictions.about}
    return Subject(
        model=str(about.get("model", "")),
        checkpoint=about,
        body={**body.describe(), **predictions.body},
    )


def checkpoint_of(model: LoadedModel) -> dict[str, Any]:
    """-> what a result says about the weights."""
    info = model.info
    known = {"name": model.name, "sha256": model.sha256, "step": info.step, "epoch": info.epoch}
    return {**known, "selected": info.selected} if info.selected else known


def crop_name(model: LoadedModel, crop: str) -> str:
    """-> how the people were shown: the name of the official preparation, or "fast" for our warp."""
    found = preparation_of(model, crop, measuring=True)
    return FAST if found is None else found.name


def _recipe_hash(text: str) -> str:
    """-> the hash of a checkpoint's recipe; "" when there is none, or not of this version."""
    try:
        return recipe_hash(validated(tomllib.loads(text), "checkpoint")) if text else ""
    except (UsageError, tomllib.TOMLDecodeError):
        return ""
