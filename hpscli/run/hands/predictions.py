"""Hands between files of leaderboards and sets of predictions: order of joints, axes, the wrist."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli.body.layer import Body
from hpscli.errors import InvalidData, UsageError
from hpscli.records import PredictionSet
from hpscli.run.hands.checks import finger_lengths
from hpscli.run.hands.files import first_hands, read_hand_file
from hpscli.run.hands.freihand import MEMBER

Array = NDArray[np.float64]

OPENGL = (1.0, -1.0, -1.0)  # x right, y up, z backward, of x right, y down, z forward
ROOTS = ("wrist", "none")
HANDS = 256  # whose joints are regressed at once
CLEAR = 0.9  # fingers in another order are at least a tenth longer
JOINTS = 21


def points_for_file(
    predictions: PredictionSet, body: Body, *, joints: str, mesh_joints: str, root: str
) -> tuple[Array, Array]:
    """Predictions -> joints (N,21,3) and vertices (N,778,3) in camera axes, counted from the wrist.

    joints: the name of joints that a file or a fusion gives; else `mesh_joints` are regressed.
    root: "wrist", or "none" for points as they were predicted.
    """
    if root not in ROOTS:
        raise UsageError(f"no root '{root}'.", f"root={' or root='.join(ROOTS)}")
    vertices = predictions.arrays.get("vertices")
    if vertices is None:
        raise InvalidData("the predictions hold no meshes, which the file consists of.")
    given = predictions.arrays.get(f"joints.{joints}")
    points = regressed(vertices, body, mesh_joints) if given is None else np.asarray(given)
    if root == "none":
        return points, np.asarray(vertices)
    wrist = points[:, :1]
    return points - wrist, vertices - wrist


def regressed(vertices: Any, body: Body, joints: str) -> Array:
    """vertices (N,778,3) -> joints (N,21,3) of a set, of the same precision."""
    parts = []
    with torch.no_grad():
        for start in range(0, len(vertices), HANDS):
            part = torch.from_numpy(np.ascontiguousarray(vertices[start : start + HANDS]))
            like = body.template
            parts.append(body.regress(part.to(like.device, like.dtype), joints).cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, JOINTS, 3))


def read_hands(
    path: Path, *, joints: str, axes: Sequence[float] = (1.0, 1.0, 1.0)
) -> PredictionSet:
    """A leaderboard's file -> its hands in our camera axes; joints get the name `joints`."""
    found = read_hand_file(path)
    points, vertices = found.joints, found.vertices
    if points is None or vertices is None or not len(points):
        wrong = next((f for f in found.findings if f.error), None)
        problem = wrong.problem if wrong else "it holds no hands."
        raise InvalidData(f"{path}: {problem}", wrong.fix if wrong else "")
    if len(points) != len(vertices) or points.shape[1] != JOINTS:
        raise InvalidData(
            f"{path}: joints {points.shape}, vertices {vertices.shape}; expected (N,{JOINTS},3) and "
            "(N,V,3).",
            "See what is wrong: hps export-preds NAME --check FILE",
        )
    turn = np.asarray(axes, np.float64)
    return PredictionSet(
        keys=(),
        arrays={f"joints.{joints}": points * turn, "vertices": vertices * turn},
        body={"kind": "mano"},
        about={"layout": MEMBER},
    )


def is_hand_file(path: Path, *, order: str, forward: float) -> bool:
    """-> whether a file begins as predictions of hands do, in this order of joints or these axes.

    The order decides where it is clear, else on which side of the camera the hands are.
    """
    joints = first_hands(path)
    if joints is None or joints.shape[1] != JOINTS:
        return False
    lengths = {name: float(np.mean(finger_lengths(joints, name))) for name in ("FreiHAND", "MANO")}
    shortest = min(lengths, key=lambda name: lengths[name])
    if lengths[shortest] < CLEAR * max(lengths.values()):
        return shortest == order
    before = float(np.median(joints[..., 2])) * forward
    return before > 0 or (before == 0 and forward > 0)
