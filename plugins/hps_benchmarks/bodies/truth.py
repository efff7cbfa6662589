"""What is true about people under a paper's rule: annotated joints, or joints of the true mesh."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hps_benchmarks.bodies.joints import PLACES
from hps_benchmarks.bodies.options import BodyOptions
from hps_benchmarks.bodies.score import Joints
from hpscli.body.layer import Body
from hpscli.errors import InvalidData
from hpscli.metrics.rules import People
from hpscli.metrics.truth import Truth

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

AT_ORIGIN = 1e-6  # metres; shards of univ_annot3 hold joints from the pelvis


@dataclass(frozen=True)
class True3D:
    """Of B people: joints by the set that each was read in; vertices (B,V,3) and their pelvis."""

    groups: tuple[tuple[NDArray[np.int64], Joints], ...]  # rows of people, and their joints
    vertices: Tensor  # where they were posed, as is
    pelvis: Tensor  # (B,1,3)
    has_mesh: Mask  # (B,)


def true_people(options: BodyOptions, truth: Truth, people: People, predicted: str) -> True3D:
    """-> what is true; `predicted`: the joint set that regresses the pelvis of meshes."""
    vertices, own, has_mesh = truth.meshes(people.targets, people.present, people.meta)
    body = truth.body
    pelvis = body.regress(vertices, predicted, joints=own)[:, [PLACES[predicted].pelvis]]
    groups: list[tuple[NDArray[np.int64], Joints]] = []
    left: Mask = np.ones(len(people), bool)
    if options.inside_picture:
        left = inside_picture(people)
    for name in options.labels:
        here = [row for row in np.flatnonzero(left).tolist() if _labelled(people, row, name)]
        rows = np.array(here, np.int64)
        if here:
            groups.append((rows, _labels(options, people, rows, name)))
            left[rows] = False
    rows = np.flatnonzero(left & has_mesh).astype(np.int64)
    if options.otherwise and len(rows):
        points = body.regress(vertices[rows], options.otherwise, joints=own[rows])
        groups.append((rows, Joints(points.double().cpu().numpy(), options.otherwise)))
    return True3D(tuple(groups), vertices, pelvis, has_mesh)


def inside_picture(people: People) -> Mask:
    """-> who has all 17 annotated joints in the picture (B,), as SPIN's list of MPI-INF-3DHP.

    Who says neither joints nor the size of the picture was chosen by whoever made the list.
    """
    inside = np.ones(len(people), bool)
    for row, sample in enumerate(people.samples):
        size = sample.meta.get("image_size_px")
        points = sample.arrays.get("keypoints2d.mpi_inf_3dhp17_test")
        if size is not None and points is not None:
            height, width = size
            x, y = points[:, 0], points[:, 1]
            inside[row] = bool(((x >= 0) & (x < width) & (y >= 0) & (y < height)).all())
    return inside


def _labelled(people: People, row: int, name: str) -> bool:
    if row >= len(people.samples):
        return False
    points = people.samples[row].arrays.get(f"keypoints3d.{name}")
    return points is not None and bool((points[:, -1] > 0).any())


def _labels(options: BodyOptions, people: People, rows: NDArray[np.int64], name: str) -> Joints:
    """-> stored joints (n,J,3); official code looks at no confidence of a single joint."""
    stored = np.stack([people.samples[row].arrays[f"keypoints3d.{name}"] for row in rows])
    points = stored.astype(np.float64)
    if options.universal and name in PLACES:
        _refuse_other_skeleton(
            points[:, PLACES[name].pelvis, :3], [people.keys[row] for row in rows]
        )
    known = None if options.strict else np.asarray(points[..., -1] > 0, bool)
    return Joints(points[..., :3], name, known)


def _refuse_other_skeleton(pelvis: Array, keys: list[str]) -> None:
    """Raise for joints as the cameras saw them: the figures are about the scaled skeleton."""
    away = np.abs(pelvis).max(axis=1) > AT_ORIGIN
    if away.any():
        raise InvalidData(
            f"{int(away.sum())} of {len(keys)} people have joints of annot3, first "
            f"'{keys[int(np.argmax(away))]}': this protocol is about univ_annot3, from the pelvis.",
            "hps prepare mpi-inf-3dhp --from DIR --split test annotation=univ_annot3",
        )


def predicted_joints(body: Body, people: People, name: str) -> Array:
    """-> joints (B,J,3) of the set `name`, regressed from the predicted mesh, else as given."""
    prediction = people.prediction
    if prediction.vertices is None:
        return np.asarray(prediction.joints[name].double().cpu().numpy(), np.float64)
    own = prediction.joints.get(body.joint_set)
    points = body.regress(prediction.vertices, name, joints=own)
    return np.asarray(points.double().cpu().numpy(), np.float64)
