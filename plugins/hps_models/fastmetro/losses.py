"""What FastMETRO learns from: centred meshes, a smooth surface, and the parametric body beside it.

Facts: FastMETRO SPEC 4.2 (body), 4.3 (hand), 4.4 (parameter regressor). Weights:
hpscli.nn.mesh.weightings.FASTMETRO.
"""

from collections.abc import Collection, Mapping

from torch import Tensor

from hpscli.body.kit import BodyKit
from hpscli.body.layer import Body
from hpscli.nn.mesh.labels import stacked
from hpscli.nn.mesh.losses import (
    MeshScene,
    Term,
    joint_error,
    labelled_mean,
    measured,
    pixel_error,
    vertex_error,
)
from hpscli.nn.mesh.surface import edge_lengths, slant
from hpscli.records import Batch, Prediction


def _smooth(scene: MeshScene) -> tuple[Tensor, Tensor]:
    """-> predicted and true vertices (B,V,3) of the mesh whose surface is kept smooth."""
    level = scene.space.smooth_level
    return scene.prediction.levels[level], scene.labels.levels[level]


def edges(scene: MeshScene) -> Tensor:
    """Mean |difference| of the lengths of edges, metres."""
    predicted, wanted = (edge_lengths(mesh, scene.space.edges) for mesh in _smooth(scene))
    return labelled_mean((predicted - wanted).abs(), scene.labels.has_mesh)


def shrinking(scene: MeshScene) -> Tensor:
    """Mean predicted length of an edge, metres."""
    return labelled_mean(edge_lengths(_smooth(scene)[0], scene.space.edges), scene.labels.has_mesh)


def normals(scene: MeshScene) -> Tensor:
    """Mean |cosine| of predicted edges and true normals."""
    return labelled_mean(slant(*_smooth(scene), scene.space.faces), scene.labels.has_mesh)


def smpl_pose(scene: MeshScene) -> Tensor:
    """Mean squared difference of rotation matrices."""
    away = stacked(scene.parameters, scene.space) - scene.labels.pose
    return labelled_mean(away.square(), scene.labels.has_mesh)


def smpl_betas(scene: MeshScene) -> Tensor:
    """Mean squared difference of shape coefficients."""
    betas = scene.parameters["betas"]
    wanted = scene.labels.betas[:, : betas.shape[1]]
    return labelled_mean((betas[:, : wanted.shape[1]] - wanted).square(), scene.labels.has_mesh)


def smpl_joints2d(scene: MeshScene) -> Tensor:
    """Projected joints of the parametric body; the camera learns nothing from it."""
    projected = scene.project(scene.parametric[1], scene.prediction.camera.detach())
    return pixel_error(scene, projected, 1)


def smpl_vertices(scene: MeshScene) -> Tensor:
    """Mean |difference| of the parametric body's vertices and the labels."""
    away = scene.parametric[0] - scene.wanted("fine")
    return labelled_mean(away.abs(), scene.labels.has_mesh)


TERMS: Mapping[str, Term] = {
    "token_joints3d": lambda scene: joint_error(scene, scene.tokens, 1),
    "mesh_joints3d": lambda scene: joint_error(scene, scene.mesh_tokens, 1),
    "vertices_coarse": lambda scene: vertex_error(scene, "coarse", scene.mesh_root),
    "vertices_middle": lambda scene: vertex_error(scene, "middle", scene.mesh_root),
    "vertices_fine": lambda scene: vertex_error(scene, "fine", scene.mesh_root),
    "edges": edges,
    "edge_lengths": shrinking,
    "normals": normals,
    "token_joints2d": lambda scene: pixel_error(
        scene, scene.project(scene.centred(scene.tokens)), 1
    ),
    "mesh_joints2d": lambda scene: pixel_error(
        scene, scene.project(scene.mesh_tokens - scene.mesh_root), 1
    ),
    "smpl_pose": smpl_pose,
    "smpl_betas": smpl_betas,
    "smpl_joints3d": lambda scene: joint_error(scene, scene.parametric[1], 1),
    "smpl_joints2d": smpl_joints2d,
    "smpl_vertices": smpl_vertices,
}


def fastmetro_losses(
    prediction: Prediction, batch: Batch, body: Body | BodyKit, names: Collection[str]
) -> dict[str, Tensor]:
    """Prediction and targets -> {name: scalar}, unweighted, as official FastMETRO."""
    return measured(TERMS, prediction, batch, body, names)
