"""The course project's test_pred_joints.csv: written as NumPy's savetxt does, and read back."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hps_benchmarks.course.score import JOINTS
from hpscli.atomic import write_atomically
from hpscli.body.layer import Body
from hpscli.errors import InvalidData
from hpscli.metrics.errors import require_finite
from hpscli.records import PredictionSet

COLUMNS = 3 * JOINTS
FORMAT = "%.18e"
SETS = ("spin49", "smpl49")
LARGEST_BYTES = 1 << 30  # 3700 bytes a row; 3DPW's whole test would have 0.13 GB
CHUNK = 64  # meshes at once
CHECK = "What is wrong with it: hps export-preds mp2022 --check FILE"


def write(predictions: PredictionSet, out: Path, body: Body) -> None:
    """Predictions in the order of the test list -> the file: one row of 147 numbers each."""
    joints = _joints(predictions, body)
    names = predictions.keys or tuple(str(row) for row in range(len(joints)))
    require_finite("the joints", joints, names)
    content = io.BytesIO()
    np.savetxt(content, joints.reshape(len(joints), COLUMNS), fmt=FORMAT, delimiter=",")
    write_atomically(out, content.getvalue())


def _joints(predictions: PredictionSet, body: Body) -> NDArray[Any]:
    """-> (N,49,3) metres: given, or regressed from the meshes."""
    for name in SETS:
        if f"joints.{name}" in predictions.arrays:
            return np.asarray(predictions.arrays[f"joints.{name}"])
    meshes = predictions.arrays.get("vertices")
    if meshes is None:
        raise InvalidData(
            "the predictions hold neither SPIN's 49 joints nor meshes.",
            "Predict with an SMPL model, or give joints.spin49 (N,49,3).",
        )
    own = predictions.arrays.get(f"joints.{body.joint_set}")
    found = []
    for start in range(0, len(meshes), CHUNK):
        part = torch.from_numpy(np.array(meshes[start : start + CHUNK]))
        joints = None if own is None else torch.from_numpy(np.array(own[start : start + CHUNK]))
        device = body.get_buffer("v_template").device
        placed = None if joints is None else joints.to(device)
        with torch.no_grad():
            found.append(body.regress(part.to(device), "spin49", joints=placed).cpu().numpy())
    return np.concatenate(found) if found else np.zeros((0, JOINTS, 3), np.float32)


def recognise(file: Path) -> bool:
    """-> whether the first line is 147 numbers with commas between them."""
    try:
        with file.open("rb") as stream:
            line = stream.readline(COLUMNS * 64)
        cells = line.decode("ascii").split(",")
        return len(cells) == COLUMNS and all(float(cell) is not None for cell in cells)
    except (OSError, ValueError):
        return False


def read(file: Path) -> PredictionSet:
    """-> SPIN's 49 joints (N,49,3) metres in the order of the rows, without keys."""
    if file.stat().st_size > LARGEST_BYTES:
        raise InvalidData(f"{file} has {file.stat().st_size} bytes, too many for joints.", CHECK)
    try:
        table = np.loadtxt(file, delimiter=",", ndmin=2, encoding="ascii")
    except (ValueError, OSError) as error:
        words = " ".join(str(error).split())[:160]
        raise InvalidData(f"{file} is no table of numbers: {words}.", CHECK) from None
    if table.shape[1:] != (COLUMNS,):
        raise InvalidData(f"{file} has {table.shape[-1]} columns, it has to be {COLUMNS}.", CHECK)
    joints = table.reshape(-1, JOINTS, 3).astype(np.float32)
    return PredictionSet(keys=(), arrays={"joints.spin49": joints}, body={"kind": "smpl"})
