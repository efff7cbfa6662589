"""HO-3D's evaluation: which program it is among those of hands, and what it prints."""

from collections.abc import Mapping

from hpscli.metrics.hands.rule import HandRule, curve_lines, f_lines
from hpscli.metrics.hands.scores import NO_MESH, Program

JOINTS = "mano21"  # wrist, index, middle, little, ring, thumb, then the tips from the thumb on
PROGRAM = Program(
    aligned_joints="xyz_procrustes_al",
    scale_translation="xyz_scale_trans_al",
)


class Ho3dRule(HandRule):
    """The fourteen numbers of HO-3D's leaderboards; the axes do not matter to any of them.

    Option `corrected`: no mirror images, and meshes that are not MANO's are scaled rightly.
    """

    program = PROGRAM
    mesh_joints = JOINTS

    def printed(self, scores: Mapping[str, float]) -> str:
        """-> the lines of the official program."""
        return printed(scores)


def printed(scores: Mapping[str, float]) -> str:
    """The fourteen numbers, means in cm -> the lines that the official program prints."""
    text = (
        curve_lines("KP", scores, "xyz")
        + curve_lines("KP PROCRUSTES ALIGNED", scores, PROGRAM.aligned_joints)
        + curve_lines("KP SCALE-TRANSLATION ALIGNED", scores, PROGRAM.scale_translation)
        + "\n"
    )
    if scores["mesh_auc3d"] != NO_MESH:
        text += curve_lines("MESH", scores, "mesh")
        text += curve_lines("MESH ALIGNED", scores, "mesh_al") + "\n"
    return text + f_lines(scores)
