"""The 2D measure of HMR2.0's evaluation: the share of joints that fall near the truth."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

SEEN = 0.5  # confidence above which a label counts
HEIGHT_PX = 200.0  # one unit of the data sets' `scale`


def normalised(points: Array, box_size_px: Array, scale: Array) -> Array:
    """points (N,J,2) in crop widths, crop side (N,), scale (N,2) in 200 px -> in person sizes."""
    factor: Array = box_size_px / np.max(scale * HEIGHT_PX, axis=-1)
    sized: Array = points * factor[:, None, None]
    return sized


def pck(predicted: Array, truth: Array, confidence: Array, threshold: float) -> Array:
    """points (N,J,2) in person sizes, confidence (N,J) -> share below the threshold (J,).

    A joint that nobody has seen is NaN; `average` leaves it out.
    """
    seen = confidence > SEEN
    near = (np.linalg.norm(predicted - truth, axis=-1) < threshold) & seen
    people = seen.sum(axis=0)
    return np.where(people > 0, near.sum(axis=0) / np.maximum(people, 1), np.nan)


def average(shares: Array) -> float:
    """shares (J,) -> their mean over the joints that somebody has seen."""
    known = shares[~np.isnan(shares)]
    return float(known.mean()) if len(known) else 0.0
