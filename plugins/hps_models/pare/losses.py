"""PARE's losses, unweighted: those of SPIN, and the labels of body parts.

Official weights, all of them times 60: keypoints2d 5, keypoints3d 5, pose 1, betas 0.001, camera 1,
parts 1; vertices 0. Where our labels have other joints than the authors' 49, each set counts as
theirs does: squares weighted by confidence, averaged over all joints, seen or not.
"""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from hps_models.pare.outputs import FOCAL_PX, in_crop
from hpscli.body.cameras import weak_to_translation
from hpscli.body.layer import Body
from hpscli.errors import UsageError, did_you_mean
from hpscli.records import Batch, Prediction
from hpscli.train.losses import Scene, betas, pose, root_of, vertices

OFFICIAL_JOINTS = 49
OPENPOSE_JOINTS = 25  # the first of the 49, whose weight is 0 in 2D; in 3D the other 24 count
HIPS = (2, 3)  # of those 24: their mean is the origin
PARTS = "parts.smpl24"  # (B,H,W): 0 background, 1 + joint, -1 unknown
UNKNOWN = -1


def pare_losses(
    prediction: Prediction, batch: Batch, body: Body, names: Collection[str]
) -> dict[str, Tensor]:
    """Prediction and targets -> {name: scalar}, unweighted; what has no label is 0."""
    for name in names:
        if name not in TERMS:
            raise UsageError(
                f"pare has no loss named '{name}'.",
                did_you_mean(name, TERMS) or f"One of: {', '.join(TERMS)}.",
            )
    scene = Scene(prediction, batch, body)
    return {name: TERMS[name](scene) for name in names}


def keypoints2d(scene: Scene) -> Tensor:
    """Squares in crop units of joints projected by a pinhole camera of 5000 px."""
    total = scene.nothing()
    crop_px = scene.batch.image.shape[-1]
    translation = weak_to_translation(scene.prediction.camera, FOCAL_PX, crop_px)
    for name, (target, present) in scene.targets("keypoints2d.").items():
        found = in_crop(scene.joints(name), translation, crop_px)
        weights = target[..., 2:] * present[:, None, None]
        if found.shape[1] == OFFICIAL_JOINTS:
            weights = torch.cat(
                [weights[:, :OPENPOSE_JOINTS] * 0.0, weights[:, OPENPOSE_JOINTS:]], dim=1
            )
        total = total + (weights * (found - target[..., :2]).square()).mean()
    return total


def keypoints3d(scene: Scene) -> Tensor:
    """Squares in metres of joints relative to the root, over the people that have them."""
    total = scene.nothing()
    for name, (target, present) in scene.targets("keypoints3d.").items():
        found = scene.joints(name)
        root: Collection[int] = root_of(name)
        if found.shape[1] == OFFICIAL_JOINTS:
            found, target = found[:, OPENPOSE_JOINTS:], target[:, OPENPOSE_JOINTS:]
            root = HIPS
        elif name == "spin_gt24":
            root = HIPS
        found, points = (
            x - x[:, list(root)].mean(dim=1, keepdim=True) for x in (found, target[..., :3])
        )
        squares = target[..., 3:] * (found - points).square() * present[:, None, None]
        people = present.sum().clamp(min=1)
        total = total + squares.sum() / (people * found[0].numel())
    return total


def camera(scene: Scene) -> Tensor:
    """A scale that is not positive is punished: a body cannot stand behind the camera."""
    return torch.exp(-10 * scene.prediction.camera[:, 0]).square().mean()


def parts(scene: Scene) -> Tensor:
    """Cross entropy of part labels; labels may be larger than maps, which grow to their size."""
    target = scene.batch.targets.get(PARTS)
    logits = scene.prediction.extras.get("part_logits")
    if target is None or logits is None:
        return scene.nothing()
    labels, present = target.long(), scene.batch.present[PARTS]
    labels = torch.where(present[:, None, None], labels, UNKNOWN)
    if logits.shape[-2:] != labels.shape[-2:]:
        logits = functional.interpolate(
            logits, size=labels.shape[-2:], mode="bilinear", align_corners=True
        )
    total = functional.cross_entropy(logits, labels, ignore_index=UNKNOWN, reduction="sum")
    return total / (labels != UNKNOWN).sum().clamp(min=1)


TERMS: Mapping[str, Callable[[Scene], Tensor]] = {
    "keypoints2d": keypoints2d,
    "keypoints3d": keypoints3d,
    "pose": pose,
    "betas": betas,
    "camera": camera,
    "parts": parts,
    "vertices": vertices,
}
