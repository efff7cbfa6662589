"""The standard losses: joints in 3D and 2D, rotations, shape, vertices; each knows what is missing.

Every term is a mean over what is annotated: absent targets and zero confidences weigh nothing, and
a term without any valid sample is 0 but keeps its gradient path, so that all processes of a job
have the same graph.
"""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from hpscli.body.cameras import project_weak
from hpscli.body.joints import convert, joint_set
from hpscli.body.layer import PARAMETERS, Body, matrices
from hpscli.errors import UsageError, did_you_mean
from hpscli.records import Batch, Prediction

Losses = dict[str, Tensor]


class Scene:
    """A prediction and its targets; joints and meshes are computed once, when a term asks."""

    def __init__(self, prediction: Prediction, batch: Batch, body: Body) -> None:
        self.prediction, self.batch, self.body = prediction, batch, body
        self._kinematic: Tensor | None = None
        self._vertices: Tensor | None = prediction.vertices

    def joints(self, name: str) -> Tensor:
        """-> the predicted joints (B,J,3) metres of a joint set, by the cheapest way there is."""
        given = self.prediction.joints
        if name in given:
            return given[name]
        for source, points in given.items():
            converted, present = convert(points, source, name)
            if bool(present.all()):
                return converted
        if self.prediction.parameters:
            if self._kinematic is None:
                self._kinematic = self.body.kinematics(self.prediction.parameters)
            converted, present = convert(self._kinematic, self.body.joint_set, name)
            if bool(present.all()):
                return converted
        return self.body.regress(self.vertices(), name, joints=self._kinematic)

    def vertices(self) -> Tensor:
        """-> the predicted vertices (B,V,3) metres."""
        if self._vertices is None:
            self._vertices = self.body(self.prediction.parameters).vertices
        return self._vertices

    def targets(self, prefix: str) -> dict[str, tuple[Tensor, Tensor]]:
        """-> {what follows the prefix: (target (B,...), present (B,) float)}."""
        return {
            key.removeprefix(prefix): (value, self.batch.present[key].to(value.dtype))
            for key, value in self.batch.targets.items()
            if key.startswith(prefix)
        }

    def nothing(self) -> Tensor:
        """-> 0 with a gradient path."""
        return self.prediction.camera.sum() * 0.0


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """values (...), weights of a broadcastable shape -> sum(values * weights) / count(weights > 0)."""
    weights = weights.expand_as(values)
    return (values * weights).sum() / (weights > 0).sum().clamp(min=1)


def root_of(name: str) -> list[int]:
    """Joint set -> the joints whose mean is its root: pelvis, else both hips, else the first."""
    names = joint_set(name).joints
    if "pelvis" in names:
        return [names.index("pelvis")]
    if "left_hip" in names and "right_hip" in names:
        return [names.index("left_hip"), names.index("right_hip")]
    return [0]


def keypoints3d(scene: Scene) -> Tensor:
    """L1 metres of root-centred joints, weighted by confidence."""
    total = scene.nothing()
    for name, (target, present) in scene.targets("keypoints3d.").items():
        root = root_of(name)
        predicted = scene.joints(name)
        predicted = predicted - predicted[:, root].mean(dim=1, keepdim=True)
        points, confidence = target[..., :3], target[..., 3:]
        rooted = (confidence[:, root] > 0).all(dim=1, keepdim=True)  # no root, no centre
        points = points - points[:, root].mean(dim=1, keepdim=True)
        weights = confidence * rooted * present[:, None, None]
        total = total + weighted_mean((predicted - points).abs(), weights)
    return total


def keypoints2d(scene: Scene) -> Tensor:
    """L1 crop units of projected joints, weighted by confidence."""
    total = scene.nothing()
    height, width = scene.batch.image.shape[-2:]
    for name, (target, present) in scene.targets("keypoints2d.").items():
        predicted = project_weak(
            scene.joints(name), scene.prediction.camera, crop_size=(height, width)
        )
        weights = target[..., 2:] * present[:, None, None]
        total = total + weighted_mean((predicted - target[..., :2]).abs(), weights)
    return total


def pose(scene: Scene) -> Tensor:
    """Mean square of the difference of rotation matrices, all joints together."""
    squared, weights = [], []
    kind = scene.body.kind
    for name, (target, present) in scene.targets(f"{kind}.").items():
        if name in PARAMETERS[kind] and name in scene.prediction.parameters:
            wanted = matrices({name: target})[name]
            predicted = scene.prediction.parameters[name]
            squared.append((predicted - wanted).square().reshape(len(target), -1))
            weights.append(present[:, None].expand_as(squared[-1]))
    if not squared:
        return scene.nothing()
    return weighted_mean(torch.cat(squared, dim=1), torch.cat(weights, dim=1))


def betas(scene: Scene) -> Tensor:
    """Mean square of the difference of shape coefficients."""
    found = scene.targets(f"{scene.body.kind}.").get("betas")
    if found is None or "betas" not in scene.prediction.parameters:
        return scene.nothing()
    target, present = found
    predicted = scene.prediction.parameters["betas"]
    count = min(predicted.shape[1], target.shape[1])
    return weighted_mean((predicted[:, :count] - target[:, :count]).square(), present[:, None])


def vertices(scene: Scene) -> Tensor:
    """L1 metres between meshes, both in the body's own frame."""
    found = scene.targets(f"{scene.body.kind}.")
    names = [*PARAMETERS[scene.body.kind], "betas"]
    if any(name not in found for name in names):
        return scene.nothing()
    with torch.no_grad():
        rotations = matrices({n: found[n][0] for n in PARAMETERS[scene.body.kind]})
        wanted = scene.body({**rotations, "betas": found["betas"][0]}).vertices
    present = torch.stack([found[name][1] for name in names]).amin(dim=0)
    return weighted_mean((scene.vertices() - wanted).abs(), present[:, None, None])


TERMS: Mapping[str, Callable[[Scene], Tensor]] = {
    "keypoints2d": keypoints2d,
    "keypoints3d": keypoints3d,
    "pose": pose,
    "betas": betas,
    "vertices": vertices,
}


def standard_losses(
    prediction: Prediction, batch: Batch, body: Body, names: Collection[str]
) -> Losses:
    """Prediction and targets -> {name: scalar}, unweighted, of the terms that are asked for."""
    check_names(names)
    scene = Scene(prediction, batch, body)
    return {name: TERMS[name](scene) for name in names}


def check_names(names: Collection[str]) -> None:
    """Raise for a loss that is none of the standard ones."""
    for name in names:
        if name not in TERMS:
            raise UsageError(
                f"no loss named '{name}'.",
                did_you_mean(name, TERMS) or f"One of: {', '.join(TERMS)}.",
            )
