"""What a recipe needs on this machine, and what of it is here. Nothing heavy is imported."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from hpscli.body.assets.files import have_asset
from hpscli.body.assets.sources import asset_record, asset_records
from hpscli.errors import HpsError
from hpscli.hooks import DatasetSpec, ModelSpec, Start
from hpscli.nn.options import adapted, complete_options, published_start
from hpscli.nn.weights.store import stored
from hpscli.recipe import Adversary, Recipe
from hpscli.registry import Registry

INDEX = "index.json"  # of shards and of poses
IMAGENET = "imagenet"
OCCLUDERS = "the objects that are pasted over people"


@dataclass(frozen=True, kw_only=True)
class DataNeed:
    """A folder or URL of people or poses."""

    name: str  # of the member; else of the role
    role: str  # training | validation | validation as published | poses | export
    place: str
    weight: float = 0.0  # of a member of the mix
    here: bool | None  # None: a URL, nobody asked
    makeable: bool  # out of nothing: generated data
    command: str  # that makes it
    dataset: DatasetSpec | None  # None: the recipe does not say


@dataclass(frozen=True, kw_only=True)
class FileNeed:
    """A licensed file, weights to start from, or something that the recipe says in words."""

    name: str
    why: str
    here: bool | None  # None: unknown to hps
    command: str  # that brings it
    without: str = ""  # what to do when nobody has it, and to type


def data_needs(recipe: Recipe, registry: Registry) -> list[DataNeed]:
    """-> every folder that the recipe names, members of weight 0 left out."""
    return list(_places(recipe, registry))


def missing_data(needs: list[DataNeed]) -> list[DataNeed]:
    """-> what has to be prepared before training: neither here, nor remote, nor made by itself."""
    optional = ("validation as published", "export")
    return [n for n in needs if n.here is False and not n.makeable and n.role not in optional]


def _places(recipe: Recipe, registry: Registry) -> Iterator[DataNeed]:
    data = recipe.data
    for name, member in data.mix.items():
        if member.weight > 0:
            yield _place(
                registry, name, "training", member.shards, member.prepare, weight=member.weight
            )
    for role, part in (
        ("validation", data.validation),
        ("validation as published", data.validation_as_published),
    ):
        if part is not None:
            yield _place(registry, role, role, part.shards, part.prepare)
    if recipe.adversary is not None:
        yield _poses(registry, recipe.adversary)
    if recipe.export is not None:
        yield _place(registry, "export", "export", recipe.export.shards, recipe.export.prepare)


def _poses(registry: Registry, adversary: Adversary) -> DataNeed:
    """Real poses are a folder, or an asset by its id."""
    found = _place(registry, "poses", "poses", adversary.poses, adversary.prepare)
    if adversary.poses not in asset_records():
        return found
    command = f"hps assets import {asset_record(adversary.poses).to_import}"
    return replace(found, here=have_asset(adversary.poses), command=command)


def _place(
    registry: Registry, name: str, role: str, place: str, prepare: str, weight: float = 0.0
) -> DataNeed:
    spec = _dataset(registry, prepare, place)
    remote = "://" in place
    words = prepare or (f"{spec.name} --split {PurePosixPath(place).name}" if spec else "NAME")
    command = f"hps prepare {words}"
    return DataNeed(
        name=name,
        role=role,
        place=place,
        weight=weight,
        here=None if remote else (Path(place) / INDEX).is_file(),
        makeable=spec is not None and not spec.needs_root and not remote,
        command=command if "--out" in words else f"{command} --out {place}",
        dataset=spec,
    )


def _dataset(registry: Registry, prepare: str, place: str) -> DatasetSpec | None:
    """-> the data set that a line or a place names, if it does."""
    parts = PurePosixPath(place).parts
    said = prepare.partition(" ")[0] or (parts[-2] if len(parts) > 1 else "")
    try:
        return registry.dataset(said)
    except HpsError:
        return None


def file_needs(recipe: Recipe, spec: ModelSpec) -> list[FileNeed]:
    """-> body files, regressors and weights; without them much runs all the same, and is told apart."""
    complete = complete_options(spec, recipe.model.preset, recipe.model.options)
    body_why = "published numbers" if recipe.model.body != "imported" else "training"
    assets = () if recipe.model.body == "free" else adapted(spec, complete).assets
    found = [_asset(asset_id, body_why) for asset_id in assets]
    if recipe.model.init:
        found.append(_weights(spec, recipe.model.init))
    if recipe.model.backbone:
        found.append(_backbone(recipe.model.backbone, published_start(spec, complete)))
    if (file := recipe.augment.occluders_file) and recipe.augment.occluders:
        here = Path(file).is_file()
        drawn = "paste shapes that hps draws: augment.occluders_file="
        found.append(FileNeed(name=file, why=OCCLUDERS, here=here, command="", without=drawn))
    for text in (*recipe.about.assets, *recipe.needs):
        if text in asset_records():
            found.append(_asset(text, "training"))
        elif not text.startswith(IMAGENET) or recipe.model.backbone != IMAGENET:
            _said(found, text)
    return list({need.name: need for need in found}.values())


def _said(found: list[FileNeed], text: str) -> None:
    """What a recipe says, "FILE: where it is had" -> told of the start that has this file, or as a file of its own."""
    name, _, where = text.partition(": ")
    for place, need in enumerate(found):
        if PurePosixPath(need.name).name == name:
            found[place] = replace(need, command=where)
            return
    found.append(FileNeed(name=name, why="training", here=None, command=where))


def _asset(asset_id: str, why: str) -> FileNeed:
    record = asset_record(asset_id)
    command = f"hps assets import {record.to_import}"
    return FileNeed(name=asset_id, why=why, here=have_asset(asset_id), command=command)


def _weights(spec: ModelSpec, source: str) -> FileNeed:
    """A file, a run, or model.tag -> whether it is here, and how it comes."""
    model, _, tag = source.partition(".")
    released = next((w for w in spec.weights if w.tag == tag and model == spec.name), None)
    here = Path(source).exists() or any(entry.name == source for entry in stored(model))
    here = here or (released is not None and bool(released.file))
    official = released.official_file if released is not None else ""
    command = f"hps models import {official}" if official else ""
    return FileNeed(name=source, why="the start of the weights", here=here, command=command)


def _backbone(source: str, start: Start | None) -> FileNeed:
    """What `model.backbone` says, what the authors took -> the file, and how it comes."""
    why = "the start of the backbone"
    owner = f"{start.file}, {start.page.removeprefix('https://')}" if start is not None else "any"
    if source != IMAGENET:
        same = start is not None and start.file == Path(source).name
        bring = f"bring {owner}" if same else "another file: model.backbone=FILE"
        return FileNeed(name=source, why=why, here=Path(source).is_file(), command=bring)
    library = start.library if start is not None else ""
    return FileNeed(
        name=f"{IMAGENET} {library}".rstrip(),
        why=why,
        here=True if library and _downloaded(library) else None,
        command=f"timm downloads it; or model.backbone=FILE: {owner}",
    )


def _downloaded(library: str) -> bool:
    """-> whether timm's weights of this name lie in the cache that it reads."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface"
    cache = Path(os.environ.get("HF_HUB_CACHE") or Path(home) / "hub")
    return any((cache / f"models--timm--{library}").glob("snapshots/*/*"))
