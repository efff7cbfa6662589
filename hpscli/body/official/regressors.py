"""Joint regressors: which one a matrix is, and its rows under their joints' names."""

from dataclasses import dataclass

import numpy as np

from hpscli.body.joints import joint_set
from hpscli.body.official.found import Found, Unneeded
from hpscli.body.official.sides import exchange_legs, side_test
from hpscli.body.regressors import FACE_ROWS

ROW_SUM_TOLERANCE = 0.01  # official rows sum to 1 within 4e-4
ONE_VERTEX = 0.999
SMPL_JOINTS_OF_54 = 45
OPENPOSE_COUNT = 25


@dataclass(frozen=True)
class RowNames:
    """An asset and the names of its rows, out of the joint set that knows them."""

    asset: str
    kind: str
    set: str
    joints: tuple[str, ...]


def recognise_regressor(array: np.ndarray) -> Found | Unneeded | None:
    """array (J,V) whose rows are weights of vertices -> the regressor under its joints' names."""
    kind = {6890: "smpl", 10475: "smplx"}.get(array.shape[1]) if array.ndim == 2 else None
    if kind is None or array.dtype.kind != "f" or not np.isfinite(array).all():
        return None
    if np.abs(array.sum(axis=1) - 1).max() > ROW_SUM_TOLERANCE:
        return None
    if (len(array), kind) in ((24, "smpl"), (55, "smplx")):
        return Unneeded("the body's own joint regressor: not needed, the body's file holds it")
    rows = _row_names(array, kind)
    if rows is None:
        return None
    test = side_test(array, rows.joints, kind)
    if test.swapped:
        array = exchange_legs(array, rows.joints)
    meta = {
        "kind": kind,
        "set": rows.set,
        "joints": list(rows.joints),
        "legs_swapped": bool(test.swapped),
        "sides_by": test.by if test.swapped is not None else "",
    }
    told = {
        True: f"its legs were exchanged ({test.by}): put right",
        False: f"legs checked by {test.by}",
        None: f"legs not told by {test.by}: order of the file kept",
    }[test.swapped]
    return Found(
        id=rows.asset,
        arrays={"regressor": array.astype(np.float64)},
        meta=meta,
        note=f"{len(array)} joints; {told}",
    )


def _row_names(array: np.ndarray, kind: str) -> RowNames | None:
    count = len(array)
    if count == 17:
        asset = "regressor-h36m" if kind == "smpl" else "regressor-h36m-smplx"
        return RowNames(asset, kind, "h36m17", joint_set("h36m17").joints)
    extra = joint_set("smpl54").joints[SMPL_JOINTS_OF_54:]
    if kind == "smpl" and count == len(extra):
        return RowNames("regressor-extra", kind, "smpl54", extra)
    if kind == "smpl" and count == len(FACE_ROWS) + len(extra):
        # Another file of 14 rows exists (LSP joints); only this one begins with single vertices.
        single = (array.max(axis=1) > ONE_VERTEX)[: len(FACE_ROWS)].all()
        return RowNames("regressor-extra", kind, "smpl54", FACE_ROWS + extra) if single else None
    if kind == "smpl" and count == 19:
        joints = joint_set("hmr2_44").joints[OPENPOSE_COUNT:]
        return RowNames("regressor-j19", kind, "hmr2_44", joints)
    if kind == "smplx" and count == 14:
        return RowNames("regressor-j14-smplx", kind, "lsp14", joint_set("lsp14").joints)
    return None
