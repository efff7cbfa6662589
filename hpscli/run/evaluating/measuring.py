"""A model's people, batch after batch, and what the rule says about each."""

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli.body.layer import complete
from hpscli.data.evalset import spans
from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.placing import seen_by
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import Measured, People, PersonRule
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Batch, Prediction, Sample
from hpscli.run.evaluating.pipeline import Clock, one_after_another, overlapped, timed
from hpscli.run.evaluating.settings import Settings
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
    keep: Callable[[Batch, Prediction], None] | None = None,
) -> Measured:
    """This process's share of the people -> what the rule says about each.

    keep: called with every batch and its complete prediction, in order, beside the network.
    """
    parts: list[Mapping[str, Array]] = []
    keys: list[str] = []
    meta: list[Mapping[str, Any]] = []

    def finish(
        samples: list[Sample], batch: Batch, prediction: Prediction
    ) -> tuple[Batch, Mapping[str, Array]]:
        if keep:
            keep(batch, prediction)
        return batch, rule.measure(people_of(samples, batch, prediction, model.input_size))

    answers = answered(
        model, people, protocol, settings, finish, rule.needs_mesh, rank, world, clock
    )
    with closing(answers):  # its threads end before anything else is done, if `advance` raises
        for batch, values in answers:
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
) -> Generator[Done, None, None]:
    """-> finish(people, their crops, the complete prediction) of this process's batches, in order.

    Reading and finishing happen in other threads while the network works. On a GPU they use a stream
    of their own, and pictures come from pinned memory.
    """
    preparation = preparation_of(model, settings.crop, measuring=True)
    timing = clock is not None
    device, pinned = device_of(model), device_of(model).type == "cuda"
    beside = torch.cuda.Stream(device) if pinned else None  # type: ignore[no-untyped-call]

    def read(places: range) -> tuple[list[Sample], Batch]:
        samples = [people[place] for place in places]
        batch = prepared_batch(
            samples,
            model.input_size,
            protocol.joints,
            preparation,
            crop_scale=protocol.crop_scale,
            seen=seen_by(model.spec.crop),
        )
        if pinned:
            with torch.cuda.device(device):
                batch = replace(batch, image=batch.image.pin_memory())
        return samples, batch

    def network(ready: tuple[list[Sample], Batch]) -> Answer:
        samples, batch = ready
        prediction = _said(model, samples, batch, protocol, settings)
        return Answer(samples, batch, prediction, _moment(device, timing))

    def measure(answer: Answer) -> Done:
        with torch.no_grad(), _after(answer.when, beside):
            whole = complete(answer.prediction, model.body, vertices=vertices)
            return finish(answer.samples, answer.batch, whole)

    clock = clock or Clock()
    stages = (
        timed(read, clock.reading),
        timed(network, clock.network),
        timed(measure, clock.measuring),
    )
    todo = spans(len(people), batch=settings.batch, rank=rank, world=world)
    if not settings.overlap:
        return one_after_another(todo, *stages)
    return overlapped(todo, *stages, readers=readers_for(world) if pinned else 1)


def readers_for(processes: int) -> int:
    """-> threads that read for one GPU, so that those of all processes on this machine fit on its cores."""
    beside = min(processes, torch.cuda.device_count())
    return max(1, min(READERS_PER_GPU, len(os.sched_getaffinity(0)) // max(1, beside)))


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
    preparation = preparation_of(model, settings.crop, measuring=True)
    return network_batch(
        model,
        batch,
        flip=settings.augmentation == "flip",
        dtype=settings.dtype,
        shift=preparation is None or not preparation.reverses_columns,
    )


def _moment(device: torch.device, timing: bool) -> Any:
    """-> an event behind what the GPU has been given so far; None on a CPU."""
    if device.type != "cuda":
        return None
    if timing:  # what is timed must have happened
        torch.cuda.synchronize(device)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
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
