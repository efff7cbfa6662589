"""What the 3DPW challenge's program returned, against ours."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hps_benchmarks.challenge import score
from hps_benchmarks.challenge.submission.layout import TRACKS
from hpscli.body.kinematics import Kinematics
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.testing.goldens import ArrayCheck, Golden, ReplayOptions, compare, locate, read_golden
from hpscli.testing.surrogates import surrogate_body

EXACT = 1e-9  # relative; float64 official code, SPEC 12
AUC = 1e-5
GENDERS = {"m": 1.05, "f": 0.95}  # the template's factor, metrics/goldens/README.md
JOINT_STEP = 280  # SMPL joint k is vertex 280 k there
FIGURES = ("MPJPE", "MPJPE_PA", "PCK", "AUC", "MPJAE", "MPJAE_PA")


def replay_functions(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """pw3d_challenge_50: the metric functions on 50 frames, per frame and in total."""
    golden = read_golden(folder, "goldens/pw3d_challenge_50.npz")
    errors = score.joint_errors(golden["pred_joints"], golden["gt_joints"])
    truth = golden["gt_rot"][:, list(score.PARTS)]
    angles = score.part_angles(golden["pred_rot"], truth)
    turned = score.part_angles(golden["pred_rot"], truth, errors.turns)
    found = {
        "per_frame_mpjpe_mm": errors.errors_mm.mean(axis=1),
        "per_frame_pampjpe_mm": errors.aligned_mm.mean(axis=1),
        "per_frame_mpjae_deg": angles.mean(axis=1),
        "per_frame_pampjae_deg": turned.mean(axis=1),
        "errors_pck_mm": errors.pck_errors_mm,
        "procrustes_R": errors.turns,
        "pck_curve": score.pck_curve(errors.pck_errors_mm),
    }
    for name, values in found.items():
        yield compare(name, values, golden[name], EXACT, "relative")
    totals = score.scores(errors, angles, turned)
    yield from _totals(totals, _document(folder, "pw3d_challenge_50"), "", EXACT)


def replay_program(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """pw3d_challenge_full: true parameters of 87 people through the body, scores of three files."""
    golden = read_golden(folder, "goldens/pw3d_challenge_full.npz")
    joints, rotations = _truth(golden, options)
    seen = (golden["campose_valid"] != 0) & (np.abs(golden["poses2d"]).sum(axis=(2, 3)) > 0)
    errors = score.joint_errors(golden["jp"][seen], joints[seen])
    truth = rotations[seen][:, list(score.PARTS)]
    angles = score.part_angles(golden["ori"][seen], truth)
    turned = score.part_angles(golden["ori"][seen], truth, errors.turns)
    stored = _document(folder, "pw3d_challenge_full")
    whole = len(golden["jp"]) == TRACKS  # else the program writes nothing
    for name, found in (
        ("scores_txt", score.scores(errors, angles, turned)),
        ("scores_txt_only_jointPositions", score.scores(errors)),
        ("scores_txt_only_orientations", score.scores(None, angles)),
    ):
        lines = dict(line.split(": ") for line in str(stored[name]).splitlines())
        found = found if whole else {}
        ours = score.scores_text(found)
        words = [line.split(": ")[0] for line in ours.splitlines()]
        same = words == list(lines)
        note = "" if same else f"lines {words}, stored {list(lines)}"
        yield compare(f"{name}, lines", float(same), 1.0, 0.0, note=note)
        yield from _totals(found, {k: float(v) for k, v in lines.items()}, f"{name}/", EXACT)


def _totals(
    found: Mapping[str, float], stored: Mapping[str, Any], before: str, tolerance: float
) -> Iterator[ArrayCheck]:
    for name in FIGURES:
        if name in stored:
            value = found.get(name, np.nan)
            unit, most = ("", AUC) if name == "AUC" else ("relative", tolerance)
            yield compare(f"{before}{name}", value, float(stored[name]), most, unit)


def _truth(golden: Golden, options: ReplayOptions) -> tuple[Any, Any]:
    """-> joints (87,F,24,3) and global rotations (87,F,24,3,3) of the annotation, in the camera."""
    arrays = surrogate_body("smpl", options.get("body_seed", 7))
    vertices = JOINT_STEP * np.arange(score.JOINTS)
    template, directions = arrays["v_template"][vertices], arrays["shapedirs"][vertices]
    parents = np.asarray(arrays["kintree_table"][0])
    tree = Kinematics(parents).double()
    joints, rotations = [], []
    for row, gender in enumerate(golden["gender"]):
        vectors = golden["poses"][row].astype(np.float64).reshape(-1, score.JOINTS, 3)
        cameras = golden["cam_poses"][row][:, :3, :3].astype(np.float64)  # not quite rotations
        frames = len(vectors)
        relative = axis_angle_to_matrix(torch.from_numpy(vectors))
        rest = template * GENDERS[str(gender)] + directions @ golden["betas"][row].astype(float)
        posed = tree(relative, torch.from_numpy(np.tile(rest, (frames, 1, 1)))).numpy()
        joints.append(np.matmul(posed, cameras.transpose(0, 2, 1)))
        turned = score.global_rotations(relative.numpy(), parents)
        rotations.append(np.matmul(cameras[:, None], turned))
    return np.stack(joints), np.stack(rotations)


def _document(folder: Path, name: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(
        locate(folder, f"goldens/{name}.json").read_text(encoding="utf-8")
    )
    return document
