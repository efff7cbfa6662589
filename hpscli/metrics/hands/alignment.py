"""The alignments of FreiHAND's and HO-3D's programs; the first one can turn a hand inside out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpscli.errors import InvalidData
from hpscli.metrics.errors import sums

Array = NDArray[np.float64]
SMALLEST = 1e-8  # metres, added to the norms of both point sets: no division by zero
FLAT = 1e-9  # of point sets of norm 1: no extent in a direction
MIDDLE_FINGER, WRIST = 4, 0  # in MANO's order: HO-3D takes their distance as the size of a hand


@dataclass(frozen=True)
class Similarity:
    """N maps of predictions onto truths: x -> (x - source) / size @ turn.T * fit * true_size + target."""

    turn: Array  # (N,3,3) orthogonal; determinant -1 where a mirror image fits better
    fit: Array  # (N,) scale between the point sets of norm 1
    size: Array  # (N,) norm of the centred prediction, metres
    true_size: Array  # (N,)
    source: Array  # (N,3) mean of the prediction
    target: Array  # (N,3) mean of the truth
    rank: NDArray[np.int64]  # (N,) 3; fewer where points are flat, and `turn` is one of many

    def apply(self, points: ArrayLike) -> Array:
        """points (N,P,3) -> the same, moved."""
        centred = np.asarray(points, np.float64) - self.source[:, None]
        centred /= self.size[:, None, None]
        moved = np.matmul(centred, self.turn.transpose(0, 2, 1))
        moved *= (self.fit * self.true_size)[:, None, None]
        moved += self.target[:, None]
        return np.asarray(moved, np.float64)

    def apply_unscaled(self, points: ArrayLike) -> Array:
        """points (N,P,3) -> as FreiHAND moves a mesh that is not MANO's.

        It turns about the mesh's own middle, moves by the difference of the key points' middles, and
        forgets to divide by the size of the prediction.
        """
        given = np.asarray(points, np.float64)
        middle = given.mean(axis=1, keepdims=True)
        moved = np.matmul(given - middle, self.turn.transpose(0, 2, 1))
        moved *= (self.fit * self.true_size)[:, None, None]
        moved += (self.target - self.source)[:, None] + middle
        return np.asarray(moved, np.float64)


def similarity(prediction: ArrayLike, truth: ArrayLike, *, mirrors: bool = True) -> Similarity:
    """prediction (N,P,3), truth (N,P,3) metres -> the least-squares map of each onto the other.

    mirrors: as the official programs, whose orthogonal matrix may be a reflection, so that a mirrored
    hand fits perfectly. False: a proper rotation.
    """
    first, second = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if first.shape != second.shape or first.ndim != 3 or first.shape[2] != 3:
        raise InvalidData(
            f"predicted points {first.shape} and true {second.shape} must be (N,P,3)."
        )
    source, target = (sums(points) / points.shape[1] for points in (first, second))
    first, second = first - source[:, None], second - target[:, None]
    size = np.sqrt(np.einsum("npc,npc->n", first, first)) + SMALLEST
    true_size = np.sqrt(np.einsum("npc,npc->n", second, second)) + SMALLEST
    shared = np.matmul(second.transpose(0, 2, 1), first)
    shared /= (size * true_size)[:, None, None]
    if not np.isfinite(shared).all():
        raise InvalidData("a hand has points that are NaN or infinite.")
    u, singular, vt = np.linalg.svd(shared)
    if not mirrors:
        sign = np.where(np.linalg.det(np.matmul(u, vt)) < 0, -1.0, 1.0)
        u[:, :, 2] *= sign[:, None]
        singular[:, 2] *= sign
    rank = (np.abs(singular) > FLAT).sum(axis=1)
    turn, fit = np.matmul(u, vt), singular.sum(axis=1)
    return Similarity(turn, fit, size, true_size, source, target, rank)


def aligned(prediction: ArrayLike, truth: ArrayLike, *, mirrors: bool = True) -> Array:
    """prediction (N,P,3), truth (N,P,3) -> the prediction moved onto the truth (N,P,3)."""
    return similarity(prediction, truth, mirrors=mirrors).apply(prediction)


def scale_translation(prediction: ArrayLike, truth: ArrayLike) -> Array:
    """joints (N,21,3) in MANO's order -> the prediction with the truth's size and wrist (N,21,3).

    Size: wrist to the base of the middle finger; a prediction where that is 0 keeps its own. The wrist
    lies on the true one exactly, so that it is a hit at a threshold of 0.
    """
    first, second = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    size, true_size = (
        np.sqrt(np.square(points[:, MIDDLE_FINGER] - points[:, WRIST]).sum(axis=1))
        for points in (first, second)
    )
    scaled = first / np.where(size > 0, size, 1.0)[:, None, None] * true_size[:, None, None]
    return np.asarray(scaled - scaled[:, :1] + second[:, :1], np.float64)
