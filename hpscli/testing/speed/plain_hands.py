"""Hands in memory, and a plain loop over them, as the programs of hand benchmarks go about it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli.metrics.hands.scores import F_THRESHOLDS, THRESHOLDS, Hands

Array = NDArray[np.float64]
Nearest = Callable[[Array, Array], Array]  # points (P,3), others (Q,3) -> distances (P,)

DISTANCE_M, POSE, PLACE_M = 0.7, 0.15, 0.005
AT_ONCE = 256


def made_hands(count: int, joints: str) -> dict[str, Array]:
    """-> true and predicted hands of the free body in camera space; a prediction is off by some mm."""
    from hpscli.body.layer import load_body, matrices

    body = load_body("mano", source="free")
    random = torch.Generator().manual_seed(0)
    sizes = {"global_orient": 3, "hand_pose": 45, "betas": 10}
    truth = {n: 0.4 * torch.randn(count, size, generator=random) for n, size in sizes.items()}
    guess = {n: v + POSE * torch.randn(v.shape, generator=random) for n, v in truth.items()}
    place = torch.randn(count, 1, 3, generator=random) * 0.05
    place[..., 2] += DISTANCE_M
    near = place + PLACE_M * torch.randn(place.shape, generator=random)
    found: dict[str, Array] = {}
    for side, parameters, where in (("true", truth, place), ("predicted", guess, near)):
        parts: dict[str, list[Any]] = {"joints": [], "vertices": []}
        with torch.no_grad():
            for start in range(0, count, AT_ONCE):
                rows = slice(start, start + AT_ONCE)
                vertices = body(matrices({n: v[rows] for n, v in parameters.items()})).vertices
                vertices = vertices + where[rows]
                parts["joints"].append(body.regress(vertices, joints).double().numpy())
                parts["vertices"].append(vertices.double().numpy())
        found |= {f"{side}_{name}": np.concatenate(part) for name, part in parts.items()}
    return found


def hands_of(given: Mapping[str, Any]) -> tuple[Hands, Hands]:
    """What `made_hands` made -> predicted and true hands."""
    predicted, true = (
        Hands(joints=given[f"{side}_joints"], vertices=given[f"{side}_vertices"])
        for side in ("predicted", "true")
    )
    return predicted, true


def plain_scores(
    given: Mapping[str, Any], nearest: Nearest, *, aligned: str, scaled: str = ""
) -> dict[str, float]:
    """One hand, one point, one threshold after the other -> the numbers of scores.txt."""
    names = [name for name in ("xyz", aligned, scaled, "mesh", "mesh_al") if name]
    points = {n: given[f"true_{'vertices' if 'mesh' in n else 'joints'}"].shape[1] for n in names}
    errors: dict[str, list[list[float]]] = {n: [[] for _ in range(points[n])] for n in names}
    scores: dict[str, list[float]] = {}
    for row in range(len(given["true_joints"])):
        joints, vertices = given["true_joints"][row], given["true_vertices"][row]
        guess, mesh = given["predicted_joints"][row], given["predicted_vertices"][row]
        moved = aligned_one(vertices, mesh)
        pairs = {"xyz": (joints, guess), aligned: (joints, aligned_one(joints, guess))}
        if scaled:
            pairs[scaled] = (joints, scaled_one(joints, guess))
        pairs |= {"mesh": (vertices, mesh), "mesh_al": (vertices, moved)}
        for name, (truth, found) in pairs.items():
            distances = np.sqrt(np.sum(np.square(truth - found), axis=1))
            for point, distance in enumerate(distances):
                errors[name][point].append(distance)
        for threshold in F_THRESHOLDS:
            mm = round(1000 * threshold)
            for name, surface in ((f"f_score_{mm}", mesh), (f"f_al_score_{mm}", moved)):
                scores.setdefault(name, []).append(f_one(vertices, surface, threshold, nearest))
    curves = {name: plain_curve(lists) for name, lists in errors.items()}
    means = {f"{name}_mean3d": 100.0 * mean for name, (mean, _) in curves.items()}
    areas = {f"{name}_auc3d": area for name, (_, area) in curves.items()}
    return {**means, **areas, **{name: float(np.mean(values)) for name, values in scores.items()}}


def plain_curve(errors: list[list[float]]) -> tuple[float, float]:
    """A list of errors per point -> mean, and area under the share of hits, mean over points."""
    means, areas = [], []
    steps = np.diff(THRESHOLDS)
    for values in errors:
        means.append(np.mean(np.array(values)))
        shares = np.array(
            [np.mean((np.array(values) <= threshold).astype("float")) for threshold in THRESHOLDS]
        )
        areas.append(np.sum(steps * (shares[1:] + shares[:-1]) / 2) / THRESHOLDS[-1])
    return float(np.mean(means)), float(np.mean(areas))


def aligned_one(truth: Array, points: Array) -> Array:
    """points (P,3) -> moved onto the truth, a mirror image if that is nearer (P,3)."""
    middle = truth.mean(0)
    first, second = truth - middle, points - points.mean(0)
    sizes = np.linalg.norm(first) + 1e-8, np.linalg.norm(second) + 1e-8
    first, second = first / sizes[0], second / sizes[1]
    u, singular, vt = np.linalg.svd(first.T @ second)
    return np.asarray(second @ (u @ vt).T * singular.sum() * sizes[0] + middle, np.float64)


def scaled_one(truth: Array, points: Array) -> Array:
    """joints (21,3) -> with the truth's size and wrist (21,3)."""
    size = np.sqrt(np.sum(np.square(points[4] - points[0])))
    moved = points / size if size > 0 else points
    moved = moved * np.sqrt(np.sum(np.square(truth[4] - truth[0])))
    return np.asarray(moved - moved[:1] + truth[:1], np.float64)


def f_one(truth: Array, points: Array, threshold: float, nearest: Nearest) -> float:
    """Two surfaces -> their F-score; both sets of distances anew for every threshold."""
    precision = sum(d < threshold for d in nearest(truth, points).tolist()) / len(truth)
    recall = sum(d < threshold for d in nearest(points, truth).tolist()) / len(points)
    both = precision + recall
    return 2 * precision * recall / both if both > 0 else 0.0


def by_tree(points: Array, others: Array) -> Array:
    """-> distance of each point to the nearest of the others, by a tree of them."""
    from scipy.spatial import cKDTree

    return np.asarray(cKDTree(others).query(points)[0], np.float64)


def by_pairs(points: Array, others: Array) -> Array:
    """-> the same by all distances."""
    return np.asarray(np.linalg.norm(points[:, None] - others[None], axis=-1).min(axis=-1))
