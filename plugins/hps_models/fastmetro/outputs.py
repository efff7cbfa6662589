"""Outputs that need the body: the parametric mesh, and the joints out of it."""

from torch import Tensor

from hpscli.body.kit import BodyKit
from hpscli.nn.mesh.space import mesh_space
from hpscli.nn.mesh.target import joints_from_mesh
from hpscli.records import Prediction


def raw_outputs(prediction: Prediction, kit: BodyKit) -> dict[str, Tensor]:
    """-> with SMPL parameters smpl_vertices (B,6890,3), and smpl_joints14 (B,14,3) from their root."""
    if not prediction.parameters:
        return {}
    space, body = mesh_space(kit), kit.body()
    device = prediction.camera.device
    if body.template.device != device:
        body = body.twin().to(device)
    vertices = body(prediction.parameters).vertices
    joints = joints_from_mesh(space.regressor.to(device), vertices)
    return {
        "smpl_vertices": vertices,
        "smpl_joints14": space.tokens(joints - space.root(joints)),
    }
