"""A model under a protocol: every person of the list exactly once -> Result."""

import hashlib
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli import __version__
from hpscli.body.layer import Body, complete
from hpscli.data.evalset import EvalSet, chunks
from hpscli.data.labels import labels_of
from hpscli.data.official_batch import prepared_batch
from hpscli.data.preparation import FAST
from hpscli.data.remote import read_bytes
from hpscli.data.shards import INDEX, refuse_crops
from hpscli.errors import InvalidData, UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.protocols import document
from hpscli.metrics.results import Result, sample_list_sha256
from hpscli.metrics.rules import (
    Measured,
    Metric,
    People,
    PersonRule,
    Totals,
    is_set_rule,
    rule_of,
)
from hpscli.nn.checkpoints import LoadedModel
from hpscli.recipe import recipe_hash, validated
from hpscli.records import Batch, Prediction, PredictionSet, Sample
from hpscli.run.gather import gather_people, gather_predictions, in_order, rank_and_world
from hpscli.run.inference import Crop, Dtype, device_of, predict_batch, preparation_of

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to evaluate; none of it changes what the number means, except flip, crop and limit."""

    batch: int = 32
    limit: int = 0
    flip: bool = False
    dtype: Dtype = "fp32"
    crop: Crop = ""


def evaluate(
    model: LoadedModel,
    shards: str | Path,
    protocol: ProtocolSpec,
    *,
    batch: int = 32,
    limit: int = 0,
    flip: bool = False,
    dtype: Dtype = "fp32",
    crop: Crop = "",
    rank: int | None = None,
    world: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Result:
    """Model, shard folder or URL, protocol -> Result, the same on every process of the group.

    rank and world come from torch.distributed when that is running; the figures do not depend on
    them nor on the batch size.
    """
    start = time.monotonic()
    settings = Settings(batch=batch, limit=limit, flip=flip, dtype=dtype, crop=crop)
    rule = rule_of(protocol, model.body)
    people = EvalSet(shards, limit=limit)
    refuse_crops(people.index, protocol)
    check_shards(people, protocol, model.body, limit)
    group = rank_and_world()
    rank, world = group[0] if rank is None else rank, group[1] if world is None else world
    if is_set_rule(rule):
        predictions = collect(model, people, protocol, settings, rule.keeps, rank, world, advance)
        predictions = gather_predictions(predictions, world if group[1] > 1 else 1)
        measured = Measured(keys=predictions.keys, values={}, meta=())
        totals = rule.score(predictions, people)
    else:
        measured = measure_share(model, people, protocol, rule, settings, rank, world, advance)
        measured = gather_people(measured, world if group[1] > 1 else 1)
        if world == 1 or group[1] > 1:
            measured = in_order(people.keys, measured)
        totals = rule.total(measured)
    who = subject_of(model, crop)
    seconds = time.monotonic() - start
    return make_result(who, people, protocol, settings, measured, totals, world, seconds)


def measure_share(
    model: LoadedModel,
    people: EvalSet,
    protocol: ProtocolSpec,
    rule: PersonRule,
    settings: Settings,
    rank: int,
    world: int,
    advance: Callable[[int], None] = lambda count: None,
) -> Measured:
    """This process's share of the people -> what the rule says about each."""
    parts: list[Mapping[str, Array]] = []
    keys: list[str] = []
    meta: list[Mapping[str, Any]] = []
    for samples, group, prediction in predicted_batches(
        model, people, protocol, settings, rule.needs_mesh, rank, world
    ):
        parts.append(rule.measure(people_of(samples, group, prediction, model.input_size)))
        keys.extend(group.keys)
        meta.extend(group.meta)
        advance(len(group))
    names = parts[0] if parts else {}
    values = {name: np.concatenate([part[name] for part in parts]) for name in names}
    return Measured(keys=tuple(keys), values=values, meta=tuple(meta))


def predicted_batches(
    model: LoadedModel,
    people: EvalSet,
    protocol: ProtocolSpec,
    settings: Settings,
    vertices: bool,
    rank: int = 0,
    world: int = 1,
) -> Iterator[tuple[list[Sample], Batch, Prediction]]:
    """-> the people of this process, their crops, and what the model says about them."""
    preparation = preparation_of(model, settings.crop)
    size, scale = model.input_size, protocol.crop_scale
    for samples in chunks(people, batch=settings.batch, rank=rank, world=world):
        batch = prepared_batch(samples, size, protocol.joints, preparation, crop_scale=scale)
        prediction = predict_batch(
            model,
            batch,
            vertices=vertices,
            flip=settings.flip,
            dtype=settings.dtype,
            shift=preparation is None or not preparation.reverses_columns,
        )
        yield samples, batch, prediction


def people_of(
    samples: Sequence[Sample], batch: Batch, prediction: Prediction, crop_size: tuple[int, int]
) -> People:
    """-> a batch and its prediction as a rule sees them."""
    return People(
        keys=batch.keys,
        prediction=prediction,
        targets=batch.targets,
        present=batch.present,
        meta=batch.meta,
        affine=batch.affine,
        crop_size=crop_size,
        samples=tuple(samples),
    )


