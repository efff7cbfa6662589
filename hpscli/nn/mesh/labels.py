"""What is known about the people of a batch, in the form that mesh networks learn from.

Meshes come from the neutral body whatever the gender, as in METRO, Mesh Graphormer and FastMETRO.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from hpscli.body.joints import conversion_index
from hpscli.body.layer import PARAMETERS, matrices
from hpscli.nn.mesh.space import MeshSpace
from hpscli.nn.mesh.target import mesh_levels, template_joints
from hpscli.records import Batch

# Which of METRO's 24 label joints are its 14 tokens (J24_TO_J14): the last is Head, which its
# authors pair with the top of the head of Human3.6M. Other sets go by the names of their joints.
LABEL_ROWS = {"metro24": (*range(13), 18)}


@dataclass(frozen=True, kw_only=True)
class MeshLabels:
    """Labels of B people; who lacks one has zeros there and False in its `has`.

    levels (B,V,3) metres, coarse to fine, from the root that is regressed from the fine mesh
    joints3d (B,J,4) and joints2d (B,J,3): of the joint tokens, with confidence last
    pose (B,n,3,3) rotations of all joints, betas (B,10)
    """

    levels: tuple[Tensor, ...]
    joints3d: Tensor
    joints2d: Tensor
    pose: Tensor
    betas: Tensor
    has_mesh: Tensor  # (B,) bool
    has_joints3d: Tensor  # (B,) bool


def mesh_labels(batch: Batch, space: MeshSpace) -> MeshLabels:
    """Batch -> its labels for the mesh of `space`.

    3D joints of bodies are annotated ones; those of hands are made of the hand's parameters, and
    annotated ones are not used (both as METRO). 2D joints are annotated in crop units.
    """
    with torch.no_grad():
        parameters, has_mesh = _parameters(batch, space)
        posed = space.body(parameters)
        joints = template_joints(space.target, space.body, posed.vertices, posed.joints)
        root = space.root(joints)
        known = has_mesh.to(root.dtype)[:, None, None]
        levels = mesh_levels(space.hierarchy, (posed.vertices - root) * known)
        if space.target.kind == "mano":
            own = (space.tokens(joints) - root) * known
            joints3d, has_joints3d = torch.cat([own, known.expand_as(own[..., :1])], 2), has_mesh
        else:
            joints3d, has_joints3d = _annotated(batch, space, "keypoints3d", 4)
            has_joints3d = has_joints3d & _has_centre(joints3d, space)
    return MeshLabels(
        levels=levels,
        joints3d=joints3d,
        joints2d=_annotated(batch, space, "keypoints2d", 3)[0],
        pose=stacked(parameters, space),
        betas=parameters["betas"],
        has_mesh=has_mesh,
        has_joints3d=has_joints3d,
    )


def stacked(parameters: Mapping[str, Tensor], space: MeshSpace) -> Tensor:
    """Rotations by name -> the rotations of all joints (B,n,3,3), in the order of the body."""
    names = PARAMETERS[space.target.kind]
    parts = [parameters[n].reshape(len(parameters[n]), -1, 3, 3) for n in names]
    return torch.cat(parts, dim=1)


def _parameters(batch: Batch, space: MeshSpace) -> tuple[dict[str, Tensor], Tensor]:
    """-> the parameters of everybody's body, rotations as matrices, and who has all of them (B,)."""
    kind, like = space.target.kind, space.body.template
    names = [*PARAMETERS[kind], "betas"]
    widths = {**{name: 3 * count for name, count in PARAMETERS[kind].items()}, "betas": 10}
    flat, has = {}, torch.ones(len(batch), dtype=torch.bool, device=like.device)
    for name in names:
        values = batch.targets.get(f"{kind}.{name}")
        if values is None:
            flat[name], has = like.new_zeros(len(batch), widths[name]), has & False
        else:
            flat[name] = values.to(like.dtype)
            has = has & batch.present[f"{kind}.{name}"]
    return matrices(flat), has


def _annotated(batch: Batch, space: MeshSpace, group: str, columns: int) -> tuple[Tensor, Tensor]:
    """-> annotated joints (B,J,columns) of the joint tokens, confidence last, and who has them (B,).

    Of several joint sets the one that has most of them.
    """
    size, like = space.target.joints, space.body.template
    best, rows = "", (-1,) * size
    for name in batch.targets:
        if name.startswith(f"{group}."):
            found = _rows(name.partition(".")[2], space.target.token_set)
            if sum(row >= 0 for row in found) > sum(row >= 0 for row in rows):
                best, rows = name, found
    if not best:
        nobody = torch.zeros(len(batch), dtype=torch.bool, device=like.device)
        return like.new_zeros(len(batch), size, columns), nobody
    index = torch.tensor(rows, device=like.device)
    points = batch.targets[best].to(like.dtype)[:, index.clamp(min=0)]
    return points * (index >= 0).to(points.dtype)[:, None], batch.present[best]


def _rows(joint_set_name: str, wanted: str) -> tuple[int, ...]:
    if wanted == "lsp14" and joint_set_name in LABEL_ROWS:
        return LABEL_ROWS[joint_set_name]
    return tuple(conversion_index(joint_set_name, wanted).tolist())


def _has_centre(joints: Tensor, space: MeshSpace) -> Tensor:
    """joints (B,J,4) -> (B,) whether the joints that are the centre are anywhere.

    Our samples have zeros for joints that nobody marked. Official label files have places for them,
    with confidence 0, and the official loss centres on these, so confidence does not decide here.
    """
    centre = joints[:, list(space.target.centre), :3]
    return (centre != 0).any(dim=2).all(dim=1)
