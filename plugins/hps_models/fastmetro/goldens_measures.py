"""The validation of FastMETRO: the network's own mesh, and that of the parameters."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from hps_models.fastmetro.goldens import surrogate
from hpscli.body.kit import BodyKit
from hpscli.nn.mesh.space import mesh_space
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden
from hpscli.testing.mesh_goldens import label_batch
from hpscli.testing.mesh_measures import MeshErrors, mesh_errors, official_means

RELATIVE = 1e-4  # SPEC 8.3: metrics
METRES = 1e-4  # SPEC 8.3
MEANS = {"mPVPE": "mPVE", "mPJPE": "mPJPE", "PAmPJPE": "PAmPJPE", "count": "count"}


def replay_metrics(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/metrics_body.npz: averages of both runs, and every person of every call."""
    golden = read_golden(folder, "goldens/metrics_body.npz")
    kit = surrogate("smpl", folder, options)
    batches = _batches(golden)
    own = [_errors(arrays, kit, parametric=False) for arrays in batches]
    posed = [_errors(arrays, kit, parametric=True) for arrays in batches]
    for run in sorted({key.split("__")[0] for key in golden if "__val_" in key}):
        sides = {"": own} | ({"smpl_": posed} if run == "smpl" else {})
        for word, errors in sides.items():
            means = official_means(errors)
            for theirs, ours in MEANS.items():
                key = f"{run}__val_{word}{theirs}"
                if key in golden:
                    yield compare(key, means[ours], golden[key], RELATIVE, "relative")
        # With the regressor, calls alternate: parameters first, then the network's own mesh.
        calls = own if run != "smpl" else [e for pair in zip(posed, own, strict=True) for e in pair]
        yield from _people(golden, run, calls)


def _people(golden: Mapping[str, Any], run: str, calls: list[MeshErrors]) -> Iterator[ArrayCheck]:
    for number, errors in enumerate(calls):
        for word, values in (
            ("j", errors.joints[errors.has_joints]),
            ("v", errors.vertices[errors.has_mesh]),
            ("pa", errors.aligned),
        ):
            key = f"{run}__per_sample__{word}__call{number}"
            yield compare(key, values, golden[key], METRES, "m")


def _batches(golden: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: dict[int, dict[str, Any]] = {}
    for key, value in golden.items():
        if match := re.fullmatch(r"in__batch(\d+)__(\w+)", key):
            found.setdefault(int(match[1]), {})[match[2]] = value
    return [found[number] for number in sorted(found)]


def _errors(arrays: Mapping[str, Any], kit: BodyKit, *, parametric: bool) -> MeshErrors:
    space = mesh_space(kit)
    vertices = torch.from_numpy(arrays["pred_3d_vertices_fine"])
    if parametric:
        rotations = torch.from_numpy(arrays["pred_rotmat"])
        parameters = {
            "global_orient": rotations[:, 0],
            "body_pose": rotations[:, 1:],
            "betas": torch.from_numpy(arrays["pred_betas"]),
        }
        with torch.no_grad():
            vertices = space.body(parameters).vertices
    return mesh_errors(vertices, label_batch(arrays, kit), space)
