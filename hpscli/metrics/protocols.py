"""A protocol in action: finding it by name, saying it in English, and measuring by it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpscli.body.joints import joint_set
from hpscli.errors import UsageError, did_you_mean
from hpscli.hooks import ProtocolSpec
from hpscli.metrics import errors
from hpscli.metrics.rules import Figure

Array = NDArray[np.float64]
MILLIMETRES = 1000.0


@dataclass(frozen=True)
class Points:
    """Joints (N,J,3) metres, `mask` (N,J) which are known; vertices (N,V,3), NaN where unknown."""

    joints: Array
    vertices: Array | None = None
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class MetricKind:
    """A metric that protocols can name."""

    label: str
    unit: str
    meaning: str
    on_vertices: bool
    alignment: errors.Alignment
    per_point: Callable[[Array], Array]  # distances (N,P) metres -> value per point

    @property
    def aligned(self) -> bool:
        """-> whether each person is turned onto the truth."""
        return self.alignment == "procrustes"

    @property
    def smaller_is_better(self) -> bool:
        return self.unit == "mm"

    @property
    def figure(self) -> Figure:
        """-> how this metric is shown."""
        return Figure(
            label=self.label,
            meaning=self.meaning,
            unit=self.unit,
            smaller_is_better=self.smaller_is_better,
        )


def _mm(values: Array) -> Array:
    return values * MILLIMETRES


METRICS: dict[str, MetricKind] = {
    "mpjpe": MetricKind("MPJPE", "mm", "mean distance of the joints", False, "none", _mm),
    "pa_mpjpe": MetricKind(
        "PA-MPJPE",
        "mm",
        "the same after each person's best similarity transform",
        False,
        "procrustes",
        _mm,
    ),
    "n_mpjpe": MetricKind(
        "N-MPJPE", "mm", "the same after each person's best scale", False, "scale", _mm
    ),
    "st_mpjpe": MetricKind(
        "ST-MPJPE",
        "mm",
        "the same after each person's best scale and translation",
        False,
        "scale_translation",
        _mm,
    ),
    "pve": MetricKind("PVE", "mm", "mean distance of the mesh vertices", True, "none", _mm),
    "pa_pve": MetricKind(
        "PA-PVE", "mm", "the same after a similarity transform of the mesh", True, "procrustes", _mm
    ),
    "pck": MetricKind("3DPCK", "%", "joints nearer than 150 mm", False, "none", errors.pck),
    "pa_pck": MetricKind(
        "PA-3DPCK", "%", "the same after a similarity transform", False, "procrustes", errors.pck
    ),
    "auc": MetricKind(
        "3DAUC", "%", "mean 3DPCK over 31 thresholds from 0 to 150 mm", False, "none", errors.auc
    ),
    "pa_auc": MetricKind(
        "PA-3DAUC", "%", "the same after a similarity transform", False, "procrustes", errors.auc
    ),
}


def measure(protocol: ProtocolSpec, prediction: Points, truth: Points) -> dict[str, Array]:
    """Predicted and true points of N people -> {metric: (N,)} in the metric's unit, NaN if unknown."""
    roots = root_indices(protocol)
    predicted_joints, true_joints, known = _rooted_joints(roots, prediction, truth)
    measured = {}
    aligned: dict[tuple[bool, str], Array] = {}
    for name in protocol.metrics:
        kind = metric_kind(name)
        if kind.on_vertices:
            if prediction.vertices is None or truth.vertices is None:
                measured[name] = np.full(len(true_joints), np.nan)
                continue
            first = _moved(prediction.vertices, prediction.joints, roots)
            second = _moved(truth.vertices, truth.joints, roots)
            whole = np.asarray(np.isfinite(second).all(axis=(1, 2)) & known.any(axis=1))
            mask = np.tile(whole, (first.shape[1], 1)).T
        else:
            first, second, mask = predicted_joints, true_joints, known
        if kind.alignment != "none":
            done = kind.on_vertices, kind.alignment
            if done not in aligned:
                shown = None if mask.all() else mask
                aligned[done] = errors.align(first, second, kind.alignment, shown)
            first = aligned[done]
        values = kind.per_point(errors.distances(first, second))
        measured[name] = errors.person_means(values, mask)
    return measured


