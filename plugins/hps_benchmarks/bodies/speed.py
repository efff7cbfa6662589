"""PA-MPJPE of as many people as 3DPW's test has: all at once, and one after the other."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hpscli.metrics.errors import pa_mpjpe

Array = NDArray[np.float64]

PEOPLE, JOINTS = 35515, 14
SIZE = np.array([0.2, 0.5, 0.15])  # metres, standard deviation of joints along x, y, z
ERROR = 0.05  # metres


def people() -> dict[str, Array]:
    """-> predicted and true joints (35515,14,3) metres."""
    random = np.random.RandomState(0)
    truth = random.standard_normal((PEOPLE, JOINTS, 3)) * SIZE
    return {"truth": truth, "prediction": truth + ERROR * random.standard_normal(truth.shape)}


def ours(given: Mapping[str, Array]) -> dict[str, Array]:
    """-> error of each person (N,)."""
    return {"pa_mpjpe": pa_mpjpe(given["prediction"], given["truth"])}


def plain(given: Mapping[str, Array]) -> dict[str, Array]:
    """-> the same, a decomposition for each person, as the HMR family's programs."""
    pairs = zip(given["prediction"], given["truth"], strict=True)
    return {"pa_mpjpe": np.array([_person(first, second) for first, second in pairs])}


def _person(prediction: Array, truth: Array) -> float:
    first, second = prediction.T, truth.T
    first_mean, second_mean = (points.mean(axis=1, keepdims=True) for points in (first, second))
    moved, goal = first - first_mean, second - second_mean
    spread = np.sum(moved**2)
    shared = moved.dot(goal.T)
    u, _, vt = np.linalg.svd(shared)
    flip = np.eye(3)
    flip[-1, -1] = np.sign(np.linalg.det(u.dot(vt)))
    rotation = vt.T.dot(flip.dot(u.T))
    scale = np.trace(rotation.dot(shared)) / spread
    aligned = scale * rotation.dot(first) + (second_mean - scale * rotation.dot(first_mean))
    return float(np.sqrt(((aligned - second) ** 2).sum(axis=0)).mean())
