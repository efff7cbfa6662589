"""Replays of reference/osx/goldens/evaluation.npz: four official evaluations on meshes of SMPL-X's size."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hps_benchmarks.wholebody.goldens.parts import Array, compare_errors
from hps_benchmarks.wholebody.part_errors import Parts, joint_errors, vertex_errors
from hps_benchmarks.wholebody.plugin import EHF_ROTATION, EVALUATION_SEEDS
from hps_benchmarks.wholebody.smplerx_3dpw import shared_joint_errors
from hps_benchmarks.wholebody.visibility import seen_in_patch
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden
from hpscli.testing.surrogates import surrogate_body

VERTICES, SMPL_VERTICES, HAND, FACE = 10475, 6890, 778, 5023
PICTURE_PX = (160, 200)  # height, width: goldens/README.md
TRUE_TRANSLATION, PREDICTED_TRANSLATION = (0.1, 0.0, 30.0), (0.05, -0.02, 30.0)  # of UBody
SHOWN_ROWS = 3  # of the meshes, which the golden holds


def replay_evaluation(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/evaluation.npz -> every error of EHF, AGORA, UBody and 3DPW."""
    golden = read_golden(folder, "goldens/evaluation.npz")
    parts = surrogate_parts(options)
    turn, _ = cv2.Rodrigues(np.array(EHF_ROTATION))
    predicted, bare = _people(_seed(options, "ehf_seed"), len(golden["ehf_mpvpe_all"]), turn)
    true = np.stack([np.dot(turn, mesh.T).T for mesh in bare])
    yield compare("ehf_pred_rows", predicted[0, :SHOWN_ROWS], golden["ehf_pred_rows"], 1e-6, "m")
    yield compare("ehf_gt_rows", bare[0, :SHOWN_ROWS], golden["ehf_gt_rows"], 1e-6, "m")
    ehf = vertex_errors(predicted, true, parts) | joint_errors(predicted, true, parts)
    yield from compare_errors(golden, "ehf_", ehf, mixed=True)
    for name in ("agora_val", "agora_test"):
        count = len(golden[f"{name}_mpvpe_all"])
        errors = vertex_errors(*_people(_seed(options, f"{name}_seed"), count), parts)
        yield from compare_errors(golden, f"{name}_", errors, mixed=False)
    yield from compare_errors(golden, "ubody_", _ubody(golden, parts, options), mixed=False)
    yield from compare_errors(golden, "pw3d_smplerx_", _pw3d(golden, parts, options), mixed=False)


def surrogate_parts(options: ReplayOptions) -> Parts:
    """-> where the golden's parts are: random vertices, random positive rows."""
    rows = surrogate_body("smplx", _seed(options, "body_seed"))["J_regressor"]
    draw = np.random.RandomState(_seed(options, "body_joints_seed"))
    body = np.abs(draw.standard_normal((14, VERTICES))) ** 8
    pick = np.random.RandomState(_seed(options, "parts_seed"))
    left, right, face = (pick.permutation(VERTICES)[:count] for count in (HAND, HAND, FACE))
    return Parts(
        joints=rows.astype(np.float32),
        body=body / body.sum(axis=1, keepdims=True),
        left_hand=left,
        right_hand=right,
        face=face,
    )


def _people(seed: int, count: int, turn: Array | None = None) -> tuple[Array, Array]:
    """-> predicted and true meshes (N,10475,3) float32 of samples whose seeds follow each other."""
    made = [_meshes(number, turn) for number in range(seed, seed + count)]
    predicted, true = (np.stack(side) for side in zip(*made, strict=True))
    return predicted, true


def _meshes(seed: int, turn: Array | None) -> tuple[Array, Array]:
    draw = np.random.RandomState(seed)
    true = draw.standard_normal((VERTICES, 3)) * 0.3
    noise = draw.standard_normal((VERTICES, 3)) * 0.03
    rotation, _ = cv2.Rodrigues(draw.standard_normal(3) * 0.5)
    scale = 1 + 0.1 * draw.standard_normal()
    moved = draw.standard_normal(3) * 0.2 + (0, 0, 3)
    base = true if turn is None else (turn @ true.T).T
    predicted = scale * (rotation @ base.T).T + noise + moved
    return predicted.astype(np.float32), true.astype(np.float32)


def _ubody(golden: Mapping[str, Any], parts: Parts, options: ReplayOptions) -> dict[str, Array]:
    count = len(golden["ubody_mpvpe_all"])
    predicted, true = _people(_seed(options, "ubody_seed"), count)
    placed = true + np.array(TRUE_TRANSLATION, np.float32)
    moved = np.tile(np.array(PREDICTED_TRANSLATION, np.float32), (count, 1))
    affines = np.stack([golden[f"ubody_in/{number}/bb2img_trans"] for number in range(count)])
    seen = seen_in_patch(placed, moved, parts, affines, np.tile(PICTURE_PX, (count, 1)))
    errors = vertex_errors(predicted, placed, parts, seen=seen)
    return errors | joint_errors(predicted, placed, parts, seen=seen)


def _pw3d(golden: Mapping[str, Any], parts: Parts, options: ReplayOptions) -> dict[str, Array]:
    predicted, true = [], []
    first = _seed(options, "pw3d_seed")
    for seed in range(first, first + len(golden["pw3d_smplerx_mpjpe_body"])):
        draw = np.random.RandomState(seed)
        true.append(draw.standard_normal((SMPL_VERTICES, 3)) * 0.3)
        mesh = draw.standard_normal((VERTICES, 3)) * 0.3
        predicted.append(mesh + draw.standard_normal(3) * 0.2 + (0, 0, 3))
    smpl = surrogate_body("smpl", _seed(options, "smpl_seed"))["J_regressor"].astype(np.float32)
    meshes = np.stack(predicted).astype(np.float32), np.stack(true).astype(np.float32)
    return shared_joint_errors(*meshes, parts.joints, smpl)


def _seed(options: ReplayOptions, name: str) -> int:
    return options.get(name, EVALUATION_SEEDS[name])
