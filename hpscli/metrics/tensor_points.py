"""Points that stay on their device, and a protocol's metrics of them: protocols.measure in torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpscli.hooks import ProtocolSpec
from hpscli.metrics import errors, tensors
from hpscli.metrics.protocols import METRICS, MILLIMETRES, Points, metric_kind, root_indices


def _mm(values: Tensor) -> Tensor:
    return values * MILLIMETRES


PER_POINT: Mapping[Any, Callable[[Tensor], Tensor]] = {  # MetricKind.per_point -> its twin
    METRICS["mpjpe"].per_point: _mm,
    errors.pck: tensors.pck,
    errors.auc: tensors.auc,
}


@dataclass(frozen=True)
class TensorPoints:
    """Joints (N,J,3) metres, `mask` (N,J) which are known; vertices (N,V,3), NaN where unknown."""

    joints: Tensor
    vertices: Tensor | None = None
    mask: Tensor | None = None

    def numpy(self) -> Points:
        """-> the same as float64 arrays."""
        vertices = None if self.vertices is None else self.vertices.double().cpu().numpy()
        mask = None if self.mask is None else np.asarray(self.mask.cpu().numpy(), np.bool_)
        return Points(self.joints.double().cpu().numpy(), vertices, mask)


def measure(
    protocol: ProtocolSpec, prediction: TensorPoints, truth: TensorPoints
) -> dict[str, Tensor]:
    """Predicted and true points of N people -> {metric: (N,)} in the metric's unit, NaN if unknown."""
    known = known_joints(protocol, truth)
    measured: dict[str, Tensor] = {}
    aligned: dict[tuple[bool, str], Tensor] = {}
    for name in protocol.metrics:
        kind = metric_kind(name)
        mask: Tensor | None = known
        if not kind.on_vertices:
            first, second = (rooted(protocol, side.joints, side) for side in (prediction, truth))
        elif prediction.vertices is None or truth.vertices is None:
            measured[name] = torch.full_like(known[:, 0], torch.nan, dtype=torch.float64)
            continue
        else:
            first = rooted(protocol, prediction.vertices, prediction)
            second = rooted(protocol, truth.vertices, truth)
            whole = torch.isfinite(second).flatten(1).all(dim=1) & known.any(dim=1)
            mask = whole[:, None].expand(first.shape[:2])
        done = kind.on_vertices, kind.alignment
        if done not in aligned:
            aligned[done] = tensors.align(first, second, kind.alignment, mask)
        values = PER_POINT[kind.per_point](tensors.distances(aligned[done], second))
        measured[name] = tensors.person_means(values, mask)
    return measured


def joint_distances_mm(
    protocol: ProtocolSpec, prediction: TensorPoints, truth: TensorPoints
) -> Tensor:
    """Predicted and true points of N people -> (N,J) mm without alignment, NaN where unknown."""
    first, second = (rooted(protocol, side.joints, side) for side in (prediction, truth))
    away = tensors.distances(first, second) * MILLIMETRES
    return torch.where(known_joints(protocol, truth), away, torch.nan)


def known_joints(protocol: ProtocolSpec, truth: TensorPoints) -> Tensor:
    """-> which joints count (N,J): none where a root is unknown."""
    known = truth.mask
    if known is None:
        known = torch.ones_like(truth.joints[..., 0], dtype=torch.bool)
    return known & known[:, root_indices(protocol)].all(dim=1, keepdim=True)


def rooted(protocol: ProtocolSpec, points: Tensor, side: TensorPoints) -> Tensor:
    """points (N,P,3) of one side -> the same minus the mean of its root joints."""
    roots = root_indices(protocol)
    if not roots:
        return points.double()
    return points.double() - side.joints.double()[:, roots].mean(dim=1, keepdim=True)
