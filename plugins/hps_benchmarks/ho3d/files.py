"""HO-3D's file of predictions, with the axes of OpenGL: written, checked, read."""

from pathlib import Path

import numpy as np

from hps_benchmarks.ho3d.score import JOINTS
from hpscli.body.layer import Body
from hpscli.errors import UsageError
from hpscli.records import Finding, PredictionSet
from hpscli.run.hands.checks import Rules, check_hands
from hpscli.run.hands.files import read_hand_file
from hpscli.run.hands.freihand import write_freihand
from hpscli.run.hands.predictions import OPENGL, is_hand_file, points_for_file, read_hands

COUNTS = {"v2": 11524, "v3": 20137}
AXES = "x right, y up, z backward (OpenGL), as HO-3D's"


def write(
    predictions: PredictionSet, out: Path, body: Body, *, version: str = "v2", root: str = "wrist"
) -> None:
    """Predictions in the order of evaluation.txt -> a zip with pred.json, metres, axes of OpenGL."""
    rules(version)
    joints, vertices = points_for_file(
        predictions, body, joints=JOINTS, mesh_joints=JOINTS, root=root
    )
    turn = np.asarray(OPENGL, np.float32)
    write_freihand(out, joints * turn, vertices * turn)  # the same layout


def check(file: Path, *, version: str = "", mesh: str = "mano") -> list[Finding]:
    """-> what the server refuses, and what it takes and punishes; version: "v2", "v3", "" either."""
    found = read_hand_file(file)
    check_hands(found, rules(version), mesh=mesh)
    return found.findings


def rules(version: str) -> Rules:
    """-> what a version of HO-3D expects."""
    if version and version not in COUNTS:
        raise UsageError(f"HO-3D has no version '{version}'.", f"version={' or '.join(COUNTS)}")
    counts = (COUNTS[version],) if version else tuple(COUNTS.values())
    return Rules(name="HO-3D", counts=counts, order="MANO", forward=-1.0, axes=AXES)


def recognise(file: Path) -> bool:
    """-> whether it is such a file, and none of FreiHAND's."""
    return is_hand_file(file, order="MANO", forward=-1.0)


def read(file: Path) -> PredictionSet:
    """-> joints.mano21 and vertices in our camera axes, in the order of evaluation.txt."""
    return read_hands(file, joints=JOINTS, axes=OPENGL)
