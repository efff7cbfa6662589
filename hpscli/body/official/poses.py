"""Motion captures as poses for priors: the CMU archive of HMR, and AMASS files."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpscli.body.official.found import Found, Piece

BODY_NUMBERS = 66  # axis-angle of the 22 joints that SMPL, SMPL+H and SMPL-X share
BETAS = 10
POSE_KEYS, SHAPE_KEYS = ("pose", "poses"), ("shape", "shapes", "betas")
KEPT_PER_SECOND = 5.0  # of AMASS: neighbouring frames of 60-250 a second say the same


def recognise_poses(content: Mapping[str, Any], name: str) -> Found | Piece | None:
    """-> all poses of a CMU MoSh archive, or one AMASS motion."""
    if {"poses", "betas", "trans"} <= set(content):
        return _amass(content, name)
    content = _human_data(content)
    pose = next((content[key] for key in POSE_KEYS if key in content), None)
    shape = next((content[key] for key in SHAPE_KEYS if key in content), None)
    if pose is None or shape is None:
        return None
    poses, betas = np.asarray(pose), np.asarray(shape)
    if (
        poses.dtype.kind != "f"
        or poses.ndim < 2
        or poses[0].size < BODY_NUMBERS
        or len(betas) != len(poses)
    ):
        return None
    return Found(
        id="poses-cmu-mosh",
        arrays={
            "poses": poses.reshape(len(poses), -1)[:, :BODY_NUMBERS].astype(np.float32),
            "betas": betas.reshape(len(betas), -1)[:, :BETAS].astype(np.float32),
        },
        meta={"kind": "smpl", "poses": len(poses)},
        note=f"{len(poses)} poses",
    )


def _human_data(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """mmhuman3d keeps parameters in a dictionary `smpl`: root and body apart."""
    inner = content.get("smpl") if "smpl" in content else None
    if not isinstance(inner, Mapping) or "body_pose" not in inner:
        return content
    count = len(np.asarray(inner["body_pose"]))
    parts = [
        np.asarray(inner[key]).reshape(count, -1)
        for key in ("global_orient", "body_pose")
        if key in inner
    ]
    if len(parts) == 1:
        parts.insert(0, np.zeros((count, 3)))
    return {
        "pose": np.concatenate(parts, axis=1),
        "shape": inner.get("betas", np.zeros((count, BETAS))),
    }


def _amass(content: Mapping[str, Any], name: str) -> Piece | None:
    poses = np.asarray(content["poses"])
    if poses.ndim != 2 or poses.shape[1] < BODY_NUMBERS or poses.dtype.kind != "f":
        return None
    rate_key = next((k for k in ("mocap_framerate", "mocap_frame_rate") if k in content), None)
    rate = float(np.asarray(content[rate_key]).reshape(-1)[0]) if rate_key else KEPT_PER_SECOND
    step = max(1, round(rate / KEPT_PER_SECOND))
    kept = poses[::step, :BODY_NUMBERS].astype(np.float32)
    betas = np.asarray(content["betas"]).reshape(-1)[:BETAS].astype(np.float32)
    return Piece(kind="amass", part=name, value=(kept, np.tile(betas, (len(kept), 1))))


def join_amass(pieces: Sequence[Piece]) -> Found:
    """All motions of one import -> one asset."""
    poses = np.concatenate([piece.value[0] for piece in pieces])
    betas = np.concatenate([piece.value[1] for piece in pieces])
    return Found(
        id="poses-amass",
        arrays={"poses": poses, "betas": betas},
        meta={"kind": "smpl", "poses": len(poses), "motions": len(pieces)},
        note=f"{len(poses)} poses of {len(pieces)} motions, {KEPT_PER_SECOND:.0f} a second",
    )
