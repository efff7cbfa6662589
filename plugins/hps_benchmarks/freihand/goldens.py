"""What FreiHAND's program returned, against ours."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.freihand.score import PROGRAM, printed
from hpscli.metrics.geometry.surfaces import f_scores
from hpscli.metrics.hands.alignment import Similarity, similarity
from hpscli.metrics.hands.scores import (
    CENTIMETRES,
    F_THRESHOLDS,
    THRESHOLDS,
    Hands,
    aligned_vertices,
    distances,
    measure_hands,
    scores_text,
    set_scores,
)
from hpscli.testing.goldens import ArrayCheck, Golden, ReplayOptions, compare, locate, read_golden

Array = NDArray[np.float64]

EXACT = 1e-9  # relative; float64 official code on float32 inputs, metrics/SPEC.md 12
METRES = 1e-9
DONE = "Evaluation complete.\n"  # printed after the last file is written


def replay_mano(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """freihand_40: hands of MANO's mesh, with everything that the program keeps of each."""
    golden, hands = _read(folder, "freihand_40")
    prediction, truth = hands
    values = measure_hands(prediction, truth, PROGRAM)
    fit = similarity(prediction.joints, truth.joints)
    moved = aligned_vertices(prediction, truth, PROGRAM, fit, corresponds=True)
    yield from _surfaces(golden, prediction, truth, moved)
    points = {
        "xyz": (prediction.joints, truth.joints),
        "xyz_al": (fit.apply(prediction.joints), truth.joints),
        "mesh": (prediction.vertices, truth.vertices),
        "mesh_al": (moved, truth.vertices),
    }
    yield compare("xyz_aligned", points["xyz_al"][0], golden["xyz_aligned"], METRES, "m")
    yield _turns(fit, golden["R_xyz"])
    for name, prefix in (("xyz", "xyz_al"), ("mesh", "mesh_al")):
        errors = values[f"{prefix}_mean3d"] / CENTIMETRES
        stored = golden[f"{name}_aligned_err_per_sample_m"]
        yield compare(f"{name}_aligned_err_per_sample_m", errors, stored, METRES, "m")
    yield compare("pck_thresholds_m", THRESHOLDS, golden["pck_thresholds_m"], METRES, "m")
    for prefix, pair in points.items():
        every = {
            "mean_m": values[f"{prefix}_mean3d"].mean() / CENTIMETRES,
            "median_m": np.median(distances(*pair), axis=0).mean(),
            "auc": values[f"{prefix}_auc3d"].mean(),
            "pck": values[f"{prefix}_pck"].mean(axis=0),
        }
        for name, found in every.items():
            key = f"{prefix}_{name}"
            if key in golden:
                yield compare(key, found, golden[key], EXACT, "relative")
    yield from _document(folder, "freihand_40", set_scores(values, PROGRAM))


def replay_other(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """freihand_nonmano_6: another mesh, moved by the key points' transform and scaled wrongly."""
    golden, (prediction, truth) = _read(folder, "freihand_nonmano_6")
    fit = similarity(prediction.joints, truth.joints)
    moved = aligned_vertices(prediction, truth, PROGRAM, fit, corresponds=False)
    yield compare("verts_aligned", moved, golden["verts_aligned"], METRES, "m")
    yield from _surfaces(golden, prediction, truth, moved)
    values = measure_hands(prediction, truth, PROGRAM)
    yield from _document(folder, "freihand_nonmano_6", set_scores(values, PROGRAM))


def _read(folder: Path, name: str) -> tuple[Golden, tuple[Hands, Hands]]:
    golden = read_golden(folder, f"goldens/{name}.npz")
    prediction, truth = (
        Hands(
            joints=np.asarray(golden[f"{side}_xyz"], np.float64),
            vertices=np.asarray(golden[f"{side}_verts"], np.float64),
        )
        for side in ("pred", "gt")
    )
    return golden, (prediction, truth)


def _surfaces(
    golden: Mapping[str, Any], prediction: Hands, truth: Hands, moved: Array
) -> Iterator[ArrayCheck]:
    """F, precision and recall (N, thresholds, as predicted and aligned)."""
    both = [f_scores(truth.vertices, v, F_THRESHOLDS) for v in (prediction.vertices, moved)]
    for key, name in (("fscore", "f"), ("precision", "precision"), ("recall", "recall")):
        found = np.stack([getattr(scores, name) for scores in both], axis=2)
        yield compare(f"{key}_per_sample", found, golden[f"{key}_per_sample"], EXACT)


def _turns(fit: Similarity, stored: Array) -> ArrayCheck:
    """The orthogonal matrices; those of hands without extent are arbitrary and left out."""
    clear = fit.rank == 3
    left_out = np.flatnonzero(~clear).tolist()
    note = f"arbitrary for hands {left_out}, which are flat or one point" if left_out else ""
    found = np.where(clear[:, None, None], fit.turn, stored)
    return compare("R_xyz", found, stored, 1e-7, note=note)


def _document(folder: Path, name: str, scores: Mapping[str, float]) -> Iterator[ArrayCheck]:
    """The lines and numbers of the JSON file beside the arrays."""
    stored = json.loads(locate(folder, f"goldens/{name}.json").read_text(encoding="utf-8"))
    yield same_lines("scores_txt", scores_text(scores), stored["scores_txt"])
    if "printed" in stored:
        yield same_lines("printed", printed(scores) + DONE, stored["printed"])
    for prefix in ("xyz", "xyz_al", "mesh", "mesh_al"):
        for key, figure in (("mean_m", "mean3d"), ("auc", "auc3d")):
            if key in stored.get(prefix, {}):
                scale = CENTIMETRES if key == "mean_m" else 1.0
                found = scores[f"{prefix}_{figure}"] / scale
                yield compare(f"{prefix}.{key}", found, stored[prefix][key], EXACT, "relative")
    for key, value in stored.get("F", {}).items():
        kind, _, mm = key.partition("@")
        found = scores[f"{kind.lower()}_score_{mm}"]
        yield compare(f"F.{key}", found, value, EXACT, "relative")


def same_lines(name: str, found: str, stored: str) -> ArrayCheck:
    """Two texts -> equal, or which line differs first."""
    ours, theirs = found.splitlines(), str(stored).splitlines()
    different = [f"'{a}', stored '{b}'" for a, b in zip(ours, theirs, strict=False) if a != b]
    if len(ours) != len(theirs):
        different.append(f"{len(ours)} lines, stored {len(theirs)}")
    return compare(name, float(len(different)), 0.0, 0.0, note=different[0] if different else "")
