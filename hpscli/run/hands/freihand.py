"""FreiHAND's file of predictions: a zip with one member, pred.json = [joints, vertices]."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpscli.atomic import write_atomically
from hpscli.data.leaderboard.zips import DATE
from hpscli.errors import InvalidData
from hpscli.records import Prediction

if TYPE_CHECKING:
    from torch import Tensor

    from hpscli.body.layer import Body

HAND_JOINTS = "freihand21"  # wrist, then every finger from the thumb on, root to tip
MESH_JOINTS = "metro_hand21"  # the same joints as METRO's rows regress them (middle tip 445)
MEMBER = "pred.json"
JOINTS, VERTICES = 21, 778  # of one hand; joints in FreiHAND's order, as METRO's hand21
HANDS = 64  # that are turned into text at once


def hand_joints(prediction: Prediction, body: Body) -> Tensor:
    """A complete prediction of B hands -> their joints (B,21,3) in FreiHAND's order.

    Joints that a file or a fusion gives are taken; else they are regressed from the mesh, as METRO,
    Mesh Graphormer and FastMETRO do. Their joint tokens are not looked at.
    """
    if HAND_JOINTS in prediction.joints:
        return prediction.joints[HAND_JOINTS]
    if prediction.vertices is None:
        raise InvalidData("the hands have neither joints nor a mesh.")
    joints: Tensor = body.regress(prediction.vertices, MESH_JOINTS)
    return joints


def freihand_points(joints: Any, vertices: Any) -> tuple[Any, Any]:
    """joints (N,21,3), vertices (N,778,3) metres -> both from the wrist (joint 0) of each hand."""
    wrist = joints[:, :1]
    return joints - wrist, vertices - wrist


def freihand_text(joints: Any, vertices: Any) -> Iterator[str]:
    """joints (N,21,3), vertices (N,778,3) float32 metres, in the order of the test list -> pred.json.

    In pieces, as the whole has 53 kB per hand. Every number is the shortest text of the float32 value
    as a double, as official programs write it.
    """
    tables = []
    for name, values, count in (("joints", joints, JOINTS), ("vertices", vertices, VERTICES)):
        table = np.asarray(values, dtype=np.float32)
        if table.shape[1:] != (count, 3) or not np.isfinite(table).all():
            raise InvalidData(
                f"{name} for FreiHAND must be finite numbers (N,{count},3), got {table.shape}."
            )
        tables.append(table)
    if len(tables[0]) != len(tables[1]):
        raise InvalidData(f"{len(tables[0])} hands have joints, {len(tables[1])} have vertices.")
    for before, table, after in (("[[", tables[0], "], ["), ("", tables[1], "]]")):
        yield before
        for start in range(0, len(table), HANDS):
            rows = json.dumps(table[start : start + HANDS].astype(np.float64).tolist())
            yield f"{', ' if start else ''}{rows[1:-1]}"
        yield after


def write_freihand(path: Path, joints: Any, vertices: Any) -> None:
    """Write the zip that FreiHAND's server takes."""
    member = zipfile.ZipInfo(MEMBER, DATE)
    member.compress_type = zipfile.ZIP_DEFLATED
    content = BytesIO()
    with (
        zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(member, "w", force_zip64=False) as stream,
    ):
        for piece in freihand_text(joints, vertices):
            stream.write(piece.encode("ascii"))
    write_atomically(path, content.getvalue())
