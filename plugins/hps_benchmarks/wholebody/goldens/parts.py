"""Replays of what OSX's, Hand4Whole's and SMPLer-X's evaluations returned on surrogate meshes."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hps_benchmarks.wholebody.part_errors import Parts, joint_errors, vertex_errors
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, locate, read_golden

Array = np.ndarray[Any, np.dtype[Any]]

# Official code takes the network's float32 mesh: figures that only subtract from it are equal to the last
# digit; what it aligns or regresses in float32 depends on the order of additions (SPEC 12: 1e-6 m).
FLOAT64, FLOAT32_MM = 1e-9, 1e-3
MIXED = 1e-6  # relative: a float32 mesh on a float64 one
EXACT = ("mpvpe", "pa_mpjpe_hand", "pa_mpjpe_l_hand", "pa_mpjpe_r_hand")
OURS = {"l_hand": "left_hand", "r_hand": "right_hand", "hand": "hands"}  # official word -> ours


def replay_parts(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/ehf_agoraval: errors of every person, and the means that each program printed."""
    golden = read_golden(folder, "goldens/ehf_agoraval.npz")
    parts = Parts(
        joints=golden["J_regressor"],
        body=golden["j14_regressor"],
        left_hand=golden["left_hand_idx"],
        right_hand=golden["right_hand_idx"],
        face=golden["face_idx"],
        left_tips=golden["left_hand_tips"],
        right_tips=golden["right_hand_tips"],
    )
    turn, predicted = golden["R_cam"], golden["pred_verts"]
    turned = np.stack([np.dot(turn, mesh.T).T for mesh in golden["gt_verts"]])
    ehf = vertex_errors(predicted, turned, parts) | joint_errors(predicted, turned, parts)
    agora = vertex_errors(predicted, turned.astype(np.float32), parts)
    yield from compare_errors(golden, "ehf_", ehf, mixed=True)
    yield from compare_errors(golden, "agoraval_", agora, mixed=False)
    printed = json.loads(locate(folder, "goldens/ehf_agoraval.json").read_text("utf-8"))
    for program, figures in printed.items():
        errors = ehf if program.startswith("EHF") else agora
        for name, mean in figures.items():
            ours = float(np.mean(errors[our_name(name)]))
            yield _check(f"{program}, {name}", name, ours, mean, mixed=program.startswith("EHF"))


def compare_errors(
    golden: Mapping[str, Any], prefix: str, errors: Mapping[str, Array], *, mixed: bool
) -> Iterator[ArrayCheck]:
    """Every array PREFIXname of the golden against our errors. `mixed`: its truth was float64."""
    for key in golden:
        name = key.removeprefix(prefix)
        if key.startswith(prefix) and our_name(name) in errors:
            yield _check(key, name, errors[our_name(name)], golden[key], mixed=mixed)


def our_name(name: str) -> str:
    """ "pa_mpvpe_l_hand" -> "pa_mpvpe_left_hand"."""
    kind, _, part = name.partition("pe_")
    return f"{kind}pe_{OURS.get(part, part)}"


def _check(label: str, name: str, got: Any, expected: Any, *, mixed: bool) -> ArrayCheck:
    if not mixed:
        return compare(label, got, expected, FLOAT32_MM, "mm")
    exact = name.startswith(EXACT)
    return compare(label, got, expected, FLOAT64 if exact else MIXED, "relative")
