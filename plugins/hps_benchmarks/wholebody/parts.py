"""Where hands and face are in the mesh of a body: licensed lists for SMPL-X, skin weights for the free one."""

from typing import Any

import numpy as np

from hps_benchmarks.wholebody.part_errors import Parts
from hpscli.body.layer import Body

Array = np.ndarray[Any, np.dtype[Any]]

# Rows of SMPL-X's joints. A vertex of the free body belongs to the joint that moves it most.
FREE_JOINTS = {
    "left_hand": (20, *range(25, 40)),
    "right_hand": (21, *range(40, 55)),
    "face": (12, 15, 22, 23, 24),  # neck and head, jaw, eyes: what FLAME covers
}
# The free body has no SMPLX_to_J14: its own joints in LSP's order, neck and head last.
FREE_BODY_ROWS = (8, 5, 2, 1, 4, 7, 21, 19, 17, 16, 18, 20, 12, 15)
NOTE = "hands and face are the free body's own vertices, body joints its own joints"


def parts_of(body: Body, *, joints: bool) -> Parts:
    """A SMPL-X body -> its parts. `joints`: with the regressor of body joints."""
    rows = body.get_buffer("J_regressor").cpu().numpy()
    if body.source == "free":
        mover = body.get_buffer("weights").cpu().numpy().argmax(axis=1)
        chosen = {
            part: np.flatnonzero(np.isin(mover, numbers)) for part, numbers in FREE_JOINTS.items()
        }
        return Parts(joints=rows, body=rows[list(FREE_BODY_ROWS)] if joints else None, **chosen)
    from hpscli.body.assets.files import read_asset

    hands, _ = read_asset("hand-vertices-smplx")
    face, _ = read_asset("face-vertices-smplx")
    return Parts(
        joints=rows,
        left_hand=hands["left"],
        right_hand=hands["right"],
        face=face["index"],
        body=np.asarray(body.mesh_joints.matrix("lsp14")) if joints else None,
    )
