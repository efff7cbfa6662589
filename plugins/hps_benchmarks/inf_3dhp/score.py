"""The tables of MPI-INF-3DHP's MATLAB evaluation from distances of 17 joints in millimetres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpscli.errors import InvalidData
from hpscli.metrics.curves import hit_shares
from hpscli.metrics.errors import auc as nearer_shares

Array = NDArray[np.float64]

JOINTS = (
    "head_top",
    "neck",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "right_hip",
    "right_knee",
    "right_ankle",
    "left_hip",
    "left_knee",
    "left_ankle",
    "pelvis",
    "spine",
    "head",
)
ROOT = JOINTS.index("pelvis")
GROUPS: Mapping[str, tuple[int, ...]] = {
    "Head": (0,),
    "Neck": (1,),
    "Shou": (2, 5),
    "Elbow": (3, 6),
    "Wrist": (4, 7),
    "Hip": (8, 11),
    "Knee": (9, 12),
    "Ankle": (10, 13),
}
GROUPED = tuple(joint for joints in GROUPS.values() for joint in joints)  # 14 of the 17
ACTIVITIES = (
    "Standing/Walking",
    "Exercising",
    "Sitting",
    "Reaching/Crouching",
    "On The Floor",
    "Sports",
    "Miscellaneous",
)
PCK_MM = 150.0
AUC_THRESHOLDS_MM = np.arange(0.0, 151.0, 5.0)


@dataclass(frozen=True)
class Row:
    """The figures of some frames; NaN where there are no frames."""

    name: str
    joints: Array  # (17,) mm, mean over frames
    pck: Array  # (8,) percent
    auc: Array  # (8,) percent

    @property
    def mpjpe(self) -> float:
        """-> mm, mean over all 17 joints; the error of the root is zero and counts."""
        return float(self.joints.mean())

    @property
    def total_pck(self) -> float:
        """-> percent of the 14 grouped joints."""
        return _pooled(self.pck)

    @property
    def total_auc(self) -> float:
        """-> percent, over the same joints."""
        return _pooled(self.auc)


def joint_errors_mm(prediction_mm: ArrayLike, truth_mm: ArrayLike) -> Array:
    """joints (N,17,3) mm, prediction from its root, truth as stored -> distances (N,17) mm.

    Only the truth is moved: a prediction whose root is not the origin is not forgiven.
    """
    first, second = np.asarray(prediction_mm, np.float64), np.asarray(truth_mm, np.float64)
    if first.shape != second.shape or first.shape[1:] != (len(JOINTS), 3):
        raise InvalidData(
            f"predicted joints {first.shape} and true joints {second.shape} must both be "
            f"(N,{len(JOINTS)},3)."
        )
    difference = first - (second - second[:, [ROOT]])
    return np.asarray(np.sqrt((difference**2).sum(axis=-1)), np.float64)


def row(name: str, errors_mm: ArrayLike) -> Row:
    """errors (N,17) mm of some frames -> their figures."""
    errors = np.asarray(errors_mm, np.float64).reshape(-1, len(JOINTS))
    if not len(errors):
        nothing = np.full(len(GROUPS), np.nan)
        return Row(name, np.full(len(JOINTS), np.nan), nothing, nothing.copy())
    hit = 100.0 * (errors < PCK_MM).mean(axis=0)
    area = auc(errors).mean(axis=0)
    groups = [list(joints) for joints in GROUPS.values()]
    return Row(
        name,
        errors.mean(axis=0),
        np.array([hit[joints].mean() for joints in groups]),
        np.array([area[joints].mean() for joints in groups]),
    )


def auc(errors_mm: ArrayLike) -> Array:
    """errors (...) mm -> percent of the 31 thresholds 0, 5 ... 150 mm that they are below (...)."""
    return nearer_shares(errors_mm, AUC_THRESHOLDS_MM)


def pck_curve(errors_mm: Array) -> Array:
    """errors (N,17) mm -> percent of the grouped joints below each threshold (31,)."""
    grouped = errors_mm[:, list(GROUPED)].reshape(1, -1)
    shares = hit_shares(grouped, AUC_THRESHOLDS_MM, inclusive=False)
    return np.asarray(100.0 * shares[0], np.float64)


def sequence_rows(errors_mm: Sequence[ArrayLike]) -> list[Row]:
    """errors (N_i,17) mm of each sequence -> a row for each, as the program names them."""
    return [row(f"TestSeq{number + 1}", errors) for number, errors in enumerate(errors_mm)]


def activity_rows(errors_mm: ArrayLike, activities: ArrayLike) -> list[Row]:
    """errors (N,17) mm of all frames, activities (N,) from 1 to 7 -> a row for each, then All."""
    errors, labels = np.asarray(errors_mm, np.float64), np.asarray(activities).ravel()
    rows = [row(name, errors[labels == number + 1]) for number, name in enumerate(ACTIVITIES)]
    return [*rows, row("All", errors)]


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """Rows -> the program's table: MPJPE, then PCK, then AUC, numbers with 12 digits."""
    table = [["", *JOINTS, "Average"]]
    table += [[r.name, *map(_digits, r.joints), _digits(r.mpjpe)] for r in rows]
    for title in ("PCK", "AUC"):
        table.append([title, *GROUPS, "Total"])
        for r in rows:
            groups, total = (r.pck, r.total_pck) if title == "PCK" else (r.auc, r.total_auc)
            table.append([r.name, *map(_digits, groups), _digits(total)])
    return table


def _pooled(groups: Array) -> float:
    weights = np.array([len(joints) for joints in GROUPS.values()], np.float64)
    return float((groups * weights).sum() / weights.sum())


def _digits(value: float) -> str:
    return "NaN" if np.isnan(value) else f"{value:.12g}"
