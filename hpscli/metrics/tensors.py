"""Errors between points that are tensors, on the device where they lie: errors.py and angles.py in torch.

Float64 like those, which are the reference and say what each function means; both agree to rounding.
What stays on a GPU need not be copied: of a mesh, one number per person comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hpscli.errors import InvalidData
from hpscli.metrics.errors import (
    AUC_THRESHOLDS,
    PCK_THRESHOLD,
    SMALLEST_SPREAD,
    Alignment,
    refuse_people,
)
from hpscli.metrics.geometry.angles import SMALLEST_SINE
from hpscli.metrics.geometry.similarity import rotations


@dataclass(frozen=True)
class Similarity:
    """Similarity transforms of N people: x -> scale (x - origin) @ rotation + target."""

    rotation: Tensor  # (N,3,3) for rows
    scale: Tensor  # (N,)
    origin: Tensor  # (N,3)
    target: Tensor  # (N,3)
    has_shape: Tensor  # (N,) bool; else the scale is 0

    def applied(self, points: Tensor) -> Tensor:
        """points (N,P,3) -> where the transforms bring them (N,P,3)."""
        turned = (points - self.origin[:, None]) @ (self.rotation * self.scale[:, None, None])
        return turned + self.target[:, None]


def stay_there(points: Tensor) -> bool:
    """-> whether points are measured where they lie; on a CPU NumPy measures them."""
    return points.device.type != "cpu"


def distances(prediction: Tensor, truth: Tensor) -> Tensor:
    """prediction (N,P,3), truth (N,P,3) -> Euclidean distances (N,P)."""
    first, second = _pair(prediction, truth)
    return (first - second).square().sum(dim=2).sqrt()


def person_means(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """values (N,P) -> mean over the known points of each person (N,); NaN where none is known."""
    values = values.double()
    if mask is None:
        return values.mean(dim=1)
    known = _mask(mask, values)
    return torch.where(known, values, 0.0).sum(dim=1) / known.sum(dim=1)


def mpjpe(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """points (N,P,3) -> mean distance per person (N,); with vertices this is the PVE."""
    return person_means(distances(prediction, truth), mask)


def pa_mpjpe(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """points (N,P,3) -> mean distance (N,) after the best similarity transform over known points."""
    return mpjpe(procrustes(prediction, truth, mask), truth, mask)


def pck(values: Tensor, threshold: float = PCK_THRESHOLD) -> Tensor:
    """distances (N,P) metres -> percent of points nearer than the threshold, as 0 or 100 (N,P)."""
    return 100.0 * (values.double() < threshold).double()


def auc(values: Tensor, thresholds: Sequence[float] = tuple(AUC_THRESHOLDS.tolist())) -> Tensor:
    """distances (N,P) metres -> mean PCK over the thresholds, percent (N,P)."""
    steps = torch.tensor(sorted(thresholds), dtype=torch.float64, device=values.device)
    larger = len(steps) - torch.searchsorted(steps, values.double().contiguous(), right=True)
    return 100.0 * larger.double() / len(steps)


def align(prediction: Tensor, truth: Tensor, how: Alignment, mask: Tensor | None = None) -> Tensor:
    """prediction (N,P,3) -> the prediction after `how`, fitted on the known points (N,P,3)."""
    first, second = _pair(prediction, truth)
    if how == "none":
        return first
    if how == "procrustes":
        return procrustes(first, second, mask)
    if how == "scale_translation":
        origin, moved = _about_mean(first, mask)
        target, goal = _about_mean(second, mask)
        return (first - origin[:, None]) * _factor(moved, goal) + target[:, None]
    return first * _factor(_known_only(first, mask), _known_only(second, mask))


def procrustes(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """prediction (N,P,3) -> prediction moved, turned and scaled onto the truth (N,P,3)."""
    return similarity(prediction, truth, mask).applied(prediction.double())


def procrustes_rotation(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """points (N,P,3) -> the rotation of each person's similarity transform, for columns (N,3,3)."""
    fit = similarity(prediction, truth, mask)
    nothing = torch.eye(3, dtype=torch.float64, device=fit.rotation.device)
    return torch.where(fit.has_shape[:, None, None], fit.rotation.transpose(1, 2), nothing)


def similarity(prediction: Tensor, truth: Tensor, mask: Tensor | None = None) -> Similarity:
    """points (N,P,3) -> the similarity transform of each person that brings them nearest together."""
    first, second = _pair(prediction, truth)
    origin, moved = _about_mean(first, mask)
    target, goal = _about_mean(second, mask)
    spread = moved.square().sum(dim=(1, 2))
    shared = moved.transpose(1, 2) @ goal
    _refuse_nan(shared)
    rotation = rotations(shared)
    trace = (rotation * shared).sum(dim=(1, 2))
    has_shape = spread > _count(first, mask) * SMALLEST_SPREAD**2
    scale = torch.where(has_shape, trace / torch.where(has_shape, spread, 1.0), 0.0)
    return Similarity(rotation, scale, origin, target, has_shape)


