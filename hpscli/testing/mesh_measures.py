"""The validation of METRO, Mesh Graphormer and FastMETRO, with the averages of their programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli.metrics.errors import mpjpe, pa_mpjpe
from hpscli.nn.mesh.labels import mesh_labels
from hpscli.nn.mesh.space import MeshSpace
from hpscli.records import Batch

Array = NDArray[np.float64]


@dataclass(frozen=True)
class MeshErrors:
    """Errors of B people in metres, whether they are labelled or not, and who is."""

    vertices: Array  # (B,) mesh, each from its regressed pelvis
    joints: Array  # (B,) 14 joints, each side from the middle of its hips
    aligned: Array  # (B,) 14 joints after a similarity transform
    has_mesh: NDArray[np.bool_]
    has_joints: NDArray[np.bool_]


def mesh_errors(vertices: Any, batch: Batch, space: MeshSpace) -> MeshErrors:
    """Predicted fine vertices (B,V,3), their batch -> the errors of every person."""
    everyone = {name: torch.ones_like(flag) for name, flag in batch.present.items()}
    labels = mesh_labels(replace(batch, present=everyone), space)
    mesh = torch.as_tensor(vertices)
    joints = space.joints(mesh)
    centre = list(space.target.centre)

    def centred(points: Any) -> Array:
        array: Array = np.asarray(points, np.float64)
        return np.asarray(array - array[:, centre].mean(axis=1, keepdims=True))

    first = centred(space.tokens(joints))
    second = centred(labels.joints3d[..., :3])
    flags = mesh_labels(batch, space)
    return MeshErrors(
        mpjpe(mesh - space.root(joints), labels.levels[-1]),
        mpjpe(first, second),
        pa_mpjpe(first, second),
        flags.has_mesh.numpy(),
        flags.has_joints3d.numpy(),
    )


def official_means(batches: Sequence[MeshErrors]) -> Mapping[str, float]:
    """Errors of every batch -> mPVE, mPJPE, PAmPJPE metres and count, as the official programs.

    PA-MPJPE is a mean over all people of a batch, weighted by how many have joints. A quirk, kept:
    published numbers have it.
    """
    sums = {"mPVE": 0.0, "mPJPE": 0.0, "PAmPJPE": 0.0}
    meshes = joints = 0
    for errors in batches:
        known, seen = int(errors.has_mesh.sum()), int(errors.has_joints.sum())
        sums["mPVE"] += float(errors.vertices[errors.has_mesh].sum())
        sums["mPJPE"] += float(errors.joints[errors.has_joints].sum())
        sums["PAmPJPE"] += float(errors.aligned.mean()) * seen
        meshes, joints = meshes + known, joints + seen
    return {
        "mPVE": sums["mPVE"] / max(meshes, 1),
        "mPJPE": sums["mPJPE"] / max(joints, 1),
        "PAmPJPE": sums["PAmPJPE"] / max(joints, 1),
        "count": float(meshes),
    }
