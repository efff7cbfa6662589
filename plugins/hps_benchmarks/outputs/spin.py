"""SPIN's eval.py --result_file: people in the order of its data set, SMPL neutral, camera of the crop."""

from pathlib import Path

from hps_benchmarks.outputs.parts import column, joints, rotations, smpl_pose
from hpscli.data.containers.archives import load_npz, open_npz
from hpscli.errors import HpsError
from hpscli.records import PredictionSet

ENTRIES = {"pred_joints", "pose", "betas", "camera"}
POSE = 72  # axis-angle of 24 joints


def recognise(file: Path) -> bool:
    """-> whether a file has exactly these entries."""
    try:
        with open_npz(file) as archive:
            return set(archive) == ENTRIES
    except HpsError:
        return False


def read(file: Path) -> PredictionSet:
    """-> parameters, camera and the 17 joints that SPIN regressed from the mesh, metres."""
    stored, source = load_npz(file), str(file)
    pose = column(stored["pose"], "pose", (POSE,), source)
    return PredictionSet(
        keys=(),
        arrays={
            **smpl_pose(rotations(pose)),
            "parameters.betas": column(stored["betas"], "betas", (10,), source),
            "camera": column(stored["camera"], "camera", (3,), source),
            **joints(stored["pred_joints"], "pred_joints", source),
        },
        body={"kind": "smpl", "gender": "neutral"},
        about={"program": "SPIN"},
    )
