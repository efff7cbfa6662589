"""SPIN's static fits as its training takes them: only those that lie on the 2D joints are labels.

Sources: nkolot/SPIN, train/trainer.py and smplify/losses.py; mmhuman3d, models/architectures/
mesh_estimator.py and models/registrants/smplify.py. The fits stay as they are: SMPLify in the loop is
not run here. Who has a fit says so (meta "fitted"); measured parameters are never doubted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hpscli.body.joints import same_joints
from hpscli.body.layer import Body
from hpscli.records import Batch
from hpscli.train.losses.placing import fit_translation, labelled_bodies, placing_weights

FITTED = "fitted"  # in a person's meta
CROP_PX, FOCAL_PX = 224.0, 5000.0  # in which both measure
SIGMA = 100.0  # of the robust error
EXTREME = 3.0  # a shape with a coefficient beyond becomes the mean shape
IGNORED = (1, 9, 12, 27, 28)  # of SPIN's 49: neck and hips of OpenPose, annotated hips


@dataclass(frozen=True)
class Rule:
    """How a program judges a fit: away (B,J,2) px, confidence (B,J) -> error (B,), and its limit."""

    error: Callable[[Tensor, Tensor], Tensor]
    limit: float


def robust(values: Tensor) -> Tensor:
    """Squares (...) -> Geman-McClure's error (...), never above sigma squared."""
    return SIGMA**2 * values / (SIGMA**2 + values)


def spin_error(away_px: Tensor, confidence: Tensor) -> Tensor:
    """away (B,J,2) px, confidence (B,J) -> px² (B,), the mean over all joints, seen or not."""
    return (confidence.square() * robust(away_px.square()).sum(dim=2)).mean(dim=1)


def mmhuman3d_error(away_px: Tensor, confidence: Tensor) -> Tensor:
    """away (B,J,2) px, confidence (B,J) -> (B,), a sum over the joints.

    In units of half the crop, and the robust error is given the squares, which it squares again, as
    in their code: so it is the sum of fourth powers.
    """
    away = away_px / ((CROP_PX - 1) / 2)
    return (confidence * robust(away.square().square()).sum(dim=2)).sum(dim=1)


SPIN = Rule(spin_error, 100.0)  # --smplify_threshold
MMHUMAN3D = Rule(mmhuman3d_error, 10.0)


def checked_fits(batch: Batch, body: Body, rule: Rule = SPIN) -> Batch:
    """-> the batch whose bad fits are absent, and whose extreme shapes are mean; others as they are."""
    fitted = [bool(person.get(FITTED)) for person in batch.meta]
    names = [name for name in batch.targets if name.startswith(f"{body.kind}.")]
    if not any(fitted) or not names:
        return batch
    rows = torch.tensor(fitted, device=batch.image.device)
    targets, present = dict(batch.targets), dict(batch.present)
    betas = f"{body.kind}.betas"
    if betas in targets:
        extreme = (targets[betas].abs() > EXTREME).any(dim=1) & rows
        targets[betas] = torch.where(extreme[:, None], 0.0, targets[betas])
    error = fit_error(
        batch, body, rule
    )  # of the fit as it is: shapes are mended after it is judged
    if error is not None:
        good = ~rows | (error < rule.limit)
        present |= {name: present[name].bool() & good for name in names}
    return replace(batch, targets=targets, present=present)


def fit_error(batch: Batch, body: Body, rule: Rule = SPIN) -> Tensor | None:
    """-> the error (B,) of labelled bodies against 2D joints, None without such labels."""
    found = labelled_bodies(batch, body)
    name = next((key for key in batch.targets if key.startswith("keypoints2d.")), "")
    if found is None or not name:
        return None
    vertices, own, _ = found
    joints = body.regress(vertices, name.partition(".")[2], joints=own)
    points = batch.targets[name][..., :2] * (CROP_PX / 2)
    confidence = batch.targets[name][..., 2] * batch.present[name][:, None].to(points.dtype)
    placing, counted = placing_weights(confidence, name.partition(".")[2]), confidence.clone()
    if same_joints(name.partition(".")[2], "smpl49"):
        counted[:, list(IGNORED)] = 0
    moved = joints + fit_translation(joints, points, placing, FOCAL_PX)[:, None]
    away = FOCAL_PX * moved[..., :2] / moved[..., 2:] - points
    return rule.error(away, counted)
