"""The constant prediction: what an error is worth must be told against knowing nothing."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpscli.body.layer import Body
from hpscli.data.evalset import EvalSet
from hpscli.data.labels import labels_of
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.protocols import METRICS, Points, measure, root_centred, root_indices
from hpscli.metrics.rules import Metric, mean_metrics
from hpscli.metrics.truth import Truth

Array = NDArray[np.float64]
CHUNK = 64  # people posed at once
MESHES = 2000  # training people that make the mean; 1/2N of the figure (0.03 %) is lost against all


def baseline(
    train_shards: str | Path,
    test_shards: str | Path,
    protocol: ProtocolSpec,
    body: Body,
    *,
    limit: int = 0,
    train_limit: int = MESHES,
) -> dict[str, Metric]:
    """The mean of the root-centred training people, predicted for every test person -> metrics.

    No picture is looked at. A model that is not better than this has learned nothing.
    """
    truth, roots = Truth(protocol, body), root_indices(protocol)
    joints, vertices = _mean_person(EvalSet(train_shards, limit=train_limit), truth, roots)
    parts = []
    for points in _true_points(EvalSet(test_shards, limit=limit), truth):
        count = len(points.joints)
        mesh = None if vertices is None else np.repeat(vertices[None], count, axis=0)
        prediction = Points(np.repeat(joints[None], count, axis=0), mesh)
        parts.append(measure(protocol, prediction, points))
    errors = {name: np.concatenate([part[name] for part in parts]) for name in protocol.metrics}
    return mean_metrics(errors, {name: METRICS[name].figure for name in protocol.metrics})


def _mean_person(people: EvalSet, truth: Truth, roots: list[int]) -> tuple[Array, Array | None]:
    """-> mean joints (J,3), each over those who know it, and mean vertices (V,3), root-centred."""
    total = weight = mesh_total = None
    meshes = 0
    for points in _true_points(people, truth):
        known = np.ones(points.joints.shape[:2], bool) if points.mask is None else points.mask
        known = known & known[:, roots].all(axis=1, keepdims=True)
        centred = root_centred(points.joints, points.joints, roots)
        share = np.where(known[..., None], centred, 0.0).sum(axis=0)
        total = share if total is None else total + share
        weight = known.sum(axis=0) + (0 if weight is None else weight)
        if points.vertices is not None:
            whole = np.isfinite(points.vertices).all(axis=(1, 2)) & known.any(axis=1)
            mesh = root_centred(points.vertices[whole], points.joints[whole], roots).sum(axis=0)
            mesh_total = mesh if mesh_total is None else mesh_total + mesh
            meshes += int(whole.sum())
    if total is None or weight is None or not weight.all():
        raise InvalidData(
            f"the people in {people.index.location} do not know all joints of the protocol.",
            "Give shards whose labels the protocol can use: --baseline SHARDS",
        )
    joints = np.asarray(total / weight[:, None], np.float64)
    return joints, None if mesh_total is None else np.asarray(mesh_total / max(meshes, 1))


def _true_points(people: EvalSet, truth: Truth) -> Iterator[Points]:
    """-> the true points of all people, in chunks, without decoding a picture."""
    for start in range(0, len(people), CHUNK):
        stop = min(start + CHUNK, len(people))
        samples = [people[position] for position in range(start, stop)]
        targets, present = labels_of(samples, truth.protocol.joints)
        yield truth.points(targets, present, [sample.meta for sample in samples])
