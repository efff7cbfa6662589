"""Errors and averages of bodies as METRO, SPIN, PARE, mmhuman3d and HMR 2.0 take them; float64."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hps_benchmarks.bodies.joints import HIPS, chosen
from hps_benchmarks.bodies.options import BodyOptions
from hpscli.metrics import tensors
from hpscli.metrics.errors import (
    Alignment,
    align,
    auc,
    distances,
    mpjpe,
    pa_mpjpe,
    pck,
    person_means,
    similarity,
)

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MM_PER_M = 1000.0


@dataclass(frozen=True)
class Joints:
    """Joints (N,J,3) metres of one set, and which are known (N,J)."""

    points: Array
    set_name: str
    known: Mask | None = None


def joint_values(options: BodyOptions, predicted: Joints, truth: Joints) -> dict[str, Array]:
    """Both sides' joints of N people -> errors; NaN where a person's truth is unknown.

    mpjpe, pa_mpjpe (N,) mm; pck, pa_pck, auc, pa_auc (N,) percent; joint_errors_mm,
    aligned_errors_mm (N,14 or 17); shapeless (N,): 1 where the prediction is a single point;
    pa_of_all (N,): pa_mpjpe with 0 for who has no truth; predicted_joints, true_joints (N,J,3) m.
    """
    first, second = _rooted(options, predicted), _rooted(options, truth)
    known = _known(options, truth)
    away = np.where(known, distances(first, np.where(known[..., None], second, 0.0)), np.nan)
    fit = similarity(first, second, known)
    moved = np.matmul(first - fit.origin[:, None], fit.rotation * fit.scale[:, None, None])
    aligned = distances(moved + fit.target[:, None], np.where(known[..., None], second, 0.0))
    aligned = np.where(known, aligned, np.nan)
    single = _shapeless(options, first, known)
    if options.strict:  # 0 / 0 in the official code: no distance, and no hit
        aligned[single > 0] = np.nan
    shares = _shares("pa_", aligned, known)
    return {
        # METRO aligns everybody; who has no joints has zeros there, which are met exactly
        "pa_of_all": np.where(known.any(axis=1), shares["pa_mpjpe"], 0.0),
        "joint_errors_mm": away * MM_PER_M,
        "aligned_errors_mm": aligned * MM_PER_M,
        "shapeless": single,
        **_scaled(first, second, known),
        "predicted_joints": np.where(known[..., None], first, np.nan),
        "true_joints": np.where(known[..., None], second, np.nan),
        **_shares("", away, known),
        **shares,
    }


def _scaled(first: Array, second: Array, known: Mask) -> dict[str, Array]:
    """-> n_mpjpe, st_mpjpe (N,) mm: after the best scale, after the best scale and translation."""
    kinds: dict[str, Alignment] = {"n_mpjpe": "scale", "st_mpjpe": "scale_translation"}
    goal = np.where(known[..., None], second, 0.0)
    return {
        name: mpjpe(align(first, goal, how, known), goal, known) * MM_PER_M
        for name, how in kinds.items()
    }


def _shares(before: str, away: Array, known: Mask) -> dict[str, Array]:
    """distances (N,J) metres -> each person's share of the figures; what is NaN is no hit."""
    filled = np.where(known & ~np.isnan(away), away, np.inf)
    return {
        f"{before}mpjpe": person_means(np.where(known, away, 0.0), known) * MM_PER_M,
        f"{before}pck": person_means(pck(filled), known),
        f"{before}auc": person_means(auc(filled), known),
    }


def mesh_values(predicted: Array, truth: Array, known: Mask) -> dict[str, Array]:
    """vertices (N,V,3) metres, moved as the rule says -> pve, pa_pve (N,) mm, NaN where unknown."""
    found = {name: np.full(len(known), np.nan) for name in ("pve", "pa_pve")}
    if known.any():
        found["pve"][known] = mpjpe(predicted[known], truth[known]) * MM_PER_M
        found["pa_pve"][known] = pa_mpjpe(predicted[known], truth[known]) * MM_PER_M
    return found


def mesh_values_there(predicted: Tensor, truth: Tensor, known: Mask) -> dict[str, Array]:
    """As mesh_values, float64 tensors on one device, which only the two errors leave."""
    found = {name: np.full(len(known), np.nan) for name in ("pve", "pa_pve")}
    rows = torch.from_numpy(np.flatnonzero(known)).to(predicted.device)
    first, second = predicted[rows], truth[rows]
    found["pve"][known] = tensors.mpjpe(first, second).cpu().numpy() * MM_PER_M
    found["pa_pve"][known] = tensors.pa_mpjpe(first, second).cpu().numpy() * MM_PER_M
    return found