def root_indices(protocol: ProtocolSpec) -> list[int]:
    """-> places of the root joints in the protocol's joint set."""
    joints = joint_set(protocol.joints).joints
    for name in protocol.root:
        if name not in joints:
            raise UsageError(
                f"protocol '{protocol.name}': joint set '{protocol.joints}' has no '{name}'.",
                did_you_mean(name, joints),
            )
    return [joints.index(name) for name in protocol.root]


def metric_kind(name: str) -> MetricKind:
    """-> the metric of this name, or an error with the nearest one."""
    if name not in METRICS:
        raise UsageError(f"no metric '{name}'.", did_you_mean(name, METRICS) or str(list(METRICS)))
    return METRICS[name]


def root_centred(points: ArrayLike, joints: ArrayLike, roots: list[int]) -> Array:
    """points (N,P,3) -> the same minus the mean of the root joints of joints (N,J,3)."""
    return _moved(np.asarray(points, np.float64), np.asarray(joints, np.float64), roots)


def _moved(points: Array, joints: Array, roots: list[int]) -> Array:
    if not roots:
        return np.asarray(points, np.float64)
    centre = np.asarray(joints, np.float64)[:, roots].mean(axis=1, keepdims=True)
    return np.asarray(points - centre, np.float64)


def _rooted_joints(
    roots: list[int], prediction: Points, truth: Points
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """-> both sides minus their roots, and which joints count (none where a root is unknown)."""
    shape = truth.joints.shape[:2]
    known = np.ones(shape, bool) if truth.mask is None else truth.mask.copy()
    known &= known[:, roots].all(axis=1, keepdims=True)
    return (
        _moved(prediction.joints, prediction.joints, roots),
        _moved(truth.joints, truth.joints, roots),
        known,
    )


def sentences(protocol: ProtocolSpec) -> dict[str, str]:
    """-> the protocol in English, one sentence for each thing it fixes; its own words come first."""
    joints = len(joint_set(protocol.joints).joints)
    own = protocol.joints_from == "model"
    source = "the body's own" if own else "regressed from the posed mesh"
    root = " and ".join(protocol.root)
    middle = "the middle of " if len(protocol.root) > 1 else ""
    gender = (
        "the neutral body" if protocol.gender == "neutral" else "the body of the annotated gender"
    )
    said = {
        "people": f"every person of {protocol.testset}/{protocol.split}, each exactly once",
        "count": f"{protocol.samples} people" if protocol.samples else "as many as the shards hold",
        "crop": f"square window of {protocol.crop_scale:g} x the annotated box",
        "joints": f"{joints} joints of {protocol.joints}, {source}, on both sides",
        "truth": f"{gender} posed by the annotation, or annotated joints where it has no parameters",
        "root": f"both sides are moved so that {middle}{root} is the origin"
        if root
        else "nothing is moved: both sides stay where they are",
    }
    mean = "" if "average" in protocol.says else ", mean over people of each person's mean"
    known = [METRICS[name] for name in protocol.metrics if name in METRICS]
    for kind in known:
        said[kind.label] = f"{kind.meaning}{mean}, {kind.unit}"
    if any(kind.aligned for kind in known):
        said["alignment"] = "rotation without reflection, one scale, translation; float64"
    return {**said, **protocol.says}


def document(protocol: ProtocolSpec) -> dict[str, Any]:
    """-> the protocol as plain values, for result files and --json."""
    plain: Mapping[str, Any] = {
        "name": protocol.name,
        "testset": protocol.testset,
        "split": protocol.split,
        "summary": protocol.summary,
        "body": protocol.body,
        "joints": protocol.joints,
        "joints_from": protocol.joints_from,
        "root": list(protocol.root),
        "metrics": list(protocol.metrics),
        "gender": protocol.gender,
        "crop_scale": protocol.crop_scale,
        "samples": protocol.samples,
        "standing": protocol.standing,
        "beside": protocol.beside,
        "source": protocol.source,
        "licence": protocol.licence,
        "rule": protocol.rule,
        "options": dict(protocol.options),
    }
    return dict(plain)
