"""Shares of errors within growing thresholds (PCK, PCV), and the area under them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def hit_counts(
    values: ArrayLike, thresholds: ArrayLike, *, inclusive: bool = True
) -> NDArray[np.int64]:
    """values (N,P), ascending thresholds (T,) -> how many of each row are hits (N,T).

    inclusive: an error of exactly the threshold is a hit (<=), else it is a miss (<). NaN never hits.
    """
    errors, steps = np.asarray(values, np.float64), np.asarray(thresholds, np.float64)
    first = np.searchsorted(steps, errors, side="left" if inclusive else "right")
    bins = len(steps) + 1  # first threshold that is a hit; NaN sorts behind all
    first += bins * np.arange(len(errors))[:, None]
    found = np.bincount(first.ravel(), minlength=bins * len(errors))
    counts = found.reshape(len(errors), bins)[:, :-1].cumsum(axis=1)
    return np.asarray(counts, np.int64)


def hit_shares(values: ArrayLike, thresholds: ArrayLike, *, inclusive: bool = True) -> Array:
    """values (N,P), ascending thresholds (T,) -> share of hits of each row (N,T), from 0 to 1."""
    counts = hit_counts(values, thresholds, inclusive=inclusive)
    return np.asarray(counts / np.asarray(values).shape[1], np.float64)


def area(shares: ArrayLike, thresholds: ArrayLike) -> Array:
    """shares (...,T) over thresholds (T,) -> area by trapezoids over the length of the axis (...)."""
    steps = np.diff(np.asarray(thresholds, np.float64))
    heights = np.asarray(shares, np.float64)
    trapezoids = steps * (heights[..., 1:] + heights[..., :-1]) / 2.0
    whole = steps.sum()
    return np.asarray(trapezoids.sum(axis=-1) / whole, np.float64)
