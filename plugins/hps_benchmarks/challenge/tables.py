"""The 3DPW challenge's errors by joint, by part and by sequence."""

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.challenge import score
from hpscli.body.joints import joint_set
from hpscli.metrics.rules import Measured, Table

Array = NDArray[np.float64]

NAMES = joint_set("smpl24").joints


def joint_table(errors: score.JointErrors) -> Table:
    """-> mean errors of each joint, mm."""
    both = errors.errors_mm.mean(axis=0), errors.aligned_mm.mean(axis=0)
    rows = zip(NAMES, *(side.tolist() for side in both), strict=True)
    return Table(
        title="Joints", columns=("joint", "MPJPE", "PA-MPJPE"), rows=tuple(rows), unit="mm"
    )


def part_table(angles: Array, turned: Array) -> Table:
    """angles (N,9) degrees -> their mean for each part."""
    names = [NAMES[part] for part in score.PARTS]
    both = angles.mean(axis=0).tolist(), turned.mean(axis=0).tolist()
    return Table(
        title="Parts",
        columns=("part", "MPJAE", "PA-MPJAE"),
        rows=tuple(zip(names, *both, strict=True)),
        unit="degrees",
    )


def sequence_table(measured: Measured, counted: NDArray[np.bool_]) -> dict[str, Table]:
    """-> mean errors of each sequence, mm; nothing where people do not say theirs."""
    names = np.array([str(entry.get("sequence", "")) for entry in measured.meta])
    if not len(names) or (names == "").any():
        return {}
    rows = []
    for name in dict.fromkeys(names.tolist()):
        of_it = (names == name) & counted
        if of_it.any():
            means = [float(measured.values[f][of_it].mean()) for f in ("mpjpe", "pa_mpjpe")]
            rows.append((name, int(of_it.sum()), *means))
    table = Table(
        title="Sequences",
        columns=("sequence", "frames", "MPJPE", "PA-MPJPE"),
        rows=tuple(rows),
        unit="mm",
    )
    return {"sequences": table}
