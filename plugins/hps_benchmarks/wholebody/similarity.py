"""The similarity transform of OSX, Hand4Whole and SMPLer-X: one mesh moved, turned and scaled onto another.

Nothing is made more precise than it comes: official programs give the network's float32 meshes to it,
and their figures depend on that in the seventh digit. Give float64 for the exact transform.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def onto(prediction: Array, truth: Array) -> Array:
    """prediction (N,P,3), truth (N,P,3) -> the prediction after its best similarity transform (N,P,3).

    A proper rotation. NaN for a prediction without extent, whose scale official code divides by zero.
    """
    moved = prediction - prediction.mean(axis=1, keepdims=True)
    target = truth - truth.mean(axis=1, keepdims=True)
    shared = np.matmul(moved.transpose(0, 2, 1), target) / prediction.shape[1]
    left, singular, right = np.linalg.svd(shared)
    turn = np.matmul(right.transpose(0, 2, 1), left.transpose(0, 2, 1))
    mirrored = np.linalg.det(turn) < 0
    singular[mirrored, 2] *= -1
    right[mirrored, 2] *= -1
    turn = np.matmul(right.transpose(0, 2, 1), left.transpose(0, 2, 1))
    spread = np.var(prediction, axis=1).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 1 / spread * singular.sum(axis=1)
        scaled = scale[:, None, None] * turn
        shift = truth.mean(axis=1) - np.matmul(scaled, prediction.mean(axis=1)[:, :, None])[..., 0]
        return np.asarray(np.matmul(prediction, scaled.transpose(0, 2, 1)) + shift[:, None])


def onto_or_middle(prediction: Array, truth: Array) -> Array:
    """As `onto`; a prediction without extent lands on the middle of the truth, as in 3DPW's challenge."""
    aligned = onto(prediction, truth)
    flat = ~np.isfinite(aligned).all(axis=(1, 2)) & np.isfinite(prediction).all(axis=(1, 2))
    aligned[flat] = truth[flat].mean(axis=1, keepdims=True)
    return aligned
