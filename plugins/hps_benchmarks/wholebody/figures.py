"""The figures of whole-body protocols, and what an official mean is where a person has no number."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import Figure, Measured

Array = NDArray[np.float64]

PARTS = {
    "all": "the whole mesh, from the pelvis",
    "hands": "both hands, each from its wrist",
    "left_hand": "the left hand, from its wrist",
    "right_hand": "the right hand, from its wrist",
    "face": "the face, from the neck",
}
JOINTS = {
    "body": "14 joints of the body",
    "hands": "21 joints of each hand",
    "left_hand": "21 joints of the left hand",
    "right_hand": "21 joints of the right hand",
}
ALIGNED = "after the best similarity transform of that part"
UNDEFINED = "undefined"  # how many figures of a person official code has no number for


def figures_of(*, joints: bool, sides: bool) -> dict[str, Figure]:
    """-> the figures in the order of OSX's result.txt. `sides`: each hand too, as SMPLer-X."""

    def wanted(part: str) -> bool:
        return sides or part not in ("left_hand", "right_hand")

    vertices = {part: what for part, what in PARTS.items() if wanted(part)}
    found = {
        f"pa_mpvpe_{part}": _figure(
            f"PA-MPVPE {_word(part)}", f"{_bare(what)}, vertices, {ALIGNED}"
        )
        for part, what in vertices.items()
    }
    for part, what in vertices.items():
        found[f"mpvpe_{part}"] = _figure(f"MPVPE {_word(part)}", f"vertices of {what}")
    for part, what in JOINTS.items():
        if joints and wanted(part):
            found[f"pa_mpjpe_{part}"] = _figure(f"PA-MPJPE {_word(part)}", f"{what}, {ALIGNED}")
    return found


def refuse_undefined(
    protocol: ProtocolSpec, measured: Measured, values: Mapping[str, Array]
) -> None:
    """Raise where the mean of official code is no number because of some people."""
    bad = np.flatnonzero(values[UNDEFINED] > 0)
    if len(bad):
        raise InvalidData(
            f"the official mean is not a number: {len(bad)} of {len(measured.keys)} people have none, "
            f"first '{measured.keys[bad[0]]}' (a mesh without extent, or nothing of the truth inside "
            "the picture).",
            f"Measure by the protocol that says what they count: --protocol {protocol.beside}",
        )


def _figure(label: str, meaning: str) -> Figure:
    return Figure(label=label, meaning=f"mean distance, {meaning}")


def _word(part: str) -> str:
    return part.replace("_", " ")


def _bare(what: str) -> str:
    return what.partition(",")[0]
