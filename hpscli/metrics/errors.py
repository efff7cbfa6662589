"""Errors between predicted and true points: batched, float64, one number per person.

Points are (N,P,3) in metres, N people with P joints or vertices. `mask` (N,P) is True where the
truth is known. A person without any known point gets NaN, which the means of a set leave out and
count. Millimetres in give millimetres out, but thresholds here are metres.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpscli.errors import InvalidData
from hpscli.metrics.geometry.similarity import rotations

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Alignment = Literal["none", "scale", "scale_translation", "procrustes"]

PCK_THRESHOLD = 0.150  # metres; a hit is strictly nearer (MPI-INF-3DHP and mmhuman3d)
AUC_THRESHOLDS = np.linspace(0.0, 0.150, 31)  # metres, 0 included (mmhuman3d)
CHUNK_POINTS = 1 << 16  # points at a time: what is in between stays in the cache of a core
SMALLEST_SPREAD = 1e-9  # a prediction whose points all lie within a nanometre has no shape


@dataclass(frozen=True)
class Similarity:
    """Similarity transforms of N people: x -> scale (x - origin) @ rotation + target."""

    rotation: Array  # (N,3,3) for rows
    scale: Array  # (N,)
    origin: Array  # (N,3)
    target: Array  # (N,3)
    has_shape: Mask  # (N,) whether the prediction has an extent; else the scale is 0


def distances(prediction: ArrayLike, truth: ArrayLike) -> Array:
    """prediction (N,P,3), truth (N,P,3) -> Euclidean distances (N,P)."""
    first, second = _pair(prediction, truth)
    difference = first - second
    squares: Array = np.einsum("npc,npc->np", difference, difference)
    return np.asarray(np.sqrt(squares), np.float64)


def person_means(values: ArrayLike, mask: ArrayLike | None = None) -> Array:
    """values (N,P) -> mean over the known points of each person (N,); NaN where none is known."""
    values = np.asarray(values, np.float64)
    if mask is None:
        return np.asarray(values.mean(axis=1), np.float64)
    known = _mask(mask, values.shape)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    means = np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)
    return np.asarray(means, np.float64)


def set_mean(values: ArrayLike, mask: ArrayLike | None = None, *, pooled: bool = False) -> float:
    """values (N,P) -> the mean of a set.

    pooled=False: mean over people of each person's mean (SPIN, PARE, HMR2, OSX).
    pooled=True: one mean over every known point (mmhuman3d, MPI-INF-3DHP); it differs from the
    first as soon as people lack joints, because people with more joints weigh more.
    """
    values = np.asarray(values, np.float64)
    known = np.ones(values.shape, bool) if mask is None else _mask(mask, values.shape)
    if not known.any():
        return float("nan")
    if pooled:
        return float(values[known].mean())
    return float(np.nanmean(person_means(values, known)))


def mpjpe(prediction: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Array:
    """points (N,P,3) -> mean distance per person (N,); with vertices this is the PVE."""
    return person_means(distances(prediction, truth), mask)


def pa_mpjpe(prediction: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Array:
    """points (N,P,3) -> mean distance (N,) after the best similarity transform over known points."""
    first, second = _pair(prediction, truth)
    known = None if mask is None else _mask(mask, first.shape[:2])
    rows = max(1, CHUNK_POINTS // max(1, first.shape[1]))
    parts = [np.zeros(0)]
    for start in range(0, len(first), rows):
        some = slice(start, start + rows)
        shown = None if known is None else known[some]
        fit, moved, goal = _fitted(first[some], second[some], shown)
        moved = np.matmul(moved, fit.rotation * fit.scale[:, None, None])
        parts.append(mpjpe(moved, goal, shown))
    return np.concatenate(parts)


def pck(values: ArrayLike, threshold: float = PCK_THRESHOLD) -> Array:
    """distances (N,P) metres -> percent of points nearer than the threshold, as 0 or 100 (N,P).

    Per point, so that `person_means` and `set_mean` aggregate it like any other error.
    """
    return np.where(np.asarray(values, np.float64) < threshold, 100.0, 0.0)


def auc(values: ArrayLike, thresholds: ArrayLike = AUC_THRESHOLDS) -> Array:
    """distances (N,P) metres -> mean PCK over the thresholds, percent (N,P)."""
    steps = np.sort(np.asarray(thresholds, np.float64))
    larger = len(steps) - np.searchsorted(steps, np.asarray(values, np.float64), side="right")
    return np.asarray(100.0 * larger / len(steps), np.float64)


def acceleration_error(
    prediction: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None
) -> Array:
    """frames (T,P,3) of one person in order -> mean |a_pred - a_true| per inner frame (T-2,).

    Second differences, in units per frame squared; a frame counts where it and both neighbours
    know the point.
    """
    first, second = _pair(prediction, truth)
    if len(first) < 3:
        return np.zeros(0)
    change = [x[:-2] - 2 * x[1:-1] + x[2:] for x in (first, second)]
    known = None
    if mask is not None:
        frames = _mask(mask, first.shape[:2])
        known = frames[:-2] & frames[1:-1] & frames[2:]
    return mpjpe(change[0], change[1], known)


def align(
    prediction: ArrayLike, truth: ArrayLike, how: Alignment, mask: ArrayLike | None = None
) -> Array:
    """prediction (N,P,3) -> the prediction after `how`, fitted on the known points (N,P,3).

    scale: the least-squares factor alone, about the origin (mmhuman3d's "scale"; of rooted joints
    this gives N-MPJPE). scale_translation: a factor and a shift, without a rotation.
    """
    first, second = _pair(prediction, truth)
    known = None if mask is None else _mask(mask, first.shape[:2])
    if how == "none":
        return first
    if how == "procrustes":
        return procrustes(first, second, known)
    if how == "scale_translation":
        origin, moved = _about_mean(first, known)
        target, goal = _about_mean(second, known)
        factor = _factor(moved, goal)
        return np.asarray((first - origin[:, None]) * factor + target[:, None], np.float64)
    moved, goal = first, second
    if known is not None:
        moved, goal = first * known[..., None], np.where(known[..., None], second, 0.0)
    return np.asarray(_factor(moved, goal) * first, np.float64)


def procrustes(prediction: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None) -> Array:
    """prediction (N,P,3) -> prediction moved, turned and scaled onto the truth (N,P,3).

    A proper rotation: a mirrored body is not turned inside out. With a mask the transform is fitted
    on the known points and applied to all. A prediction without extent (all points in one place)
    lands on the mean of the truth, as in the 3DPW challenge; the HMR family's code divides 0 by 0
    there, and one such person makes the mean of the whole set NaN.
    """
    first, fit = np.asarray(prediction, np.float64), similarity(prediction, truth, mask)
    moved = first - fit.origin[:, None]
    turned = np.matmul(moved, fit.rotation * fit.scale[:, None, None])
    turned += fit.target[:, None]
    return np.asarray(turned, np.float64)


def procrustes_rotation(
    prediction: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None
) -> Array:
    """points (N,P,3) -> the rotation of each person's similarity transform, for columns (N,3,3).

    Put before predicted rotations it gives PA-MPJAE. Identity where the prediction has no extent.
    """
    fit = similarity(prediction, truth, mask)
    rotation = fit.rotation.transpose(0, 2, 1).copy()
    rotation[~fit.has_shape] = np.eye(3)
    return rotation


def similarity(
    prediction: ArrayLike, truth: ArrayLike, mask: ArrayLike | None = None
) -> Similarity:
    """points (N,P,3) -> the similarity transform of each person that brings them nearest together."""
    first, second = _pair(prediction, truth)
    known = None if mask is None else _mask(mask, first.shape[:2])
    return _fitted(first, second, known)[0]


def _fitted(first: Array, second: Array, mask: Mask | None) -> tuple[Similarity, Array, Array]:
    """points (N,P,3) -> the transforms, and both sides about their means, 0 where unknown (N,P,3)."""
    origin, moved = _about_mean(first, mask)
    target, goal = _about_mean(second, mask)
    spread = np.einsum("npc,npc->n", moved, moved)
    shared = np.matmul(moved.transpose(0, 2, 1), goal)
    _refuse_nan(shared)
    rotation = rotations(shared)
    trace = np.einsum("nij,nij->n", rotation, shared)
    count = first.shape[1] if mask is None else np.maximum(mask.sum(axis=1), 1)
    has_shape = spread > count * SMALLEST_SPREAD**2
    scale = np.divide(trace, spread, out=np.zeros_like(trace), where=has_shape)
    return Similarity(rotation, scale, origin, target, has_shape), moved, goal


def _about_mean(points: Array, mask: Mask | None) -> tuple[Array, Array]:
    """points (N,P,3) -> the mean of the known ones (N,3), and all from it, 0 where unknown (N,P,3)."""
    if mask is None:
        mean = sums(points) / max(points.shape[1], 1)
        return mean, points - mean[:, None]
    points = np.where(mask[:, :, None], points, 0.0)
    mean = sums(points) / np.maximum(mask.sum(axis=1), 1)[:, None]
    return mean, (points - mean[:, None]) * mask[:, :, None]


def _factor(moved: Array, goal: Array) -> Array:
    """points (N,P,3) -> the least-squares factor of each person (N,1,1); 0 where all are 0."""
    power = np.einsum("npc,npc->n", moved, moved)
    shared = np.einsum("npc,npc->n", moved, goal)
    factor = np.divide(shared, power, out=np.zeros_like(power), where=power > 0)
    return np.asarray(factor[:, None, None], np.float64)


def require_finite(name: str, values: ArrayLike, keys: Sequence[str]) -> None:
    """values (N,...) of people `keys` -> an error that names the people with NaN or infinity."""
    array = np.asarray(values)
    refuse_people(name, ~np.isfinite(array.reshape(len(array), -1)).all(axis=1), keys)


def refuse_people(name: str, bad: Mask, keys: Sequence[str]) -> None:
    """bad (N,), whose values are NaN or infinite, of people `keys` -> an error if there is anybody."""
    if bad.any():
        people = [key for key, is_bad in zip(keys, bad, strict=True) if is_bad]
        raise InvalidData(
            f"{name} of {len(people)} of {len(keys)} people is NaN or infinite, first '{people[0]}'.",
            "A model that diverged predicts this; try an earlier checkpoint: RUN@EPOCH",
        )


def _refuse_nan(shared: Array) -> None:
    bad = np.flatnonzero(~np.isfinite(shared).all(axis=(1, 2)))
    if len(bad):
        raise InvalidData(
            f"points of person {bad[0]} are NaN or infinite ({len(bad)} of {len(shared)} people)."
        )


def sums(points: Array) -> Array:
    """points (N,P,3) -> their sums (N,3); a product with ones, which is faster than adding up."""
    return np.asarray(np.matmul(np.ones((1, points.shape[1])), points)[:, 0], np.float64)


def _pair(prediction: ArrayLike, truth: ArrayLike) -> tuple[Array, Array]:
    first, second = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if first.shape != second.shape or first.ndim != 3 or first.shape[2] != 3:
        raise InvalidData(
            f"predicted points {first.shape} and true points {second.shape} must both be (N,P,3)."
        )
    return first, second


def _mask(mask: ArrayLike, shape: tuple[int, ...]) -> Mask:
    known = np.asarray(mask, bool)
    if known.shape != shape:
        raise InvalidData(f"mask {known.shape} does not fit errors {shape}.")
    return known
