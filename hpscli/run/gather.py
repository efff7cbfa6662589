"""Many processes, one result: every person once, whoever measured it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch.distributed as distributed

from hpscli.errors import InvalidData
from hpscli.metrics.rules import Measured
from hpscli.records import PredictionSet

SHOWN = 3  # keys in a message


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


def gather_predictions(predictions: PredictionSet, world: int) -> PredictionSet:
    """This process's predictions -> those of all processes, on every process."""
    if world == 1:
        return predictions
    parts: list[PredictionSet] = [predictions] * world
    distributed.all_gather_object(parts, predictions)
    parts = [part for part in parts if len(part)]
    return replace(
        predictions,
        keys=tuple(key for part in parts for key in part.keys),
        arrays={
            name: np.concatenate([part.arrays[name] for part in parts])
            for name in predictions.arrays
        },
        meta=tuple(entry for part in parts for entry in part.meta),
    )


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
