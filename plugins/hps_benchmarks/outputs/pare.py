"""PARE's evaluation_results_*.pkl, a dictionary that joblib wrote; with TESTING.SAVE_RESULTS it predicts."""

from pathlib import Path

import numpy as np

from hps_benchmarks.outputs.parts import column, entry, smpl_pose
from hpscli.data.containers.pickled_joblib import load_joblib
from hpscli.errors import InvalidData
from hpscli.records import PredictionSet

HEAD_BYTES = 1 << 12


def recognise(file: Path) -> bool:
    """-> whether the first key of the dictionary and joblib's arrays are there."""
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError:
        return False
    return head[:1] == b"\x80" and b"imgname" in head and b"joblib.numpy_pickle" in head


def read(file: Path) -> PredictionSet:
    """-> parameters, camera, mesh and picture of each person, in the order of the test list."""
    stored, source = load_joblib(file), str(file)
    if not isinstance(stored, dict):
        raise InvalidData(f"{source} is no dictionary.")
    if not len(np.atleast_1d(stored.get("pose", []))):
        raise InvalidData(
            f"{source} holds errors of people, and no predictions.",
            "Run PARE's evaluation again with TESTING.SAVE_RESULTS True.",
        )
    names = [str(name) for name in np.asarray(entry(stored, "imgname", source)).reshape(-1)]
    turned = np.asarray(entry(stored, "pose", source), np.float64)
    return PredictionSet(
        keys=(),
        arrays={
            **smpl_pose(column(turned, "pose", (24, 3, 3), source)),
            "parameters.betas": column(entry(stored, "shape", source), "shape", (10,), source),
            "camera": column(entry(stored, "cam", source), "cam", (3,), source),
            "vertices": column(entry(stored, "vertices", source), "vertices", (6890, 3), source),
        },
        meta=tuple({"image_path": name} for name in names),
        body={"kind": "smpl", "gender": "neutral"},
        about={"program": "PARE"},
    )
