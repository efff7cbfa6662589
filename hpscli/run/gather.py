"""Many processes, one result: every person once, whoever measured it."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch.distributed as distributed
from numpy.typing import NDArray

from hpscli.errors import InvalidData

Array = NDArray[np.float64]
SHOWN = 3  # keys in a message


def rank_and_world() -> tuple[int, int]:
    """-> this process's number and how many there are; (0, 1) outside of a process group."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def gather_people(
    keys: Sequence[str], errors: Mapping[str, Array], world: int
) -> tuple[list[str], dict[str, Array]]:
    """This process's keys and errors (N,) -> those of all processes, on every process."""
    parts = [(list(keys), dict(errors))]
    if world > 1:
        parts = [([], {})] * world
        distributed.all_gather_object(parts, (list(keys), dict(errors)))
    names = dict.fromkeys(name for _, found in parts for name in found)
    together = [key for part, _ in parts for key in part]
    merged = {}
    for name in names:
        merged[name] = np.concatenate(
            [found.get(name, np.full(len(part), np.nan)) for part, found in parts]
        )
    return together, merged


def in_order(
    expected: Sequence[str], keys: Sequence[str], errors: Mapping[str, Array]
) -> dict[str, Array]:
    """Errors in any order -> errors in the order of `expected`; each key exactly once, or an error.

    Distributed samplers usually pad the list with repeated people, so that the figure depends on
    the number of processes. Here it cannot.
    """
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
    return {name: values[order] for name, values in errors.items()}
