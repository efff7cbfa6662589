"""A model under a protocol: every person of the list exactly once -> Result."""

import hashlib
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli import __version__
from hpscli.body.layer import Body
from hpscli.data.evalset import EvalSet, eval_batches
from hpscli.data.preparation import FAST, Preparation
from hpscli.data.remote import read_bytes
from hpscli.data.shards import INDEX, refuse_crops
from hpscli.errors import InvalidData, UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.errors import require_finite
from hpscli.metrics.protocols import METRICS, document, measure
from hpscli.metrics.results import Metric, Result, metrics_of, sample_list_sha256
from hpscli.nn.checkpoints import LoadedModel
from hpscli.recipe import recipe_hash, validated
from hpscli.records import Batch
from hpscli.run.gather import gather_people, in_order, rank_and_world
from hpscli.run.inference import Crop, Dtype, device_of, predict_batch, preparation_of
from hpscli.run.truth import Truth, check_protocol, predicted_points

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
    check_protocol(protocol, model.body)
    people = EvalSet(shards, limit=limit)
    refuse_crops(people.index, protocol)
    check_shards(people, protocol, model.body, limit)
    group = rank_and_world()
    rank, world = group[0] if rank is None else rank, group[1] if world is None else world
    keys, errors = measure_share(model, people, protocol, settings, rank, world, advance)
    keys, errors = gather_people(keys, errors, world if group[1] > 1 else 1)
    if world == 1 or group[1] > 1:
        errors = in_order(people.keys, keys, errors)
        keys = list(people.keys)
    return make_result(
        model, people, protocol, settings, keys, errors, world, time.monotonic() - start
    )


def measure_share(
    model: LoadedModel,
    people: EvalSet,
    protocol: ProtocolSpec,
    settings: Settings,
    rank: int,
    world: int,
    advance: Callable[[int], None] = lambda count: None,
) -> tuple[list[str], dict[str, Array]]:
    """This process's share of the people -> their keys and {metric: (N,)}."""
    truth, preparation = Truth(protocol, model.body), preparation_of(model, settings.crop)
    keys: list[str] = []
    parts: list[Mapping[str, Array]] = []
    batches = eval_batches(
        people,
        size=model.input_size,
        joints=protocol.joints,
        crop_scale=protocol.crop_scale,
        batch=settings.batch,
        rank=rank,
        world=world,
        preparation=preparation,
    )
    for group in batches:
        parts.append(measure_batch(model, group, protocol, truth, settings, preparation))
        keys.extend(group.keys)
        advance(len(group))
    names = protocol.metrics
    errors = {n: np.concatenate([p[n] for p in parts]) if parts else np.zeros(0) for n in names}
    return keys, errors


def measure_batch(
    model: LoadedModel,
    batch: Batch,
    protocol: ProtocolSpec,
    truth: Truth,
    settings: Settings,
    preparation: Preparation | None = None,
) -> dict[str, Array]:
    """One batch -> {metric: (B,)}; NaN predicted is an error that names the people."""
    prediction = predict_batch(
        model,
        batch,
        vertices=truth.needs_mesh,
        flip=settings.flip,
        dtype=settings.dtype,
        shift=preparation is None or not preparation.reverses_columns,
    )
    points = predicted_points(protocol, model.body, prediction)
    require_finite("the prediction", points.joints, batch.keys)
    if points.vertices is not None:
        require_finite("the predicted mesh", points.vertices, batch.keys)
    return measure(protocol, points, truth.points(batch.targets, batch.present, batch.meta))


def make_result(
    model: LoadedModel,
    people: EvalSet,
    protocol: ProtocolSpec,
    settings: Settings,
    keys: list[str],
    errors: Mapping[str, Array],
    processes: int,
    seconds: float,
) -> Result:
    """Figures and everything that says where they come from -> Result."""
    metrics = metrics_of(errors, {name: METRICS[name].unit for name in protocol.metrics})
    if not metrics:
        raise InvalidData(
            f"nobody in {people.index.location} has what protocol '{protocol.name}' measures.",
            "Look at the samples: hps datasets stats SHARDS",
        )
    info = model.info
    return Result(
        protocol={
            "id": protocol.name,
            **document(protocol),
            "sample_list_sha256": sample_list_sha256(keys),
        },
        checkpoint={
            "name": model.name,
            "sha256": model.sha256,
            "step": info.step,
            "epoch": info.epoch,
        },
        model=model.spec.name,
        body=model.body.describe(),
        data={
            "shards": str(people.index.location),
            "index_sha256": index_sha256(people.index.location),
            "samples": len(keys),
        },
        settings={
            "batch": settings.batch,
            "dtype": settings.dtype,
            "flip": settings.flip,
            "crop": crop_name(model, settings.crop),
            "limit": settings.limit,
        },
        metrics=metrics,
        reference=published(protocol, model, metrics) if not settings.limit else {},
        device=str(device_of(model)),
        processes=processes,
        seconds=round(seconds, 2),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        hps_version=__version__,
        recipe_hash=_recipe_hash(info.recipe_toml),
        keys=tuple(keys),
        errors=errors,
    )


def crop_name(model: LoadedModel, crop: str) -> str:
    """-> how the people were shown: the name of the official preparation, or "fast" for our warp."""
    found = preparation_of(model, crop)
    return FAST if found is None else found.name


def published(
    protocol: ProtocolSpec, model: LoadedModel, metrics: Mapping[str, Metric]
) -> dict[str, Any]:
    """-> {metric: value, source, difference} of what others published for this model."""
    found = {}
    for entry in protocol.published:
        if entry.model in (model.name, model.spec.name) and entry.metric in metrics:
            found[entry.metric] = {
                "value": entry.value,
                "source": entry.source,
                "difference": metrics[entry.metric].value - entry.value,
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
