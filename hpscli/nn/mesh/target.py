"""What a mesh network predicts, the body or one hand: joints, mesh levels, root, template.

Joint tokens are an ordered set; joints for evaluation are regressed from the fine mesh. Sizes come
from the mesh levels of the body in use, never from here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hpscli.body.hierarchy import Hierarchy
from hpscli.body.joints import conversion_index, joint_set
from hpscli.body.kit import BodyKit
from hpscli.body.layer import Body, matrices
from hpscli.body.regressors import METRO_TIPS
from hpscli.errors import unknown_name
from hpscli.nn.mesh.precision import full_precision

# Finger tips of the layer that makes METRO's template and labels; its regressor of predicted joints
# takes vertex 445 for the middle finger (METRO_TIPS). Official parity needs both.
TEMPLATE_TIPS = (745, 317, 444, 556, 673)
# About x, so that the body stands upright in camera axes; the authors' literal, not pi.
UPRIGHT_RADIANS = 3.1416


@dataclass(frozen=True, kw_only=True)
class MeshTarget:
    """The body or the right hand, as official METRO, Mesh Graphormer and FastMETRO describe it."""

    name: str  # body | hand
    kind: str  # of body: smpl | mano
    token_set: str  # joint set of the joint tokens
    mesh_set: str  # joint set that `joint_regressor` takes from the fine mesh
    root: int  # joint of mesh_set that is the origin of labels and of centred predictions
    centre: tuple[int, ...]  # joint tokens whose mean centres both sides of the 3D joint loss
    masked_fraction: float  # most tokens that masked vertex modelling hides in training
    camera_width: int  # hidden numbers of the camera head
    camera_reads_joints: bool  # False: it reads vertex tokens alone

    @property
    def joints(self) -> int:
        """-> how many joint tokens."""
        return len(joint_set(self.token_set))

    @property
    def token_rows(self) -> tuple[int, ...]:
        """-> which joints of mesh_set are the joint tokens, in their order."""
        return tuple(conversion_index(self.mesh_set, self.token_set).tolist())


BODY = MeshTarget(
    name="body",
    kind="smpl",
    # Official J14 (R_Ankle .. Neck, Head) = rows 3,2,1,4,5,6,16,15,14,11,12,13,8,10 of H36M.
    token_set="lsp14",
    mesh_set="h36m17",
    root=0,  # pelvis
    centre=(2, 3),  # hips
    masked_fraction=0.3,
    camera_width=250,
    camera_reads_joints=False,
)
HAND = MeshTarget(
    name="hand",
    kind="mano",
    token_set="metro_hand21",
    mesh_set="metro_hand21",
    root=0,  # wrist
    centre=(0,),
    masked_fraction=0.0,
    camera_width=150,
    camera_reads_joints=True,
)
TARGETS = {target.name: target for target in (BODY, HAND)}


def mesh_target(name: str) -> MeshTarget:
    """ "body" or "hand" -> its description."""
    if name not in TARGETS:
        raise unknown_name("target of a mesh network", name, TARGETS, "body or hand")
    return TARGETS[name]


def joint_regressor(target: MeshTarget, kit: BodyKit) -> Tensor:
    """-> (J,V) float32: the joints of `target.mesh_set` out of the fine mesh."""
    if target.kind == "smpl":
        matrix = kit.regressor(target.mesh_set)
    else:
        kinematic = kit.regressor("kinematic")
        tips = np.zeros((len(METRO_TIPS), kinematic.shape[1]))
        tips[np.arange(len(METRO_TIPS)), METRO_TIPS] = 1
        matrix = np.concatenate([kinematic, tips])[conversion_index("mano21", target.mesh_set)]
    return torch.from_numpy(np.ascontiguousarray(matrix, dtype=np.float32))


def joints_from_mesh(regressor: Tensor, vertices: Tensor) -> Tensor:
    """regressor (J,V), vertices (B,V,3) metres -> joints (B,J,3), also in mixed precision exact."""
    with full_precision(vertices):
        return torch.matmul(regressor.to(vertices.dtype), vertices)


def tokens_of(target: MeshTarget, joints: Tensor) -> Tensor:
    """joints of mesh_set (B,J,3) -> those that the network has tokens for (B,J2,3)."""
    return joints[:, list(target.token_rows)]


def template_joints(target: MeshTarget, body: Body, vertices: Tensor, joints: Tensor) -> Tensor:
    """A posed body: vertices (B,V,3), its own joints (B,J,3) -> the joints of mesh_set (B,J2,3).

    So the authors make template and hand labels: finger tips differ from `joints_from_mesh`.
    """
    if target.kind == "smpl":
        return body.regress(vertices, target.mesh_set)
    points = torch.cat([joints, vertices[:, list(TEMPLATE_TIPS)]], dim=1)
    return points[:, conversion_index("mano21", target.mesh_set).tolist()]


def mesh_levels(hierarchy: Hierarchy, vertices: Tensor) -> tuple[Tensor, ...]:
    """Fine vertices (B,V,3) -> the vertices of every level, coarse to fine."""
    levels = [vertices]
    for level in range(hierarchy.levels - 1):
        levels.append(hierarchy.down(levels[-1], level, level + 1))
    return tuple(reversed(levels))


def template(target: MeshTarget, kit: BodyKit) -> tuple[Tensor, Tensor]:
    """-> joint tokens (J,3) and coarse vertices (V,3) metres of the mean body, from its root.

    The body stands upright in camera axes; the hand is in the mean hand pose.
    """
    body = kit.body()
    like = body.template
    with torch.device("cpu"), torch.inference_mode(False), torch.no_grad():
        posed = body(
            {name: v.to(like.device, like.dtype) for name, v in _rest(target, body).items()}
        )
        vertices = posed.vertices.cpu()
        joints = template_joints(target, body, posed.vertices, posed.joints).cpu()
        root = joints[:, target.root : target.root + 1]
        hierarchy = kit.hierarchy()
        coarse = vertices[:, hierarchy.down_index(hierarchy.levels - 1).cpu()]
    return tokens_of(target, joints - root)[0], (coarse - root)[0]


def _rest(target: MeshTarget, body: Body) -> dict[str, Tensor]:
    """-> the parameters of the template, rotations as matrices."""
    if target.kind == "smpl":
        return matrices({"global_orient": torch.tensor([[UPRIGHT_RADIANS, 0.0, 0.0]])})
    mean = torch.from_numpy(np.asarray(body.hand_means["hands_mean"], dtype=np.float32))
    return matrices({"hand_pose": mean.reshape(1, -1)})
