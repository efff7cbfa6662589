"""Many processes, one result: every person once, whoever measured it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch.distributed as distributed

from hpscli.errors import HpsError, InvalidData
from hpscli.metrics.rules import Measured
from hpscli.records import PredictionSet

SHOWN = 3  # keys in a message
PART_BYTES = 64 << 20  # of one process, that travel at once

T = TypeVar("T")


def rank_and_world() -> tuple[int, int]:
    """-> this process's number and how many there are; (0, 1) outside of a process group."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def gather_people(measured: Measured, world: int) -> Measured:
    """This process's people -> those of all processes, on every process."""
    if world == 1:
        return measured
    parts: list[Measured] = [measured] * world
    distributed.all_gather_object(parts, measured)
    names = dict.fromkeys(name for part in parts for name in part.values)
    shapes = {name: part.values[name].shape[1:] for part in parts for name in part.values}
    return Measured(
        keys=tuple(key for part in parts for key in part.keys),
        values={
            name: np.concatenate(
                [
                    part.values.get(name, np.full((len(part.keys), *shapes[name]), np.nan))
                    for part in parts
                ]
            )
            for name in names
        },
        meta=tuple(entry for part in parts for entry in part.meta),
    )


def gather_predictions(
    mine: PredictionSet, world: int, *, only_first: bool = False
) -> PredictionSet:
    """This process's predictions -> those of all, in the order of the list: person i of N is of
    process i modulo `world`. With `only_first` the other processes get nobody.

    Meshes of many people are large: they travel in parts of `PART_BYTES`.
    """
    if world == 1:
        return mine
    forms: list[Any] = [None] * world
    form = {n: (v.shape[1:], v.dtype.str) for n, v in mine.arrays.items()}
    distributed.all_gather_object(forms, (len(mine), form, mine.keys, mine.meta))
    count = sum(size for size, *_ in forms)
    places = [np.arange(other, count, world) for other in range(world)]
    keeps = not only_first or distributed.get_rank() == 0
    arrays: dict[str, Any] = {}
    for name, (shape, kind) in max((found for _, found, _, _ in forms), key=len).items():
        whole = np.zeros((count if keeps else 0, *shape), kind)
        rows = max(1, PART_BYTES // max(1, whole.itemsize * math.prod(shape)))
        share = mine.arrays.get(name, whole[:0])
        for start in range(0, len(places[0]), rows):
            parts: list[Any] = [None] * world
            distributed.all_gather_object(parts, share[start : start + rows])
            if keeps:
                for there, part in zip(places, parts, strict=True):
                    whole[there[start : start + rows]] = part
        arrays[name] = whole
    if not keeps:
        return replace(mine, keys=(), meta=(), arrays=arrays)
    order = np.argsort(np.concatenate(places), kind="stable")
    keys = [key for _, _, theirs, _ in forms for key in theirs]
    meta = [entry for _, _, _, theirs in forms for entry in theirs]
    return replace(
        mine,
        keys=tuple(keys[place] for place in order) if keys else (),
        meta=tuple(meta[place] for place in order) if meta else (),
        arrays=arrays,
    )


def once_for_all(make: Callable[[], T], together: bool) -> T:
    """-> what `make` gives on the first process, on every process; its error too."""
    if not together:
        return make()
    said: list[Any] = [None, None]
    if distributed.get_rank() == 0:
        try:
            said[0] = make()
        except HpsError as error:
            said[1] = error
    distributed.broadcast_object_list(said, src=0)
    if said[1] is not None:
        raise said[1]
    return said[0]  # type: ignore[no-any-return]


def in_order(expected: Sequence[str], measured: Measured) -> Measured:
    """People in any order -> in the order of `expected`; each key exactly once, or an error.

    Distributed samplers usually pad the list with repeated people, so that the figure depends on
    the number of processes. Here it cannot.
    """
    keys = measured.keys
    places = {key: index for index, key in enumerate(keys)}
    missing = [key for key in expected if key not in places]
    strange = sorted(set(keys) - set(expected))
    if len(places) != len(keys) or missing or strange or len(expected) != len(keys):
        raise InvalidData(
            f"{len(keys)} people were measured, {len(expected)} are on the list: "
            f"{len(keys) - len(places)} twice, {len(missing)} missing {missing[:SHOWN]}, "
            f"{len(strange)} unknown {strange[:SHOWN]}.",
            "Check the shards: hps datasets audit SHARDS",
        )
    order = [places[key] for key in expected]
    return Measured(
        keys=tuple(expected),
        values={name: values[order] for name, values in measured.values.items()},
        meta=tuple(measured.meta[place] for place in order),
    )
