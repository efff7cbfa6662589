"""The share of 2D joints that fall near the truth (PCK), as HMR 2.0's evaluation counts it.

Arrays keep their precision up to the difference, the distance is rounded to float32: a tie at the
threshold then falls where the official program's falls.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SEEN = 0.5  # confidence above which a label counts
HEIGHT_PX = 200.0  # one unit of the data sets' `scale`
THRESHOLDS = (0.05, 0.1)  # person sizes, that HMR 2.0 reports


def normalised(points: Array, box_size_px: Array, scale: Array) -> Array:
    """points (N,J,2) in crop widths, crop side (N,), scale (N,2) in 200 px -> in person sizes."""
    factor: Array = box_size_px / np.max(scale * HEIGHT_PX, axis=-1)
    sized: Array = points * factor[:, None, None]
    return sized


def seen(confidence: Array) -> NDArray[np.bool_]:
    """confidence (N,J) -> which labels count (N,J)."""
    return np.asarray(confidence > SEEN, bool)


def distances_2d(predicted: Array, truth: Array) -> NDArray[np.float32]:
    """points (N,J,2) -> distances (N,J), NaN where a prediction is."""
    difference = (predicted - truth).astype(np.float64)
    return np.asarray(np.linalg.norm(difference, axis=-1), np.float32)


def hits(
    predicted: Array, truth: Array, confidence: Array, threshold: float
) -> NDArray[np.float64]:
    """points (N,J,2), confidence (N,J) -> 1 near the truth, 0 not or NaN; NaN where unseen (N,J)."""
    near = distances_2d(predicted, truth) < np.float32(threshold)
    return np.where(seen(confidence), near.astype(np.float64), np.nan)


def pck(predicted: Array, truth: Array, confidence: Array, threshold: float) -> NDArray[np.float64]:
    """points (N,J,2) in person sizes, confidence (N,J) -> share below the threshold (J,).

    A joint that nobody has seen is NaN; `average` leaves it out.
    """
    return shares(hits(predicted, truth, confidence, threshold))


def shares(hit: NDArray[np.float64]) -> NDArray[np.float64]:
    """hits (N,J), NaN where unseen -> share of the seen ones for each joint (J,), NaN without any."""
    known = ~np.isnan(hit)
    people = known.sum(axis=0)
    near = np.where(known, hit, 0.0).sum(axis=0)
    return np.where(people > 0, near / np.maximum(people, 1), np.nan)


def average(per_joint: NDArray[np.float64]) -> float:
    """shares (J,) -> their mean over the joints that somebody has seen; without any 0."""
    known = per_joint[~np.isnan(per_joint)]
    return float(known.mean()) if len(known) else 0.0


def weighted_squares(predicted: Array, truth: Array, confidence: Array) -> NDArray[np.float64]:
    """points (N,J,2), confidence (N,J) -> mean over joints of confidence times squared distance (N,).

    The key-point error that HMR 2.0 calls `mode_kpl2`; unseen joints take part with weight 0.
    """
    squares = ((predicted - truth) ** 2).sum(axis=-1)
    return np.asarray((confidence * squares).mean(axis=-1), np.float64)