def official_distances(prediction: Array, truth: Array, how: Alignment) -> Array:
    """points (N,P,3) -> distances (N,P) after mmhuman3d's alignment, NaN where it divides by zero.

    Without one in the precision of the points, which decides whether a tie at a threshold is a hit.
    """
    if how == "none":
        return np.asarray(np.linalg.norm(prediction - truth, axis=-1), np.float64)
    away = distances(align(prediction, truth, how), truth)
    if how == "procrustes":
        away[(prediction == prediction[:, :1]).all(axis=(1, 2))] = np.nan
    elif how == "scale":
        away[(prediction == 0).all(axis=(1, 2))] = np.nan
    return away


def pelvis(joints: Joints) -> Array:
    """-> the pelvis of each person (N,1,3)."""
    return chosen(joints.points, joints.set_name, 14)[1]


def running_average(values: Array, weights: Mask, batch: int) -> float:
    """values (N,), who counts (N,) -> METRO's average: batch means weighted by who counts in each.

    The mean of a batch is over all its people, also over those that do not count in its weight.
    """
    total = count = 0.0
    for start in range(0, len(values), batch):
        some = slice(start, start + batch)
        weight = float(weights[some].sum())
        total, count = total + float(values[some].mean()) * weight, count + weight
    return total / count if count else float("nan")


def set_value(options: BodyOptions, name: str, values: Mapping[str, Array]) -> float:
    """A figure's name, what was measured of N people -> its value for the set; NaN: it has none."""
    per_person = values[name]
    known = ~np.isnan(per_person)
    if options.average == "batches" and options.strict and name != "pa_mpjpe" and not known.any():
        return 0.0  # METRO's average of nothing
    if not known.any() or _undefined(options, name, values):
        return float("nan")
    if options.average == "batches":
        if name == "pa_mpjpe" and options.strict:
            counted = ~np.isnan(values["mpjpe"])
            return running_average(values["pa_of_all"], counted, options.batch)
        return float(per_person[known].mean())
    if options.average == "joints" and name not in ("pve", "pa_pve"):
        away = values["aligned_errors_mm" if name.startswith("pa_") else "joint_errors_mm"]
        shown = ~np.isnan(values["joint_errors_mm"])
        share = {"pck": pck, "auc": auc}.get(name.removeprefix("pa_"))
        if share is not None:
            away = np.nan_to_num(away, nan=np.inf)
        return float((away if share is None else share(away / MM_PER_M))[shown].mean())
    return float(per_person[known].mean())


def _undefined(options: BodyOptions, name: str, values: Mapping[str, Array]) -> bool:
    """-> whether the official code divides by zero for somebody, so that the set has no value."""
    return options.strict and name == "pa_mpjpe" and bool(values["shapeless"].any())


def _shapeless(options: BodyOptions, points: Array, known: Mask) -> Array:
    """-> 1 for people whose prediction is a single point (N,), among those that are aligned."""
    single = (points == points[:, :1]).all(axis=(1, 2))
    aligned = known.any(axis=1) | (options.average == "batches")
    return np.where(single & aligned, 1.0, 0.0)


def _rooted(options: BodyOptions, joints: Joints) -> Array:
    points, root = chosen(joints.points, joints.set_name, options.count)
    if options.root == "mid_hip":
        root = points[:, list(HIPS)].mean(axis=1, keepdims=True)
    elif options.root == "stored" and joints.set_name == "spin_gt24":
        return points
    return np.asarray(points - root, np.float64)


def _known(options: BodyOptions, truth: Joints) -> Mask:
    """-> which joints count (N,J): known themselves, of people whose root is known."""
    count = len(truth.points)
    if truth.known is None:
        return np.ones((count, options.count), bool)
    points, root = chosen(truth.known[..., None].astype(np.float64), truth.set_name, options.count)
    rooted: Mask = root[:, 0, 0] > 0
    if options.root == "mid_hip":
        rooted = np.asarray((points[:, list(HIPS), 0] > 0).all(axis=1), bool)
    return np.asarray((points[..., 0] > 0) & rooted[:, None], bool)
