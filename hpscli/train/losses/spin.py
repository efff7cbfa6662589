"""Terms of SPIN, which PARE and others took over: squares of joints, a prior of the camera.

Source: nkolot/SPIN train/trainer.py. Joints that nobody has seen count as zero in every mean.
"""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from hpscli.body.cameras import project_perspective
from hpscli.body.joints import same_joints
from hpscli.errors import UsageError, did_you_mean
from hpscli.train.losses import Scene, root_of

FOCAL_PX = 5000.0  # of the crop, as all descendants of SPIN assume
OPENPOSE = slice(0, 25)  # of SPIN's 49 joints: their weight in 2D is 0
GROUND_TRUTH = slice(25, 49)  # of SPIN's 49 joints: those that 3D labels have
HIPS_OF = {"smpl49": [27, 28], "spin_gt24": [2, 3]}  # of annotators: their mean is the root

SceneTerm = Callable[[Scene], Tensor]


def chosen_terms(
    model: str, table: Mapping[str, SceneTerm], scene: Scene, names: Collection[str]
) -> dict[str, Tensor]:
    """-> {name: scalar}, unweighted, of the terms that are asked for; an unknown name is an error."""
    for name in names:
        if name not in table:
            raise UsageError(
                f"{model} has no loss named '{name}'.",
                did_you_mean(name, table) or f"One of: {', '.join(table)}.",
            )
    return {name: table[name](scene) for name in names}


def rooted(points: Tensor, root: list[int]) -> Tensor:
    """points (B,J,3) -> relative to the mean of the joints `root`."""
    return points - points[:, root].mean(dim=1, keepdim=True)


def hips_of(name: str) -> list[int]:
    """Joint set -> the hips of annotators, if it is one of SPIN's, under any name; else its root."""
    return next((hips for own, hips in HIPS_OF.items() if same_joints(name, own)), root_of(name))


def with_root(target: Tensor, present: Tensor, root: list[int]) -> Tensor:
    """target (B,J,4), present (B,) -> present (B,) of those whose labels have the root.

    Relative to a root that is absent, zero, joints would be compared where they stand in the camera.
    """
    absent = (target[:, root] == 0).all(dim=2).any(dim=1)
    return present * (~absent).to(present.dtype)


def mean_of_people(values: Tensor, confidence: Tensor, present: Tensor) -> Tensor:
    """values (B,J,C), confidence (B,J,1), present (B,) -> the mean over everything of those present."""
    weights = confidence * present[:, None, None]
    people = present.sum().clamp(min=1)
    return (values * weights).sum() / (people * values[0].numel())


def keypoints2d(scene: Scene) -> Tensor:
    """Squares in crop units, averaged over all joints, seen or not; OpenPose's weigh nothing."""
    total = scene.nothing()
    crop_px = scene.batch.image.shape[-1]
    for name, (target, present) in scene.targets("keypoints2d.").items():
        pixels = project_perspective(scene.joints(name), scene.prediction.camera, FOCAL_PX, crop_px)
        weights = (target[..., 2:] * present[:, None, None]).clone()
        if same_joints(name, "smpl49"):
            weights[:, OPENPOSE] = 0
        difference = pixels / (crop_px / 2) - target[..., :2]
        total = total + (weights * difference.square()).mean()
    return total


def keypoints3d(scene: Scene) -> Tensor:
    """Squares in metres relative to the root, averaged over all joints of labelled people."""
    total = scene.nothing()
    for name, (target, present) in scene.targets("keypoints3d.").items():
        predicted, root = scene.joints(name), hips_of(name)
        present = with_root(target, present, root)
        squares = (rooted(predicted, root) - rooted(target[..., :3], root)).square()
        if same_joints(name, "smpl49"):
            squares, target = squares[:, GROUND_TRUTH], target[:, GROUND_TRUTH]
        total = total + mean_of_people(squares, target[..., 3:], present)
    return total


def camera(scene: Scene) -> Tensor:
    """A scale that is not positive is punished: a body cannot stand behind the camera."""
    return torch.exp(-10 * scene.prediction.camera[:, 0]).square().mean()
