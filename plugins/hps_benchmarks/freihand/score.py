"""FreiHAND's evaluation: which program it is among those of hands, and what it prints."""

from collections.abc import Mapping

from hpscli.metrics.hands.rule import HandRule, curve_lines, f_lines
from hpscli.metrics.hands.scores import NO_MESH, Program
from hpscli.run.hands.freihand import MESH_JOINTS

PROGRAM = Program(aligned_joints="xyz_al")


class FreihandRule(HandRule):
    """The twelve numbers of FreiHAND's leaderboard.

    Option `corrected`: no mirror images, and meshes that are not MANO's are scaled rightly.
    """

    program = PROGRAM
    mesh_joints = MESH_JOINTS

    def printed(self, scores: Mapping[str, float]) -> str:
        """-> the lines of the official program."""
        return printed(scores)


def printed(scores: Mapping[str, float]) -> str:
    """The twelve numbers, means in cm -> the lines that the official program prints."""
    text = curve_lines("KP", scores, "xyz") + curve_lines("KP ALIGNED", scores, "xyz_al") + "\n"
    if scores["mesh_auc3d"] != NO_MESH:
        text += curve_lines("MESH", scores, "mesh")
        text += curve_lines("MESH ALIGNED", scores, "mesh_al") + "\n"
    return text + f_lines(scores)
