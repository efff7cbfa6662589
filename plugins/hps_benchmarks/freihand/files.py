"""FreiHAND's file of predictions: written, checked, read."""

from pathlib import Path

from hpscli.body.layer import Body
from hpscli.records import Finding, PredictionSet
from hpscli.run.hands.checks import Rules, check_hands
from hpscli.run.hands.files import read_hand_file
from hpscli.run.hands.freihand import HAND_JOINTS, MESH_JOINTS, write_freihand
from hpscli.run.hands.predictions import is_hand_file, points_for_file, read_hands

RULES = Rules(
    name="FreiHAND",
    counts=(3960,),
    order="FreiHAND",
    forward=1.0,
    axes="x right, y down, z forward, as FreiHAND's",
)


def write(predictions: PredictionSet, out: Path, body: Body, *, root: str = "wrist") -> None:
    """Predictions in the order of the list -> a zip with pred.json, metres.

    root: "wrist" as the usual programs of METRO and its heirs, "none" as their multi-scale ones.
    """
    joints, vertices = points_for_file(
        predictions, body, joints=HAND_JOINTS, mesh_joints=MESH_JOINTS, root=root
    )
    write_freihand(out, joints, vertices)


def check(file: Path, *, mesh: str = "mano") -> list[Finding]:
    """-> what the server refuses, and what it takes and punishes."""
    found = read_hand_file(file)
    check_hands(found, RULES, mesh=mesh)
    return found.findings


def recognise(file: Path) -> bool:
    """-> whether it is such a file, and none of HO-3D's."""
    return is_hand_file(file, order=RULES.order, forward=RULES.forward)


def read(file: Path) -> PredictionSet:
    """-> joints.freihand21 and vertices in the order of the list."""
    return read_hands(file, joints=HAND_JOINTS)
