"""How much of two surfaces lies near the other one: precision, recall and F-score at a distance.

Nothing but "is there a point nearer than t" is needed, so that squared distances in single precision
decide nearly all points; those too near to a threshold for it are decided in float64.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hpscli.errors import InvalidData

Array = NDArray[np.float64]
Counts = NDArray[np.int64]
Single = NDArray[np.float32]

CHUNK = 32  # pairs of surfaces prepared at once: they stay in the cache
BLOCKS = 4  # slices of a surface; each is compared with what lies beside it
BORDERLINE = 512  # points decided in float64 at once, some MB
ROUNDING = 2.0**-24  # of one operation in float32
OPERATIONS = 16  # roundings of one squared distance, with room
WIDEST_BAND = 0.01  # of the smallest squared threshold: above, single precision decides nothing


@dataclass(frozen=True)
class FScores:
    """Of N pairs of surfaces at T distances, each (N,T): shares from 0 to 1."""

    f: Array
    precision: Array  # of the first surface: what the second comes near to
    recall: Array  # of the second: what lies near the first


def f_scores(
    first: ArrayLike,
    second: ArrayLike,
    thresholds: ArrayLike,
    *,
    kept: "dict[int, Prepared] | None" = None,
) -> FScores:
    """first (N,P,3), second (N,Q,3), thresholds (T,) -> F-scores; a point is near when d < t.

    kept: an empty table; given again with the same first surfaces, they are not sorted again.
    """
    a, b = near_counts(first, second, thresholds, kept=kept)
    precision, recall = a / np.asarray(first).shape[1], b / np.asarray(second).shape[1]
    both = precision + recall
    f = np.divide(2 * recall * precision, both, out=np.zeros_like(both), where=both > 0)
    return FScores(f, precision, recall)


def near_counts(
    first: ArrayLike,
    second: ArrayLike,
    thresholds: ArrayLike,
    *,
    kept: "dict[int, Prepared] | None" = None,
) -> tuple[Counts, Counts]:
    """first (N,P,3), second (N,Q,3), thresholds (T,) -> how many points of each have the other one
    nearer than t: (N,T), (N,T). Exact: a distance of t itself is not near.

    kept: what was worked out of the first surfaces, for further calls with the same ones.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    limits = np.asarray(thresholds, np.float64)
    if a.ndim != 3 or b.ndim != 3 or len(a) != len(b) or (a.shape[2], b.shape[2]) != (3, 3):
        raise InvalidData(f"surfaces {a.shape} and {b.shape} must be (N,P,3) and (N,Q,3).")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InvalidData("a surface has points that are NaN or infinite.")
    counts = np.zeros((2, len(a), len(limits)), np.int64)
    if not len(limits) or not a.shape[1] or not b.shape[1]:
        return counts[0], counts[1]
    for start in range(0, len(a), CHUNK):
        rows = slice(start, start + CHUNK)
        ready = {} if kept is None else kept
        if start not in ready:
            ready[start] = _prepared(a[rows])
        counts[:, rows] = _chunk(ready[start], a[rows], b[rows], limits)
    return counts[0], counts[1]


@dataclass(frozen=True)
class Prepared:
    """The first surfaces of a few pairs, ready to be compared with others."""

    middle: Array  # (N,3,1)
    low: Array  # (N,3) of the centred points
    high: Array  # (N,3)
    axis: NDArray[np.int64]  # (N,) the widest
    packed: Single  # (N,5,P) in the order of that axis
    order: NDArray[np.int64]  # (N,P)


def _prepared(points: Array) -> Prepared:
    side = np.ascontiguousarray(points.transpose(0, 2, 1))
    middle = side.mean(axis=2, keepdims=True)
    side = side - middle
    low, high = side.min(axis=2), side.max(axis=2)
    axis = (high - low).argmax(axis=1)
    with np.errstate(over="ignore", invalid="ignore"):  # huge ones are compared in float64
        return Prepared(middle, low, high, axis, *_in_order(side, axis))


def _chunk(first: Prepared, a: Array, b: Array, limits: Array) -> Counts:
    """A few pairs -> counts (2,N,T)."""
    counts = np.zeros((2, len(a), len(limits)), np.int64)
    reach = float(limits.max())
    second = np.subtract(b.transpose(0, 2, 1), first.middle, order="C")
    low, high = (first.low, second.min(axis=2)), (first.high, second.max(axis=2))
    gap = np.maximum(low[0] - high[1], low[1] - high[0])
    meet = np.asarray((gap <= reach).all(axis=1))
    largest = [np.maximum(high[k] ** 2, low[k] ** 2).sum(axis=1) for k in (0, 1)]
    band = OPERATIONS * ROUNDING * (largest[0] + largest[1])
    sharp = band <= WIDEST_BAND * float(np.square(limits).min())
    for place in np.flatnonzero(meet & ~sharp):
        counts[:, place] = _one_exactly(a[place], b[place], limits)
    chosen = np.flatnonzero(meet & sharp)
    if len(chosen):
        whole = len(chosen) == len(a)
        taken = slice(None) if whole else chosen  # a slice copies nothing
        axis = first.axis[taken]
        ordered = (
            (first.packed[taken], first.order[taken]),
            _in_order(second[taken], axis),
        )
        # rounding moves points along the axis, far less than the band at the reach
        near = _nearest_squares(ordered[0][0], ordered[1][0], axis, 1.001 * reach)
        for side, (own, other) in enumerate(((a, b), (b, a))):
            order = ordered[side][1]
            counts[side, chosen] = _decided(
                near[side], order, band[taken], own[taken], other[taken], limits
            )
    return counts


