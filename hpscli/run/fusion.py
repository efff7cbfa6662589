"""Test-time fusion of many crops of the same people, as METRO and Mesh Graphormer do for hands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpscli.metrics.errors import procrustes

# Of the box, and of the crop (metro_graphormer SPEC 6.3): 5 x 19 runs, the first rotation is upright.
SCALES = (0.7, 0.8, 0.9, 1.0, 1.1)
ROTATIONS_DEGREES = (0, *(sign * angle for angle in range(10, 100, 10) for sign in (1, -1)))
REFERENCE = (1.0, 0)  # scale and rotation of the run that all others are aligned to


def views() -> Iterator[tuple[float, int]]:
    """-> scale of the box and rotation in degrees of every run, in the official order."""
    for scale in SCALES:
        for rotation in ROTATIONS_DEGREES:
            yield scale, rotation


def fuse(reference: ArrayLike, runs: Iterable[ArrayLike]) -> NDArray[np.float64]:
    """reference (N,P,3), runs each (N,P,3) -> (N,P,3): the mean of all, aligned to the reference.

    Scale, rotation and translation of every run and person are undone first. The reference counts
    once by itself and again as one of the runs, as in the official code.
    """
    start = np.asarray(reference, np.float64)
    total, count = start.copy(), 1
    for run in runs:
        total += procrustes(run, start)
        count += 1
    return np.asarray(total / count, np.float64)
