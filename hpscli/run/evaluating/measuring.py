"""A model's people, batch after batch: what the rule says about each, or what was predicted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli.body.layer import complete
from hpscli.data.evalset import spans
from hpscli.data.official_batch import prepared_batch
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import Measured, People, PersonRule
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Batch, Prediction, PredictionSet, Sample
from hpscli.run.evaluating.pipeline import Clock, one_after_another, overlapped
from hpscli.run.evaluating.settings import Settings
from hpscli.run.evaluating.subject import checkpoint_of
from hpscli.run.inference import device_of, network_batch, preparation_of
from hpscli.run.tta import predict_views

Array = NDArray[np.float64]
Done = TypeVar("Done")
Advance = Callable[[int], None]

READERS_PER_GPU = 8  # threads that decode pictures for one GPU, if there are as many cores


class Samples(Protocol):
    """People to look at, by their place in the list: an EvalSet, or one with other boxes."""

    def __len__(self) -> int: ...

    def __getitem__(self, position: int) -> Sample: ...


@dataclass(frozen=True)
class Answer:
    """What the network said about a batch; `when`: the moment on its GPU when it will have."""

    samples: list[Sample]
    batch: Batch
    prediction: Prediction
    when: Any = None


def measure_share(
    model: LoadedModel,
    people: Samples,
    protocol: ProtocolSpec,
    rule: PersonRule,
    settings: Settings,
    rank: int,
    world: int,
    advance: Advance = lambda count: None,
    clock: Clock | None = None,
) -> Measured:
    """This process's share of the people -> what the rule says about each."""
    parts: list[Mapping[str, Array]] = []
    keys: list[str] = []
    meta: list[Mapping[str, Any]] = []

    def finish(
        samples: list[Sample], batch: Batch, prediction: Prediction
    ) -> tuple[Batch, Mapping[str, Array]]:
        return batch, rule.measure(people_of(samples, batch, prediction, model.input_size))

    for batch, values in answered(
        model, people, protocol, settings, finish, rule.needs_mesh, rank, world, clock
    ):
        parts.append(values)
        keys.extend(batch.keys)
        meta.extend(batch.meta)
        advance(len(batch))
    names = parts[0] if parts else {}
    joined = {name: np.concatenate([part[name] for part in parts]) for name in names}
    return Measured(keys=tuple(keys), values=joined, meta=tuple(meta))


def answered(
    model: LoadedModel,
    people: Samples,
    protocol: ProtocolSpec,
    settings: Settings,
    finish: Callable[[list[Sample], Batch, Prediction], Done],
    vertices: bool,
    rank: int = 0,
    world: int = 1,
    clock: Clock | None = None,
) -> Iterator[Done]:
    """-> finish(people, their crops, the complete prediction) of this process's batches, in order.

    Reading and finishing happen in other threads while the network works. On a GPU they use a stream
    of their own, and pictures come from pinned memory.
    """
    preparation = preparation_of(model, settings.crop)
    device, pinned = device_of(model), device_of(model).type == "cuda"
    beside = torch.cuda.Stream(device) if pinned else None

    def read(places: range) -> tuple[list[Sample], Batch]:
        samples = [people[place] for place in places]
        batch = prepared_batch(
            samples,
            model.input_size,
            protocol.joints,
            preparation,
            crop_scale=protocol.crop_scale,
        )
        if pinned:
            with torch.cuda.device(device):
                batch = replace(batch, image=batch.image.pin_memory())
        return samples, batch

    def network(ready: tuple[list[Sample], Batch]) -> Answer:
        samples, batch = ready
        prediction = _said(model, samples, batch, protocol, settings)
        return Answer(samples, batch, prediction, _moment(device, clock))

    def measure(answer: Answer) -> Done:
        with torch.no_grad(), _after(answer.when, beside):
            whole = complete(answer.prediction, model.body, vertices=vertices)
            return finish(answer.samples, answer.batch, whole)

    todo = spans(len(people), batch=settings.batch, rank=rank, world=world)
    if not settings.overlap:
        return one_after_another(todo, read, network, measure)
    readers = min(READERS_PER_GPU, max(1, torch.get_num_threads() // 2)) if pinned else 1
    return overlapped(todo, read, network, measure, readers=readers, clock=clock)


def _said(
    model: LoadedModel,
    samples: list[Sample],
    batch: Batch,
    protocol: ProtocolSpec,
    settings: Settings,
) -> Prediction:
    """-> what the network says of a batch, after the augmentation that was asked for."""
    if settings.augmentation == "multiscale":
        return predict_views(model, samples, protocol, crop=settings.crop, dtype=settings.dtype)
    preparation = preparation_of(model, settings.crop)
    return network_batch(
        model,
        batch,
        flip=settings.augmentation == "flip",
        dtype=settings.dtype,
        shift=preparation is None or not preparation.reverses_columns,
    )


def _moment(device: torch.device, clock: Clock | None) -> Any:
    """-> an event behind what the GPU has been given so far; None on a CPU."""
    if device.type != "cuda":
        return None
    if clock is not None:  # what is timed must have happened
        torch.cuda.synchronize(device)
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return event


def _after(moment: Any, stream: Any) -> AbstractContextManager[None]:
    return nullcontext() if moment is None else _beside(moment, stream)


@contextmanager
def _beside(moment: Any, stream: Any) -> Iterator[None]:
    """Work on `stream`, behind `moment`; on leaving all of it is done, so that memory may be given back."""
    with torch.cuda.stream(stream):
        stream.wait_event(moment)
        yield
        stream.synchronize()


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
    people: Samples,
    protocol: ProtocolSpec,
    settings: Settings,
    keeps: Sequence[str],
    rank: int = 0,
    world: int = 1,
    advance: Advance = lambda count: None,
) -> PredictionSet:
    """-> what the model says about this process's people; `keeps`: patterns of the arrays wanted."""
    parts: list[dict[str, NDArray[np.float32]]] = []
    keys: list[str] = []
    meta: list[Mapping[str, Any]] = []

    def finish(
        samples: list[Sample], batch: Batch, prediction: Prediction
    ) -> tuple[Batch, dict[str, NDArray[np.float32]]]:
        named = {n: value.cpu().numpy() for n, value in prediction.named_tensors().items()}
        size = np.tile(np.asarray(model.input_size, np.float32), (len(batch), 1))
        affine = batch.affine.cpu().numpy()
        kept = {n: v for n, v in named.items() if wanted(n, keeps) or n == "camera"}
        return batch, {**kept, "affine": affine, "crop_size_px": size}

    for batch, arrays in answered(
        model, people, protocol, settings, finish, wanted("vertices", keeps), rank, world
    ):
        parts.append(arrays)
        keys.extend(batch.keys)
        meta.extend(batch.meta)
        advance(len(batch))
    names = parts[0] if parts else {}
    return PredictionSet(
        keys=tuple(keys),
        arrays={name: np.concatenate([part.pop(name) for part in parts]) for name in list(names)},
        meta=tuple(meta),
        body=model.body.describe(),
        about={"model": model.spec.name, **checkpoint_of(model)},
    )


def wanted(name: str, patterns: Sequence[str]) -> bool:
    """-> whether an array is among those that are wanted."""
    return any(fnmatch(name, pattern) for pattern in patterns)
