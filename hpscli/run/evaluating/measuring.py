"""A model's people, batch after batch: what the rule says about each, or what was predicted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.data.evalset import EvalSet, chunks
from hpscli.data.official_batch import prepared_batch
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import Measured, People, PersonRule
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Batch, Prediction, PredictionSet, Sample
from hpscli.run.evaluating.settings import Settings
from hpscli.run.evaluating.subject import checkpoint_of
from hpscli.run.inference import predict_batch, preparation_of

Array = NDArray[np.float64]


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
        about={"model": model.spec.name, **checkpoint_of(model)},
    )
