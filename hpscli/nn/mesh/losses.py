"""What METRO, Mesh Graphormer and FastMETRO learn from, each term alone and unweighted.

A term is a mean over every entry of the people that are labelled: unmarked joints weigh nothing, but
count. 2D terms are means over everybody; there only confidence tells. A term without anybody is 0
and keeps its gradient path. Weights: hpscli.nn.mesh.weightings.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from hpscli.body.cameras import project_weak
from hpscli.body.kit import BodyKit
from hpscli.body.layer import PARAMETERS, Body
from hpscli.errors import InvalidData, UsageError, did_you_mean
from hpscli.nn.mesh.labels import MeshLabels, mesh_labels
from hpscli.nn.mesh.space import MeshSpace, mesh_space
from hpscli.records import Batch, Prediction

LEVELS = ("coarse", "middle", "fine")


@dataclass(frozen=True, kw_only=True, eq=False)
class MeshScene:
    """A prediction and its labels; what several terms need is computed once, when one asks."""

    prediction: Prediction
    labels: MeshLabels
    space: MeshSpace
    crop_size: tuple[int, int]  # (height, width) px

    @cached_property
    def tokens(self) -> Tensor:
        """-> the joints that the transformer says itself (B,J,3)."""
        return token_joints(self.prediction, self.space)

    @cached_property
    def from_mesh(self) -> Tensor:
        """-> joints of the mesh set (B,J,3) out of the predicted fine mesh."""
        return self.space.joints(self.level("fine"))

    @cached_property
    def mesh_tokens(self) -> Tensor:
        """-> the same joints as `tokens`, out of the predicted fine mesh (B,J,3)."""
        return self.space.tokens(self.from_mesh)

    @cached_property
    def mesh_root(self) -> Tensor:
        """-> the pelvis or wrist of the predicted fine mesh (B,1,3)."""
        return self.space.root(self.from_mesh)

    @cached_property
    def parameters(self) -> dict[str, Tensor]:
        """-> the predicted parameters of the body."""
        names = [*PARAMETERS[self.space.target.kind], "betas"]
        found = self.prediction.parameters
        if any(name not in found for name in names):
            raise UsageError(
                "the model predicts no body parameters, so there is nothing to compare with labels.",
                "Take a preset with a parameter regressor, or leave the losses smpl_* out.",
            )
        return {name: found[name] for name in names}

    @cached_property
    def parametric(self) -> tuple[Tensor, Tensor]:
        """-> vertices (B,V,3) and tokens (B,J,3) of the predicted parameters, from their pelvis."""
        vertices = self.space.body(self.parameters).vertices
        joints = self.space.joints(vertices)
        root = self.space.root(joints)
        return vertices - root, self.space.tokens(joints) - root

    def level(self, name: str) -> Tensor:
        """-> predicted vertices (B,V,3) of the level "coarse", "middle" or "fine"."""
        return self.prediction.levels[self._index(name)]

    def wanted(self, name: str) -> Tensor:
        """-> the labels of that level, from their root."""
        return self.labels.levels[self._index(name)]

    def _index(self, name: str) -> int:
        count = len(self.labels.levels)
        if len(self.prediction.levels) != count:
            raise InvalidData(
                f"the model gives {len(self.prediction.levels)} mesh levels, the body has {count}.",
                "Losses of mesh networks need a network that gives every level.",
            )
        if name == "middle" and count != len(LEVELS):
            raise UsageError(
                f"a {self.space.target.name} has no middle mesh: its levels are coarse and fine.",
                "Leave vertices_middle out of [loss].",
            )
        return {"coarse": 0, "middle": 1, "fine": count - 1}[name]

    def centred(self, joints: Tensor) -> Tensor:
        """joints (B,J,3) of the tokens -> from the middle of their hips, or from their wrist."""
        return joints - joints[:, list(self.space.target.centre)].mean(dim=1, keepdim=True)

    def project(self, joints: Tensor, camera: Tensor | None = None) -> Tensor:
        """joints (B,J,3) -> crop units (B,J,2) by the predicted camera."""
        used = self.prediction.camera if camera is None else camera
        return project_weak(joints, used, crop_size=self.crop_size)

    def nothing(self) -> Tensor:
        """-> 0 with a gradient path."""
        return self.prediction.camera.sum() * 0.0


Term = Callable[[MeshScene], Tensor]


def token_joints(prediction: Prediction, space: MeshSpace) -> Tensor:
    """-> the joints (B,J,3) that the network has tokens for."""
    found = prediction.extras.get("joint_tokens", prediction.joints.get(space.target.token_set))
    if found is None:
        raise InvalidData(
            "the model gives no joint tokens.",
            "Losses of mesh networks are for metro, graphormer and fastmetro.",
        )
    return found


def labelled_mean(values: Tensor, has: Tensor) -> Tensor:
    """values (B,...), has (B,) bool -> the mean over the entries of those that have; 0 for nobody."""
    share = has.to(values.dtype)
    per_person = values.flatten(1).mean(dim=1)
    return (per_person * share).sum() / share.sum().clamp(min=1)


def joint_error(scene: MeshScene, joints: Tensor, power: int) -> Tensor:
    """Predicted tokens (B,J,3) -> mean of confidence * |difference|**power, both sides centred."""
    wanted, confidence = scene.labels.joints3d[..., :3], scene.labels.joints3d[..., 3:]
    away = scene.centred(joints) - scene.centred(wanted)
    return labelled_mean(confidence * _raised(away, power), scene.labels.has_joints3d)


def pixel_error(scene: MeshScene, projected: Tensor, power: int) -> Tensor:
    """Projected joints (B,J,2) -> mean of confidence * |difference|**power over everybody."""
    wanted, confidence = scene.labels.joints2d[..., :2], scene.labels.joints2d[..., 2:]
    return (confidence * _raised(projected - wanted, power)).mean() + scene.nothing()


def _raised(values: Tensor, power: int) -> Tensor:
    return values.square() if power == 2 else values.abs()


def vertex_error(scene: MeshScene, name: str, root: Tensor | None = None) -> Tensor:
    """Mean |difference| of the vertices of a level; the predicted ones minus `root`, if given."""
    vertices = scene.level(name) if root is None else scene.level(name) - root
    return labelled_mean((vertices - scene.wanted(name)).abs(), scene.labels.has_mesh)


METRO: Mapping[str, Term] = {
    # Squared joints, absolute vertices; predicted meshes are taken as they are, only labels have
    # their root at the origin (metro_graphormer SPEC 3.1, 3.2).
    "token_joints3d": lambda scene: joint_error(scene, scene.tokens, 2),
    "mesh_joints3d": lambda scene: joint_error(scene, scene.mesh_tokens, 2),
    "vertices_coarse": lambda scene: vertex_error(scene, "coarse"),
    "vertices_middle": lambda scene: vertex_error(scene, "middle"),
    "vertices_fine": lambda scene: vertex_error(scene, "fine"),
    "token_joints2d": lambda scene: pixel_error(scene, scene.project(scene.tokens), 2),
    "mesh_joints2d": lambda scene: pixel_error(scene, scene.project(scene.mesh_tokens), 2),
}


def metro_losses(
    prediction: Prediction, batch: Batch, body: Body | BodyKit, names: Collection[str]
) -> dict[str, Tensor]:
    """Prediction and targets -> {name: scalar}, unweighted, as METRO and Mesh Graphormer."""
    return measured(METRO, prediction, batch, body, names)


def measured(
    terms: Mapping[str, Term],
    prediction: Prediction,
    batch: Batch,
    body: Body | BodyKit,
    names: Collection[str],
) -> dict[str, Tensor]:
    """-> {name: scalar} of the terms that are asked for."""
    for name in names:
        if name not in terms:
            raise UsageError(
                f"no loss named '{name}'.",
                did_you_mean(name, terms) or f"One of: {', '.join(terms)}.",
            )
    space = mesh_space(body)
    height, width = batch.image.shape[-2:]
    scene = MeshScene(
        prediction=prediction,
        labels=mesh_labels(batch, space),
        space=space,
        crop_size=(height, width),
    )
    return {name: terms[name](scene) for name in names}
