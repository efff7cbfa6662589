"""People as tracks: which rows are the same person in neighbouring frames, and how jerky they move."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.metrics.errors import acceleration_error

Array = NDArray[np.float64]

IDENTITY = ("subject", "action", "sequence", "camera", "person", "track")  # words of meta


def acceleration_errors(
    prediction: Array, truth: Array, known: NDArray[np.bool_], meta: Sequence[Mapping[str, Any]]
) -> Array:
    """points (N,J,3), known (N,J) of people with meta -> error at each inner frame (N,), else NaN.

    |second difference of the prediction - that of the truth|, mean over joints, per frame squared:
    frames one sampling step apart, whatever their rate.
    """
    errors = np.full(len(meta), np.nan)
    for run in runs(meta):
        if len(run) > 2:
            errors[run[1:-1]] = acceleration_error(prediction[run], truth[run], known[run])
    return errors


def runs(meta: Sequence[Mapping[str, Any]]) -> Iterator[NDArray[np.int64]]:
    """meta (N,) with `frame` -> the rows of each person's unbroken runs of frames, in order.

    The step of a track is the smallest between two of its frames; a longer one ends a run.
    """
    tracks: dict[tuple[Any, ...], list[int]] = {}
    for row, entry in enumerate(meta):
        if isinstance(entry.get("frame"), int):
            tracks.setdefault(tuple(entry.get(word) for word in IDENTITY), []).append(row)
    for rows in tracks.values():
        order = np.array(sorted(rows, key=lambda row: int(meta[row]["frame"])), np.int64)
        steps = np.diff([int(meta[row]["frame"]) for row in order])
        positive = steps[steps > 0]
        if len(positive):
            yield from np.split(order, np.flatnonzero(steps != positive.min()) + 1)
