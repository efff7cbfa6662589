"""Where labelled bodies stand before the camera of their crop: the translation that fits 2D joints."""

import torch
from torch import Tensor

from hpscli.body.joints import same_joints
from hpscli.body.layer import PARAMETERS, Body, matrices
from hpscli.records import Batch

EPSILON = 1e-6  # of a system without enough joints, whose solution nobody uses
LEAST = 3  # seen joints below which a body cannot be placed
OPENPOSE = slice(0, 25)  # of SPIN's 49 joints; the other 24 are those of annotators
Targets = dict[str, tuple[Tensor, Tensor]]


def fit_translation(joints: Tensor, points: Tensor, confidence: Tensor, focal: float) -> Tensor:
    """joints (B,J,3) m, points (B,J,2) from the crop's centre, confidence (B,J) -> translation (B,3).

    Points and focal length in the same unit. Weighted linear least squares, as SPIN.
    """
    joints, points = joints.double(), points.double()
    weights = confidence.double().clamp(min=0)[..., None, None].sqrt()
    left = joints.new_zeros(*points.shape, 3)
    left[:, :, 0, 0] = left[:, :, 1, 1] = focal
    left[..., 2] = -points
    right = points * joints[..., 2:] - focal * joints[..., :2]
    system = (left * weights).flatten(1, 2)
    values = (right * weights[..., 0]).flatten(1)[..., None]
    square = system.transpose(1, 2) @ system
    square = square + EPSILON * torch.eye(3, dtype=square.dtype, device=square.device)
    solution: Tensor = torch.linalg.solve(square, system.transpose(1, 2) @ values)[..., 0]
    return solution.float()


def placing_weights(confidence: Tensor, name: str) -> Tensor:
    """confidence (B,J) of a joint set -> (B,J): of SPIN's 49 the annotated ones say where a body is.

    Source: estimate_translation of SPIN, PARE and mmhuman3d. Who has too few of them, as in 3DPW,
    is placed by all; PARE does so with everybody as soon as 3DPW is in the mix.
    """
    if not same_joints(name, "smpl49"):
        return confidence
    annotated = confidence.clone()
    annotated[:, OPENPOSE] = 0
    enough = (annotated > 0).sum(dim=1, keepdim=True) >= LEAST
    return torch.where(enough, annotated, confidence)


def labelled_bodies(batch: Batch, body: Body) -> tuple[Tensor, Tensor, Tensor] | None:
    """-> vertices (B,V,3), own joints (B,J,3) of the labels, and who has all parameters (B,) bool."""
    names = [*PARAMETERS[body.kind], "betas"]
    keys = [f"{body.kind}.{name}" for name in names]
    if any(key not in batch.targets for key in keys):
        return None
    present = torch.stack([batch.present[key].bool() for key in keys]).all(dim=0)
    given = {name: batch.targets[key] for name, key in zip(names, keys, strict=True)}
    with torch.no_grad():
        vertices, joints = body(matrices(given))
    return vertices, joints, present