def _in_order(points: Array, axis: NDArray[np.int64]) -> tuple[Single, NDArray[np.int64]]:
    """points (N,3,P), axis (N,) -> x, y, z, squared length, 1 in the order of that axis (N,5,P)."""
    count, _, size = points.shape
    packed = np.ones((count, 5, size), np.float32)
    packed[:, :3] = points
    packed[:, 3] = np.square(points).sum(axis=1)
    order = packed[np.arange(count), axis].argsort(axis=1)
    found = np.empty_like(packed)
    for row in range(count):
        packed[row].take(order[row], axis=1, out=found[row], mode="clip")  # "raise" would copy
    return found, order


def _nearest_squares(
    a: Single, b: Single, axis: NDArray[np.int64], reach: float
) -> tuple[Single, Single]:
    """a (N,5,P), b (N,5,Q) in order -> squared distance to the other one (N,P), (N,Q).

    Right where it is less than the reach; infinite or too large elsewhere. The bits of floats from 0
    are in the order of integers, whose smallest PyTorch finds three times as fast; a square below 0 is
    one of 0 that was rounded, and stays the smallest.
    """
    count, _, size = a.shape
    right = b[:, [0, 1, 2, 4, 3]]
    right[:, :3] *= -2.0
    of_a, of_b = (np.full((count, side.shape[2]), np.inf, np.float32) for side in (a, b))
    bits_a, bits_b = of_a.view(np.int32), of_b.view(np.int32)
    starts = np.linspace(0, size, BLOCKS + 1).astype(int)
    firsts, lasts = starts[:-1], np.maximum(starts[1:] - 1, 0)
    slices = list(pairwise(starts.tolist()))
    room = np.empty(int(np.diff(starts).max()) * b.shape[2], np.float32)
    bits = torch.from_numpy(room.view(np.int32))
    rows = np.arange(count)
    own, others = a[rows, axis], b[rows, axis]
    from_, to = own[:, firsts] - np.float32(reach), own[:, lasts] + np.float32(reach)
    for row, other in enumerate(others):
        lefts = other.searchsorted(from_[row]).tolist()
        ends = other.searchsorted(to[row], side="right").tolist()
        points, against, best_a, best_b = a[row].T, right[row], bits_a[row], bits_b[row]
        for (start, stop), left, end in zip(slices, lefts, ends, strict=True):
            high, wide = stop - start, end - left
            if not high or not wide:
                continue
            squares = room[: high * wide].reshape(high, wide)
            np.matmul(points[start:stop], against[:, left:end], out=squares)
            found = bits[: high * wide].view(high, wide)
            best_a[start:stop] = found.amin(1).numpy()
            part = best_b[left:end]
            np.minimum(part, found.amin(0).numpy(), out=part)
    return of_a, of_b


def _decided(
    nearest: Single,
    order: NDArray[np.int64],
    band: Array,
    own: Array,
    other: Array,
    limits: Array,
) -> Counts:
    """Squared distances (N,P) right within `band` (N,) -> how many are below each threshold (N,T)."""
    counts = np.zeros((len(nearest), len(limits)), np.int64)
    edge = np.zeros(nearest.shape, bool)
    surely = []
    for limit in limits:
        surely.append(nearest < (limit**2 - band).astype(np.float32)[:, None])
        edge |= surely[-1] ^ (nearest <= (limit**2 + band).astype(np.float32)[:, None])
    for column, near in enumerate(surely):
        near &= ~edge
        counts[:, column] = np.count_nonzero(near, axis=1)
    rows, places = np.nonzero(edge)
    points = order[rows, places]
    for start in range(0, len(rows), BORDERLINE):
        r, p = rows[start : start + BORDERLINE], points[start : start + BORDERLINE]
        distance = _distances(own[r, p], other[r]).min(axis=1)
        np.add.at(counts, r, distance[:, None] < limits)
    return counts


def _distances(points: Array, others: Array) -> Array:
    """points (K,3), others (K,Q,3) -> distances (K,Q), summed x, y, z as the official programs do."""
    squares = np.zeros(others.shape[:2])
    for axis in range(3):
        squares += np.square(others[:, :, axis] - points[:, None, axis])
    return np.asarray(np.sqrt(squares))


def _one_exactly(a: Array, b: Array, limits: Array) -> Counts:
    """One pair far apart or of huge extent, in float64 -> counts (2,T)."""
    counts = np.zeros((2, len(limits)), np.int64)
    reach = float(limits.max())
    for side, (own, other) in enumerate(((a, b), (b, a))):
        low, high = other.min(axis=0) - reach, other.max(axis=0) + reach
        own = own[((own >= low) & (own <= high)).all(axis=1)]
        for start in range(0, len(own), BORDERLINE):
            part = own[start : start + BORDERLINE]
            every = np.broadcast_to(other, (len(part), *other.shape))
            distance = _distances(part, every).min(axis=1)
            counts[side] += (distance[:, None] < limits).sum(axis=0)
    return counts
