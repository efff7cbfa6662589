"""Outputs that need the body: joints out of the mesh, their projection, the parametric mesh."""

from torch import Tensor

from hpscli.body.cameras import project_weak
from hpscli.body.kit import BodyKit
from hpscli.nn.mesh.space import mesh_space
from hpscli.nn.mesh.target import joints_from_mesh
from hpscli.records import Prediction


def raw_outputs(prediction: Prediction, kit: BodyKit) -> dict[str, Tensor]:
    """-> joints{14,21}_from_mesh (B,J,3) from their root, joints{14,21}_2d (B,J,2) crop units.

    With SMPL parameters also smpl_vertices (B,6890,3), and smpl_joints14 (B,14,3) from their root.
    """
    space, fine = mesh_space(kit), prediction.levels[-1]
    regressor = space.regressor.to(fine.device)

    def centred(vertices: Tensor) -> Tensor:
        joints = joints_from_mesh(regressor, vertices)
        return space.tokens(joints - space.root(joints))

    name = f"joints{space.target.joints}"
    joints = centred(fine)
    found = {f"{name}_from_mesh": joints, f"{name}_2d": project_weak(joints, prediction.camera)}
    if prediction.parameters:
        body = kit.body()
        if body.template.device != fine.device:
            body = body.twin().to(fine.device)
        vertices = body(prediction.parameters).vertices
        found |= {"smpl_vertices": vertices, "smpl_joints14": centred(vertices)}
    return found
