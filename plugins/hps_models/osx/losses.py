"""OSX's losses: masked L1 terms, each a plain mean over all its elements, unlabelled ones included.

Source: forward of main/OSX.py in train mode and common/nets/loss.py. `smplx_loss_weight` of the
official code is a weight of the recipe here.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from hps_models.osx.geometry import (
    FACE,
    IMAGE_JOINTS,
    JOINT_SET,
    LEFT_HAND,
    PACKAGE_SET,
    RIGHT_HAND,
)
from hps_models.osx.mesh import part_relative
from hps_models.osx.pose import body_to_hand_cells, project
from hps_models.osx.targets import Targets, from_batch
from hpscli.body.joints import conversion_index
from hpscli.body.layer import Body
from hpscli.errors import UsageError, did_you_mean
from hpscli.records import Batch, Prediction
from hpscli.train.losses import TERMS as STANDARD
from hpscli.train.losses import standard_losses

HAND_CELLS = 16  # width and height of a hand's cut


class Scene:
    """A prediction in training and its targets; the mesh is made once, when a term asks for it."""

    def __init__(self, prediction: Prediction, targets: Targets, body: Body) -> None:
        self.prediction, self.body = prediction, body
        self.extras = prediction.extras
        self.targets = _in_hand_boxes(targets, self.hand_boxes)

    @property
    def hand_boxes(self) -> tuple[tuple[slice, Tensor], ...]:
        """-> each hand's joints and its predicted box (B,4)."""
        return (LEFT_HAND, self.extras["left_box"]), (RIGHT_HAND, self.extras["right_box"])

    @cached_property
    def joints(self) -> Tensor:
        """-> 137 joints (B,137,3) metres, the body's own origin."""
        parameters = self.prediction.parameters
        vertices, joints = self.body(parameters)
        package = self.body.regress(vertices, PACKAGE_SET, joints=joints, parameters=parameters)
        return package[:, conversion_index(PACKAGE_SET, JOINT_SET).tolist()]

    @cached_property
    def relative(self) -> Tensor:
        """-> 137 joints (B,137,3) metres from their part's root."""
        return part_relative(self.joints)

    def projected(self, joints: Tensor) -> Tensor:
        """joints (B,137,3) metres -> (B,137,2): hands in cells of their boxes; hands and face are
        moved, each as a whole, onto their targets."""
        flat = project(joints, self.extras["translation"])
        parts = [flat[:, : LEFT_HAND.start]]
        for part, box in self.hand_boxes:
            parts.append(self._aligned(body_to_hand_cells(flat[:, part], box), part))
        parts.append(self._aligned(flat[:, FACE], FACE))
        return torch.cat(parts, dim=1)

    def _aligned(self, points: Tensor, part: slice) -> Tensor:
        """The mean difference of the seen joints is taken off; the gradient flows through it."""
        seen = (self.targets.joint_seen[:, part] == 1).to(points.dtype)
        away = (self.targets.joint_image[:, part, :2] - points) * seen
        return points + away.sum(dim=1, keepdim=True) / seen.sum(dim=1, keepdim=True).clamp(min=1)


def _in_hand_boxes(targets: Targets, boxes: Collection[tuple[slice, Tensor]]) -> Targets:
    """-> the targets with hand joints in cells of the predicted boxes, unseen outside of them."""
    changed: dict[str, Tensor] = {}
    for kind in ("joint", "body"):
        image = getattr(targets, f"{kind}_image").clone()
        seen = getattr(targets, f"{kind}_seen").clone()
        for part, box in boxes:
            image[:, part] = body_to_hand_cells(image[:, part], box)
            within = (image[:, part, :2] >= 0) & (image[:, part, :2] < HAND_CELLS)
            seen[:, part] = seen[:, part] * within.all(dim=2, keepdim=True)
        changed |= {f"{kind}_image": image, f"{kind}_seen": seen}
    return replace(targets, **changed)


