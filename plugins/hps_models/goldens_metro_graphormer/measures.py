"""The validation of METRO and Mesh Graphormer: errors of meshes and joints, and their averages."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hps_models.goldens_metro_graphormer.networks import surrogate
from hpscli.body.kit import BodyKit
from hpscli.metrics.errors import mpjpe, procrustes
from hpscli.nn.mesh.space import mesh_space
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden
from hpscli.testing.mesh_goldens import label_batch
from hpscli.testing.mesh_measures import MeshErrors, mesh_errors, official_means

RELATIVE = 1e-4  # as FastMETRO SPEC 8.3 says of the same validation
METRES = 1e-4  # SPEC 9
FLOAT64 = 1e-9
FLAGS = ("has_smpl", "has_3d_joints")
PERSONAL = {"vertex": "vertices", "joint": "joints", "pa": "aligned"}


def replay_metrics(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/eval_metrics.npz: every person, the averages of every case, Procrustes alone."""
    golden = read_golden(folder, "goldens/eval_metrics.npz")
    kit = surrogate(folder, "body", options)
    for case in _found(golden, r"body_(\w+)_count"):
        batches = [
            _errors(golden, case, batch, kit)
            for batch in _found(golden, rf"body_{case}_b(\d+)_has_smpl")
        ]
        for metric, value in official_means(batches).items():
            key = f"body_{case}_{metric}"
            yield compare(key, value, golden[key], RELATIVE, "relative")
        for theirs, ours in PERSONAL.items():
            key = f"body_{case}_persample_{theirs}"
            found = np.concatenate([getattr(errors, ours) for errors in batches])
            yield compare(key, found, golden[key], METRES, "m")
    aligned = procrustes(golden["procrustes_S1"], golden["procrustes_S2"])
    yield compare("procrustes_S1_hat", aligned, golden["procrustes_S1_hat"], FLOAT64)
    error = mpjpe(aligned, golden["procrustes_S2"])
    yield compare("procrustes_error", error, golden["procrustes_error"], FLOAT64)


def _found(golden: Mapping[str, Any], pattern: str) -> list[str]:
    """-> what the group of a pattern is in the keys that match it."""
    matches = (re.fullmatch(pattern, key) for key in golden)
    return [match[1] for match in matches if match]


def _errors(golden: Mapping[str, Any], case: str, batch: str, kit: BodyKit) -> MeshErrors:
    prefix = f"body_in_b{batch}_"
    arrays = {k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}
    arrays["joints_2d"] = np.zeros((len(arrays["pose"]), 24, 3), np.float32)  # takes no part
    arrays |= {flag: golden[f"body_{case}_b{batch}_{flag}"] for flag in FLAGS}
    vertices = arrays.pop("pred_vertices")
    return mesh_errors(vertices, label_batch(arrays, kit), mesh_space(kit))
