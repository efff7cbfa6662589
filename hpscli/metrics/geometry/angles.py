"""Angles between predicted and true rotations (MPJAE), in degrees, batched, float64."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpscli.errors import InvalidData

Array = NDArray[np.float64]

# OpenCV's Rodrigues calls a rotation whose sine is below this, and whose cosine is positive, none.
SMALLEST_SINE = 1e-5


def angle_errors(prediction: ArrayLike, truth: ArrayLike, turn: ArrayLike | None = None) -> Array:
    """rotations (N,J,3,3), turn (N,3,3) put before each prediction -> degrees between them (N,J).

    The turn from truth to prediction is first moved to the closest orthogonal matrix, so that a
    prediction that is not quite a rotation, or scaled, is accepted. With `turn` = the rotation of
    each person's Procrustes transform the mean of these is PA-MPJAE.
    """
    first, second = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if first.shape != second.shape or first.ndim != 4 or first.shape[2:] != (3, 3):
        raise InvalidData(
            f"predicted rotations {first.shape} and true rotations {second.shape} must both be "
            "(N,J,3,3)."
        )
    if turn is not None:
        first = np.matmul(np.asarray(turn, np.float64)[:, None], first)
    return rotation_angles(np.matmul(first, second.swapaxes(-1, -2)))


def rotation_angles(matrices: ArrayLike) -> Array:
    """matrices (...,3,3) -> degrees by which the closest orthogonal matrix turns (...).

    As the length of OpenCV's Rodrigues vector: a reflection is not made a rotation, its angle comes
    from its trace, and that of a full reflection through the origin is NaN.
    """
    turned = closest_orthogonal(matrices)
    twice = np.stack(
        [
            turned[..., 2, 1] - turned[..., 1, 2],
            turned[..., 0, 2] - turned[..., 2, 0],
            turned[..., 1, 0] - turned[..., 0, 1],
        ],
        axis=-1,
    )
    sine = 0.5 * np.sqrt((twice**2).sum(axis=-1))
    cosine = 0.5 * (np.trace(turned, axis1=-2, axis2=-1) - 1.0)
    proper = np.linalg.det(turned) > 0
    angle = np.where(proper, np.arctan2(sine, cosine), np.arccos(np.clip(cosine, -1.0, 1.0)))
    angle = np.where((sine < SMALLEST_SINE) & (cosine > 0), 0.0, angle)
    inverted = ~proper & (cosine < SMALLEST_SINE - 2.0)  # minus the identity: no axis, no angle
    return np.asarray(np.degrees(np.where(inverted, np.nan, angle)), np.float64)


def closest_orthogonal(matrices: ArrayLike) -> Array:
    """matrices (...,3,3) -> the orthogonal matrix nearest to each (...,3,3), reflections included."""
    values = np.asarray(matrices, np.float64)
    if not np.isfinite(values).all():
        raise InvalidData("a rotation is NaN or infinite.")
    u, _, vt = np.linalg.svd(values)
    return np.asarray(np.matmul(u, vt), np.float64)