def angle_errors(prediction: Tensor, truth: Tensor, turn: Tensor | None = None) -> Tensor:
    """rotations (N,J,3,3), turn (N,3,3) put before each prediction -> degrees between them (N,J)."""
    if prediction.shape != truth.shape or prediction.ndim != 4 or truth.shape[2:] != (3, 3):
        raise InvalidData(
            f"predicted rotations {tuple(prediction.shape)} and true rotations "
            f"{tuple(truth.shape)} must both be (N,J,3,3)."
        )
    first = prediction.double()
    if turn is not None:
        first = turn.double()[:, None] @ first
    return rotation_angles(first @ truth.double().transpose(-1, -2))


def rotation_angles(matrices: Tensor) -> Tensor:
    """matrices (...,3,3) -> degrees by which the closest orthogonal matrix turns (...)."""
    if not torch.isfinite(matrices).all():
        raise InvalidData("a rotation is NaN or infinite.")
    u, _, vt = torch.linalg.svd(matrices.double())
    turned = u @ vt
    skew = turned - turned.transpose(-1, -2)
    twice = torch.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], dim=-1)
    sine = 0.5 * twice.square().sum(dim=-1).sqrt()
    cosine = 0.5 * (turned.diagonal(dim1=-2, dim2=-1).sum(dim=-1) - 1.0)
    proper = torch.linalg.det(turned) > 0
    angle = torch.where(proper, torch.atan2(sine, cosine), cosine.clamp(-1.0, 1.0).arccos())
    angle = torch.where((sine < SMALLEST_SINE) & (cosine > 0), 0.0, angle)
    inverted = ~proper & (cosine < SMALLEST_SINE - 2.0)  # minus the identity: no axis, no angle
    return torch.where(inverted, torch.nan, angle).rad2deg()


def require_finite(name: str, values: Tensor, keys: Sequence[str]) -> None:
    """values (N,...) of people `keys` -> an error that names the people with NaN or infinity."""
    bad = ~torch.isfinite(values).flatten(1).all(dim=1)
    refuse_people(name, bad.cpu().numpy(), keys)


def _about_mean(points: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """points (N,P,3) -> the mean of the known ones (N,3), and all from it, 0 where unknown (N,P,3)."""
    shown = _known_only(points, mask)
    mean = shown.sum(dim=1) / _count(points, mask)[:, None]
    return mean, _known_only(shown - mean[:, None], mask)


def _known_only(points: Tensor, mask: Tensor | None) -> Tensor:
    """points (N,P,3) -> the same, 0 where unknown."""
    if mask is None:
        return points
    return torch.where(_mask(mask, points[..., 0])[..., None], points, 0.0)


def _count(points: Tensor, mask: Tensor | None) -> Tensor:
    """-> how many points each person has (N,), at least 1."""
    if mask is None:
        return points.new_full((len(points),), max(points.shape[1], 1))
    return mask.sum(dim=1).clamp(min=1).double()


def _factor(moved: Tensor, goal: Tensor) -> Tensor:
    """points (N,P,3) -> the least-squares factor of each person (N,1,1); 0 where all are 0."""
    power, shared = moved.square().sum(dim=(1, 2)), (moved * goal).sum(dim=(1, 2))
    factor = torch.where(power > 0, shared / torch.where(power > 0, power, 1.0), 0.0)
    return factor[:, None, None]


def _refuse_nan(shared: Tensor) -> None:
    bad = (~torch.isfinite(shared).all(dim=2).all(dim=1)).nonzero()[:, 0].tolist()
    if bad:
        raise InvalidData(
            f"points of person {bad[0]} are NaN or infinite ({len(bad)} of {len(shared)} people)."
        )


def _pair(prediction: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    if prediction.shape != truth.shape or prediction.ndim != 3 or prediction.shape[2] != 3:
        raise InvalidData(
            f"predicted points {tuple(prediction.shape)} and true points {tuple(truth.shape)} "
            "must both be (N,P,3)."
        )
    return prediction.double(), truth.double()


def _mask(mask: Tensor, values: Tensor) -> Tensor:
    if mask.shape != values.shape:
        raise InvalidData(f"mask {tuple(mask.shape)} does not fit errors {tuple(values.shape)}.")
    return mask.bool()