def collect(
    model: LoadedModel,
    people: EvalSet,
    protocol: ProtocolSpec,
    settings: Settings,
    keeps: Sequence[str],
    rank: int = 0,
    world: int = 1,
    advance: Callable[[int], None] = lambda count: None,
) -> PredictionSet:
    """-> what the model says about this process's people; `keeps`: patterns of the arrays wanted."""
    parts: list[dict[str, NDArray[np.float32]]] = []
    keys: list[str] = []
    meta: list[Mapping[str, Any]] = []
    vertices = any(fnmatch("vertices", pattern) for pattern in keeps)
    for _, batch, prediction in predicted_batches(
        model, people, protocol, settings, vertices, rank, world
    ):
        named = {name: value.cpu().numpy() for name, value in prediction.named_tensors().items()}
        kept = {n: v for n, v in named.items() if any(fnmatch(n, pattern) for pattern in keeps)}
        size = np.tile(np.asarray(model.input_size, np.float32), (len(batch), 1))
        affine = batch.affine.cpu().numpy()
        parts.append({**kept, "camera": named["camera"], "affine": affine, "crop_size_px": size})
        keys.extend(batch.keys)
        meta.extend(batch.meta)
        advance(len(batch))
    names = parts[0] if parts else {}
    return PredictionSet(
        keys=tuple(keys),
        arrays={name: np.concatenate([part[name] for part in parts]) for name in names},
        meta=tuple(meta),
        body=model.body.describe(),
        about={"model": model.spec.name, **_checkpoint(model)},
    )


def evaluate_predictions(
    predictions: PredictionSet,
    body: Body,
    shards: str | Path,
    protocol: ProtocolSpec,
    *,
    limit: int = 0,
    chunk: int = 64,
) -> Result:
    """Predictions made anywhere, shards with the truth, protocol -> Result."""
    start = time.monotonic()
    rule = rule_of(protocol, body)
    people = EvalSet(shards, limit=limit)
    check_shards(people, protocol, body, limit)
    if is_set_rule(rule):
        measured, totals = (
            Measured(keys=tuple(people.keys), values={}, meta=()),
            rule.score(predictions, people),
        )
    else:
        parts = [
            (group, rule.measure(group))
            for group in given_people(predictions, body, people, protocol, rule.needs_mesh, chunk)
        ]
        names = parts[0][1] if parts else {}
        measured = Measured(
            keys=tuple(key for group, _ in parts for key in group.keys),
            values={name: np.concatenate([part[name] for _, part in parts]) for name in names},
            meta=tuple(entry for group, _ in parts for entry in group.meta),
        )
        totals = rule.total(measured)
    who, settings = subject_of_file(predictions, body), Settings(limit=limit)
    seconds = time.monotonic() - start
    return make_result(who, people, protocol, settings, measured, totals, 1, seconds)


