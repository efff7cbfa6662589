"""Errors, on random points and on posed surrogate bodies."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hps_models.goldens_hmr.bodies import surrogate_smpl
from hpscli.body.layer import matrices
from hpscli.body.rotations import rotation6d_to_matrix
from hpscli.metrics.errors import (
    Alignment,
    acceleration_error,
    align,
    auc,
    distances,
    mpjpe,
    pa_mpjpe,
    pck,
    procrustes,
    set_mean,
)
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden

# The official code works in float32 (mmhuman3d) or float64, ours in float64; numbers reach 1000 mm.
MILLIMETRES = 1e-3
PERCENT = 1e-3
METRES = 1e-4  # network tolerance of SPEC 8 for points
ALIGNMENTS: tuple[Alignment, ...] = ("none", "procrustes", "scale")
# The 14 joints of LSP out of the 17 of Human3.6M, pelvis first (SPEC 6.1).
H36M_TO_14 = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
GENDERS = ("male", "female")


def replay_metrics(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/metrics.npz: inputs are stored, every number is computed again."""
    golden = read_golden(folder, "goldens/metrics.npz")
    yield from _of_sets(golden)
    yield from _of_people(golden)
    yield from _of_bodies(golden, options)


def _of_sets(golden: Mapping[str, Any]) -> Iterator[ArrayCheck]:
    """mmhuman3d: one mean over all known joints of a set, under three alignments."""
    truth, prediction = golden["gt"], golden["pred"]
    masks = {"full": None, "partial": golden["mask_partial"] > 0}
    for what, mask in masks.items():
        for how in ALIGNMENTS:
            away = distances(align(prediction, truth, how), truth)
            metres = away / 1000
            for metric, values, tolerance, unit in (
                ("mpjpe", away, MILLIMETRES, "mm"),
                ("3dpck", pck(metres), PERCENT, "%"),
                ("3dauc", auc(metres), PERCENT, "%"),
            ):
                key = f"{what}_{how}_{metric}"
                yield compare(
                    key, set_mean(values, mask, pooled=True), golden[key], tolerance, unit
                )


def _of_people(golden: Mapping[str, Any]) -> Iterator[ArrayCheck]:
    """Per person, as mmhuman3d, SPIN and HMR2 print them."""
    truth, prediction = golden["gt"], golden["pred"]
    found = {
        "pa_aligned": procrustes(prediction, truth),
        "per_sample_mpjpe": mpjpe(prediction, truth),
        "per_sample_pa_mpjpe": pa_mpjpe(prediction, truth),
        "spin_recon_error": pa_mpjpe(prediction, truth),
        "hmr2_mpjpe": mpjpe(prediction, truth),
        "hmr2_re": pa_mpjpe(prediction, truth),
        "accel_error": acceleration_error(prediction, truth),
        "pve": mpjpe(golden["verts_pred"], golden["verts_gt"]).mean(),
        "pa_pve": pa_mpjpe(golden["verts_pred"], golden["verts_gt"]).mean(),
    }
    for key, value in found.items():
        yield compare(key, value, golden[key], MILLIMETRES, "mm")


def _of_bodies(golden: Mapping[str, Any], options: ReplayOptions) -> Iterator[ArrayCheck]:
    """3DPW and Human3.6M as hmr-benchmarks: 14 joints from the mesh, gendered truth."""
    neutral = surrogate_smpl(options)
    six = torch.from_numpy(golden["pw3d_pred_pose6d_spin"]).view(-1, 24, 6)
    rotations = rotation6d_to_matrix(six, "interleaved")
    yield compare("pw3d_pred_rotmat", rotations, golden["pw3d_pred_rotmat"], METRES)
    predicted = {
        "global_orient": rotations[:, 0],
        "body_pose": rotations[:, 1:],
        "betas": torch.from_numpy(golden["pw3d_pred_betas"]),
    }
    pose = torch.from_numpy(golden["pw3d_gt_pose"])
    true = matrices(
        {
            "global_orient": pose[:, :3],
            "body_pose": pose[:, 3:],
            "betas": torch.from_numpy(golden["pw3d_gt_betas"]),
        }
    )
    bodies = [surrogate_smpl(options, gender) for gender in GENDERS]
    pairs = [
        tuple(bodies[int(g)](_row(p, i)).vertices for p in (predicted, true))
        for i, g in enumerate(golden["pw3d_gender"])
    ]
    ours, theirs = (torch.cat([pair[side] for pair in pairs]) for side in (0, 1))
    h36m17 = neutral.regress(neutral(predicted).vertices, "h36m17")
    yield compare("pw3d_pred_h36m17", h36m17, golden["pw3d_pred_h36m17"], METRES, "m")
    prediction = _evaluated(h36m17.numpy())
    truth = _evaluated(neutral.regress(theirs, "h36m17").numpy())
    yield compare("pw3d_pred14_mm", 1000 * prediction, golden["pw3d_pred14_mm"], MILLIMETRES, "mm")
    yield compare("pw3d_gt14_mm", 1000 * truth, golden["pw3d_gt14_mm"], MILLIMETRES, "mm")
    pve = 1000 * mpjpe(ours, theirs).mean()
    yield compare("pw3d_pve", pve, golden["pw3d_pve"], MILLIMETRES, "mm")
    away = distances(prediction, truth)
    yield compare("pw3d_3dpck", set_mean(pck(away)), golden["pw3d_3dpck"], PERCENT, "%")
    yield compare("pw3d_3dauc", set_mean(auc(away)), golden["pw3d_3dauc"], PERCENT, "%")
    for name, target in (("pw3d", truth), ("h36m", _evaluated(golden["h36m_gt17"]))):
        for metric, error in (("mpjpe", mpjpe), ("pa_mpjpe", pa_mpjpe)):
            key = f"{name}_{metric}"
            value = 1000 * error(prediction, target).mean()
            yield compare(key, value, golden[key], MILLIMETRES, "mm")


def _evaluated(h36m17: Any) -> Any:
    """joints (N,17,3) -> the 14 that count (N,14,3), relative to the pelvis."""
    points = np.asarray(h36m17, dtype=np.float64)
    return (points - points[:, :1])[:, H36M_TO_14]


def _row(parameters: Mapping[str, Tensor], index: int) -> dict[str, Tensor]:
    return {name: value[index : index + 1] for name, value in parameters.items()}
