"""The ETH course project's score from arrays: the public scorer's formula, and true distances."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpscli.errors import InvalidData

Array = NDArray[np.float64]

JOINTS = 49  # SPIN's: 25 of OpenPose, then 24 of data sets
FIRST = 25  # that is looked at
MM_PER_M = 1000.0


def coordinate_errors_mm(prediction: ArrayLike, truth: ArrayLike) -> Array:
    """joints (N,49,3) metres -> mean |difference| of a coordinate of the last 24 joints (N,) mm.

    What the public scorer prints as MPJPE: it takes the root of each squared difference by itself,
    so that the result is 1.7 to 3 times smaller than the mean distance.
    """
    first, second = _pair(prediction, truth)
    difference = np.abs(first - second).reshape(len(first), -1)
    return np.asarray(difference.mean(axis=1) * MM_PER_M, np.float64)


def distances_mm(prediction: ArrayLike, truth: ArrayLike) -> Array:
    """joints (N,49,3) metres -> Euclidean distances of the last 24 joints (N,24) mm, nothing moved."""
    first, second = _pair(prediction, truth)
    return np.asarray(np.sqrt(((first - second) ** 2).sum(axis=2)) * MM_PER_M, np.float64)


def public_score(prediction: ArrayLike, truth: ArrayLike) -> float:
    """joints (N,49,3) metres -> what the public scorer prints, mm."""
    return float(coordinate_errors_mm(prediction, truth).mean())


def _pair(prediction: ArrayLike, truth: ArrayLike) -> tuple[Array, Array]:
    first, second = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if first.shape != second.shape or first.shape[1:] != (JOINTS, 3):
        raise InvalidData(
            f"predicted joints {first.shape} and true joints {second.shape} must both be "
            f"(N,{JOINTS},3)."
        )
    return first[:, FIRST:], second[:, FIRST:]
