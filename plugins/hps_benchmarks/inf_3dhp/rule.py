"""MPI-INF-3DHP's evaluation as a protocol: 17 joints from the pelvis, by sequence and by activity."""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.inf_3dhp import score
from hpscli.body.layer import Body
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.errors import require_finite
from hpscli.metrics.rules import Curve, Figure, Measured, People, Table, Totals, metric
from hpscli.metrics.truth import Truth, check_protocol, own_joints_suffice, predicted_points

Array = NDArray[np.float64]

MM_PER_M = 1000.0
SEQUENCE = re.compile(r"^TS(\d+)$")  # the authors' tables call TS1 TestSeq1
AT_ORIGIN = 1e-6  # metres; shards of univ_annot3 hold joints from the pelvis
OTHERS = [joint for joint in range(len(score.JOINTS)) if joint != score.ROOT]
PCK = Figure(
    label="3DPCK",
    meaning="of 14 joints (head top, neck, shoulders to wrists, hips to ankles), nearer than 150 mm",
    unit="%",
    smaller_is_better=False,
)
AUC = Figure(
    label="3DAUC",
    meaning="mean of that over the 31 thresholds 0, 5 ... 150 mm; nothing is nearer than 0",
    unit="%",
    smaller_is_better=False,
)


class Inf3dhpRule:
    """Distances from the pelvis to 17 joints of the universal skeleton.

    Option `root_counts`: whether the pelvis, whose distance is always 0, is one of the joints of
    MPJPE, as in the authors' "Average".
    """

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        self.protocol, self.body = protocol, body
        self.truth = Truth(protocol, body)
        self.needs_mesh = not own_joints_suffice(protocol, body)
        self.root_counts = bool(protocol.options.get("root_counts", True))
        joints = "17 joints, the pelvis (always 0) among them" if self.root_counts else "16 joints"
        self.figures: Mapping[str, Figure] = {
            "mpjpe": Figure(label="MPJPE", meaning=f"mean distance of {joints}"),
            "pck": PCK,
            "auc": AUC,
        }

    def measure(self, people: People) -> dict[str, Array]:
        """B people -> shares (B,) of the figures, joint_errors_mm (B,17); NaN without truth."""
        joints = predicted_points(self.protocol, self.body, people.prediction).joints
        require_finite("the prediction", joints, people.keys)
        true = self.truth.points(people.targets, people.present, people.meta)
        known = np.ones(len(people), bool)
        if true.mask is not None:
            known = np.asarray(true.mask.all(axis=1), bool)
        _refuse_other_skeleton(true.joints, known, people.keys)
        centred = joints - joints[:, [score.ROOT]]
        errors = np.full((len(people), len(score.JOINTS)), np.nan)
        errors[known] = score.joint_errors_mm(
            centred[known] * MM_PER_M, true.joints[known] * MM_PER_M
        )
        counted = errors if self.root_counts else errors[:, OTHERS]
        grouped = errors[:, list(score.GROUPED)]
        hits = 100.0 * (grouped < score.PCK_MM).mean(axis=1)
        return {
            "joint_errors_mm": errors,
            "mpjpe": counted.mean(axis=1),
            "pck": np.where(known, hits, np.nan),
            "auc": np.where(known, score.auc(grouped).mean(axis=1), np.nan),
        }

    def total(self, measured: Measured) -> Totals:
        """-> the figures of all frames, and the authors' tables."""
        errors = measured.values["joint_errors_mm"]
        known = np.isfinite(measured.values["mpjpe"])
        if not known.any():
            return Totals(metrics={})
        meta = [entry for entry, kept in zip(measured.meta, known, strict=True) if kept]
        errors, whole = errors[known], score.row("All", errors[known])
        mpjpe = whole.mpjpe if self.root_counts else float(whole.joints[OTHERS].mean())
        values = {"mpjpe": mpjpe, "pck": whole.total_pck, "auc": whole.total_auc}
        count = int(known.sum())
        names = np.array([str(entry.get("sequence", "")) for entry in meta])
        labels = np.array([int(entry.get("activity", 0)) for entry in meta])
        tables = {"joints": _joints(whole), "groups": _groups(whole)}
        lines, notes = "", []
        if (names != "").all():
            rows = [score.row(str(n), errors[names == n]) for n in sorted(set(names.tolist()))]
            tables["sequences"] = _of_rows("Sequences", "sequence", rows)
            renamed = [replace(row, name=SEQUENCE.sub(r"TestSeq\1", row.name)) for row in rows]
            lines += _csv(score.cells(renamed))
        else:
            notes.append("The people do not say their sequence: no table of sequences.")
        if (labels > 0).all():
            rows = score.activity_rows(errors, labels)
            there = [row for row in rows if np.isfinite(row.mpjpe)]
            tables["actions"] = _of_rows("Activities", "activity", there)
            lines += ("\n" if lines else "") + _csv(score.cells(rows))
        else:
            notes.append("The people do not say their activity: prepare the shards again.")
        return Totals(
            metrics={n: metric(figure, values[n], count) for n, figure in self.figures.items()},
            tables=tables,
            curves={"pck": _curve(errors)},
            official_text=lines,
            notes=tuple(notes),
        )


def _refuse_other_skeleton(joints: Array, known: NDArray[np.bool_], keys: tuple[str, ...]) -> None:
    """Raise for joints as the cameras saw them: the figures are about the scaled skeleton."""
    away = known & (np.abs(joints[:, score.ROOT]).max(axis=1) > AT_ORIGIN)
    if away.any():
        raise InvalidData(
            f"{int(away.sum())} of {len(keys)} people have joints of annot3, first "
            f"'{keys[int(np.argmax(away))]}': this protocol is about univ_annot3, from the pelvis.",
            "hps prepare mpi-inf-3dhp --from DIR --split test annotation=univ_annot3",
        )


def _joints(row: score.Row) -> Table:
    return Table(
        title="Joints",
        columns=("joint", "MPJPE"),
        rows=tuple(zip(score.JOINTS, row.joints.tolist(), strict=True)),
        unit="mm",
    )


def _groups(row: score.Row) -> Table:
    rows = zip(score.GROUPS, row.pck.tolist(), row.auc.tolist(), strict=True)
    return Table(
        title="Groups of joints", columns=("group", "3DPCK", "3DAUC"), rows=tuple(rows), unit="%"
    )


def _of_rows(title: str, first: str, rows: list[score.Row]) -> Table:
    return Table(
        title=title,
        columns=(first, "MPJPE mm", "3DPCK %", "3DAUC %"),
        rows=tuple((row.name, row.mpjpe, row.total_pck, row.total_auc) for row in rows),
    )


def _curve(errors: Array) -> Curve:
    return Curve(
        title="Joints nearer than a distance",
        x_label="mm",
        y_label="%",
        x=tuple(score.AUC_THRESHOLDS_MM.tolist()),
        lines={"14 joints": tuple(score.pck_curve(errors).tolist())},
    )


def _csv(cells: list[list[str]]) -> str:
    return "".join(",".join(row) + "\n" for row in cells)