def given_people(
    predictions: PredictionSet,
    body: Body,
    people: EvalSet,
    protocol: ProtocolSpec,
    vertices: bool,
    chunk: int = 64,
) -> Iterator[People]:
    """-> the people in shards with what was predicted about them elsewhere; no picture is opened."""
    keys = people.keys
    if predictions.keys:
        places = {key: place for place, key in enumerate(predictions.keys)}
        if missing := [key for key in keys if key not in places]:
            raise InvalidData(
                f"{len(missing)} of {len(keys)} people are not in the predictions, first "
                f"'{missing[0]}'.",
                "Predict all of them, or measure a part: --limit N",
            )
        rows = np.array([places[key] for key in keys], int)
    elif len(predictions) != len(keys):
        raise InvalidData(
            f"the file holds {len(predictions)} predictions, {people.location} holds {len(keys)} "
            "people.",
            "Give predictions for exactly the test list, in its order.",
        )
    else:
        rows = np.arange(len(keys))
    for start in range(0, len(keys), chunk):
        mine = rows[start : start + chunk]
        samples = [people[position] for position in range(start, start + len(mine))]
        targets, present = labels_of(samples, protocol.joints, mirror_left=False)
        named = {n: torch.from_numpy(np.array(v[mine])) for n, v in predictions.arrays.items()}
        named.setdefault("camera", torch.full((len(mine), 3), torch.nan))
        prediction = Prediction.from_named_tensors(named)
        with torch.no_grad():
            prediction = complete(prediction, body, vertices=vertices)
        yield People(
            keys=tuple(sample.key for sample in samples),
            prediction=prediction,
            targets=targets,
            present=present,
            meta=tuple(sample.meta for sample in samples),
            affine=torch.eye(3)[:2].repeat(len(mine), 1, 1),
            samples=tuple(samples),
        )


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Who predicted, in the words of a result."""

    model: str
    checkpoint: Mapping[str, Any]
    body: Mapping[str, Any]
    names: tuple[str, ...] = ()  # under which figures may have been published
    crop: str = ""
    device: str = ""
    recipe_hash: str = ""


def subject_of(model: LoadedModel, crop: str = "") -> Subject:
    """-> a model of ours."""
    return Subject(
        model=model.spec.name,
        checkpoint=_checkpoint(model),
        body=model.body.describe(),
        names=(model.name, model.spec.name),
        crop=crop_name(model, crop),
        device=str(device_of(model)),
        recipe_hash=_recipe_hash(model.info.recipe_toml),
    )


def subject_of_file(predictions: PredictionSet, body: Body) -> Subject:
    """-> whoever made a file of predictions."""
    about = {"name": "", "sha256": "", "step": 0, "epoch": 0, **predictions.about}
    return Subject(
        model=str(about.get("model", "")),
        checkpoint=about,
        body={**body.describe(), **predictions.body},
    )


def make_result(
    subject: Subject,
    people: EvalSet,
    protocol: ProtocolSpec,
    settings: Settings,
    measured: Measured,
    totals: Totals,
    processes: int,
    seconds: float,
) -> Result:
    """Figures and everything that says where they come from -> Result."""
    if not totals.metrics:
        raise InvalidData(
            f"nobody in {people.index.location} has what protocol '{protocol.name}' measures.",
            "Look at the samples: hps datasets stats SHARDS",
        )
    return Result(
        protocol={
            "id": protocol.name,
            **document(protocol),
            "sample_list_sha256": sample_list_sha256(measured.keys),
        },
        checkpoint=subject.checkpoint,
        model=subject.model,
        body=subject.body,
        data={
            "shards": str(people.index.location),
            "index_sha256": index_sha256(people.index.location),
            "samples": len(measured.keys),
        },
        settings={
            "batch": settings.batch,
            "dtype": settings.dtype,
            "flip": settings.flip,
            "crop": subject.crop,
            "limit": settings.limit,
        },
        metrics=totals.metrics,
        reference={} if settings.limit else published(protocol, subject, totals.metrics),
        tables=totals.tables,
        curves=totals.curves,
        official_text=totals.official_text,
        notes=totals.notes,
        device=subject.device,
        processes=processes,
        seconds=round(seconds, 2),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        hps_version=__version__,
        recipe_hash=subject.recipe_hash,
        keys=measured.keys,
        errors={**per_person(measured.values, totals), **totals.errors},
        details={name: v for name, v in measured.values.items() if v.ndim > 1},
    )


def per_person(values: Mapping[str, Array], totals: Totals) -> dict[str, Array]:
    """-> the one-dimensional values that are figures, each person's share."""
    return {n: v for n, v in values.items() if v.ndim == 1 and n in totals.metrics}


def _checkpoint(model: LoadedModel) -> dict[str, Any]:
    """-> what a result says about the weights."""
    info = model.info
    return {"name": model.name, "sha256": model.sha256, "step": info.step, "epoch": info.epoch}


def crop_name(model: LoadedModel, crop: str) -> str:
    """-> how the people were shown: the name of the official preparation, or "fast" for our warp."""
    found = preparation_of(model, crop)
    return FAST if found is None else found.name


def published(
    protocol: ProtocolSpec, subject: Subject, metrics: Mapping[str, Metric]
) -> dict[str, Any]:
    """-> {metric: value, source, difference} of what others published for this model.

    Figures made with a free body are never set beside those of real ones.
    """
    if subject.body.get("source") == "free":
        return {}
    found = {}
    for entry in protocol.published:
        if entry.model in subject.names and entry.metric in metrics:
            found[entry.metric] = {
                "value": entry.value,
                "source": entry.source,
                "difference": metrics[entry.metric].value - entry.value,
                **({"doubt": entry.doubt} if entry.doubt else {}),
            }
    return found


def index_sha256(location: str) -> str:
    """-> hash of the bytes of index.json, which names the hash of every shard."""
    return hashlib.sha256(read_bytes(location, INDEX)).hexdigest()


def check_shards(people: EvalSet, protocol: ProtocolSpec, body: Body, limit: int) -> None:
    """Raise where these shards cannot give this protocol's number."""
    where = people.index.location
    if protocol.samples and not limit and len(people) != protocol.samples:
        raise InvalidData(
            f"{where} holds {len(people)} people; protocol '{protocol.name}' is about "
            f"{protocol.samples}.",
            "Prepare the whole split, or say --limit: the result then says that it is partial.",
        )
    made_of = (people.index.body or {}).get("kind", "")
    other = made_of not in ("", protocol.body)
    if other and not any(name.startswith(f"{protocol.body}.") for name in people.index.arrays):
        raise UsageError(
            f"the people in {where} are {made_of} bodies, protocol '{protocol.name}' is about "
            f"{protocol.body}.",
            "Take shards of that body, or a model and protocol of this one: hps protocols list",
        )
    made_with = (people.index.body or {}).get("source", "")
    if made_with and made_with != body.source:
        raise UsageError(
            f"the people in {where} were made with {made_with} bodies, the model's body is "
            f"{body.source}: an error between the two means nothing.",
            "Prepare the shards again with the same body files, or train on the same ones.",
        )


def _recipe_hash(text: str) -> str:
    """-> the hash of a checkpoint's recipe; "" when there is none, or not of this version."""
    try:
        return recipe_hash(validated(tomllib.loads(text), "checkpoint")) if text else ""
    except (UsageError, tomllib.TOMLDecodeError):
        return ""