def masked(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """-> |predicted - target| * valid, element by element."""
    return (predicted - target).abs() * valid


def smplx_pose(scene: Scene) -> Tensor:
    """Axis-angle of root, body, hands (relative to the mean hand) and jaw."""
    targets = scene.targets
    return masked(scene.extras["pose"], targets.pose, targets.pose_valid)


def smplx_shape(scene: Scene) -> Tensor:
    """Ten shape coefficients."""
    targets = scene.targets
    return masked(scene.prediction.parameters["betas"], targets.betas, targets.betas_valid[:, None])


def smplx_expr(scene: Scene) -> Tensor:
    """Ten expression coefficients."""
    targets, predicted = scene.targets, scene.prediction.parameters["expression"]
    return masked(predicted, targets.expression, targets.expression_valid[:, None])


def joint_cam(scene: Scene) -> Tensor:
    """Metres from each part's root to annotated 3D joints."""
    targets = scene.targets
    valid = targets.joint_valid * targets.has_depth[:, None, None]
    return masked(scene.relative, targets.joint_metres, valid)


def smplx_joint_cam(scene: Scene) -> Tensor:
    """Metres from each part's root to joints of the fitted SMPL-X."""
    return masked(scene.relative, scene.targets.body_metres, scene.targets.body_valid)


def _box(index: int) -> Callable[[Scene], Tensor]:
    def box(scene: Scene) -> Tensor:
        """Centre and size of a box, cells."""
        targets = scene.targets
        valid = targets.boxes_valid[:, index, None]
        centre = masked(scene.extras["box_centres"][:, index], targets.box_centres[:, index], valid)
        return centre + masked(
            scene.extras["box_sizes"][:, index], targets.box_sizes[:, index], valid
        )

    return box


def joint_proj(scene: Scene) -> Tensor:
    """Projected joints, cells."""
    return _projection(scene, scene.joints)


def joint_proj_camera(scene: Scene) -> Tensor:
    """The same, whose gradient reaches the camera alone: what OSX takes when trained on AGORA only."""
    return _projection(scene, scene.joints.detach())


def _projection(scene: Scene, joints: Tensor) -> Tensor:
    targets = scene.targets
    return masked(scene.projected(joints), targets.joint_image[..., :2], targets.joint_seen)


def joint_img(scene: Scene) -> Tensor:
    """Joints of body and hands as located in the picture; depth where it is annotated."""
    return _located(scene, scene.extras["image_joints"], IMAGE_JOINTS)


def joint_img_face(scene: Scene) -> Tensor:
    """Joints of the face. As official: their targets stay in the body's cells, though the prediction is
    in cells of the face's cut."""
    if "face_joints" not in scene.extras:
        raise UsageError(
            "this osx has no face decoder, so it has no loss joint_img_face.",
            "Take it out of [loss], or train decoder='both'.",
        )
    return _located(scene, scene.extras["face_joints"], FACE)


def _located(scene: Scene, predicted: Tensor, part: slice) -> Tensor:
    targets = scene.targets
    depth = targets.has_depth[:, None, None].expand(-1, predicted.shape[1], 1)
    valid = torch.cat([torch.ones_like(depth).expand(-1, -1, 2), depth], dim=2)
    return masked(predicted, targets.joint_image[:, part], targets.joint_seen[:, part] * valid)


def smplx_joint_img(scene: Scene) -> Tensor:
    """Joints of body and hands as located in the picture, against those of the fitted SMPL-X."""
    targets, part = scene.targets, IMAGE_JOINTS
    predicted = scene.extras["image_joints"]
    return masked(predicted, targets.body_image[:, part], targets.body_seen[:, part])


TERMS: Mapping[str, Callable[[Scene], Tensor]] = {
    "smplx_pose": smplx_pose,
    "smplx_shape": smplx_shape,
    "smplx_expr": smplx_expr,
    "joint_cam": joint_cam,
    "smplx_joint_cam": smplx_joint_cam,
    "lhand_bbox": _box(0),
    "rhand_bbox": _box(1),
    "face_bbox": _box(2),
    "joint_proj": joint_proj,
    "joint_proj_camera": joint_proj_camera,
    "joint_img": joint_img,
    "joint_img_face": joint_img_face,
    "smplx_joint_img": smplx_joint_img,
}
FITTED = {"smplx_joint_cam", "smplx_joint_img"}  # against joints of the annotated SMPL-X


def osx_losses(
    prediction: Prediction, batch: Batch, body: Body, names: Collection[str]
) -> dict[str, Tensor]:
    """Prediction and targets -> {name: scalar}, unweighted: OSX's terms and the standard ones."""
    for name in names:
        if name not in TERMS and name not in STANDARD:
            known = [*TERMS, *STANDARD]
            raise UsageError(
                f"osx has no loss named '{name}'.",
                did_you_mean(name, known) or f"One of: {', '.join(known)}.",
            )
    own = [name for name in names if name in TERMS]
    found = standard_losses(prediction, batch, body, [name for name in names if name not in own])
    if own:
        targets = from_batch(batch, body, fitted=not FITTED.isdisjoint(own))
        found |= osx_terms(prediction, targets, body, own)
    return found


def osx_terms(
    prediction: Prediction, targets: Targets, body: Body, names: Collection[str]
) -> dict[str, Tensor]:
    """Prediction in training, targets in OSX's frames -> {name: scalar}, unweighted."""
    elements = osx_elements(prediction, targets, body, names)
    return {name: values.mean() for name, values in elements.items()}


def osx_elements(
    prediction: Prediction, targets: Targets, body: Body, names: Collection[str]
) -> dict[str, Tensor]:
    """The same before the mean: {name: (B,...)}, zero where nothing is labelled."""
    scene = Scene(prediction, targets, body)
    return {name: TERMS[name](scene) for name in names}
