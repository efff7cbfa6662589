"""The rule of hand benchmarks: joints and mesh in camera space, as annotated or as posed."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli.body.joints import joint_set
from hpscli.body.layer import Body
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.errors import require_finite
from hpscli.metrics.hands.scores import (
    CENTIMETRES,
    F_THRESHOLDS,
    MESHES,
    THRESHOLDS,
    Hands,
    Program,
    measure_hands,
    scores_text,
    set_scores,
)
from hpscli.metrics.rules import Curve, Figure, Measured, Metric, People, Table, Totals, metric
from hpscli.metrics.truth import Truth, check_protocol
from hpscli.records import Prediction

Array = NDArray[np.float64]

KINDS = {
    # how points are aligned -> before the name of a figure, and what it means
    "": ("", "as predicted, in the camera"),
    "al": ("PA-", "after a similarity transform of each hand"),
    "procrustes_al": ("PA-", "after a similarity transform of each hand"),
    "scale_trans_al": ("ST-", "after giving each hand the true size and wrist"),
}


class HandRule(ABC):
    """Joints, vertices and surfaces of hands, measured as one official program does."""

    program: Program
    mesh_joints: str  # the set that is regressed from the predicted mesh, in the protocol's order

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        self.protocol, self.body = protocol, body
        self.corrected = bool(protocol.options.get("corrected", False))
        if self.corrected:
            self.program = replace(self.program, mirrors=False, forgets_size=False)
        self.truth = Truth(replace(protocol, metrics=("pve",), joints_from="model"), body)
        self.needs_mesh = True
        self.figures: Mapping[str, Figure] = {n: figure(n) for n in self.program.names}

    def measure(self, people: People) -> dict[str, Array]:
        """B hands -> numbers per hand; NaN where joints or mesh are not annotated."""
        prediction = self.predicted(people.prediction)
        require_finite("the predicted joints", prediction.joints, people.keys)
        require_finite("the predicted mesh", prediction.vertices, people.keys)
        truth = self.true(people)
        known = _finite(truth.joints) & _finite(truth.vertices)
        rows = np.flatnonzero(known)
        found = measure_hands(taken(prediction, rows), taken(truth, rows), self.program)
        if len(rows) == len(known):
            return found
        shapes = {**self._shapes(prediction, truth), **{n: v.shape[1:] for n, v in found.items()}}
        whole = {name: np.full((len(known), *shape), np.nan) for name, shape in shapes.items()}
        for name, values in found.items():
            whole[name][rows] = values
        return whole

    def predicted(self, prediction: Prediction) -> Hands:
        """A complete prediction -> joints in the protocol's order, and the mesh."""
        if prediction.vertices is None:
            raise InvalidData("the hands have no mesh.", "The files of hand benchmarks hold both.")
        joints = prediction.joints.get(self.protocol.joints)
        if joints is None:
            joints = self.body.regress(prediction.vertices, self.mesh_joints)
        return Hands(joints=_numbers(joints), vertices=_numbers(prediction.vertices))

    def true(self, people: People) -> Hands:
        """-> annotated joints and vertices in camera space; else those of the annotated pose."""
        count, joints_name = len(people), f"keypoints3d.{self.protocol.joints}"
        joints = np.full((count, len(joint_set(self.protocol.joints)), 3), np.nan)
        vertices = np.full((count, len(self.body.template), 3), np.nan)
        both = [name in people.targets for name in (joints_name, "vertices.mano")]
        if all(both):
            points = _numbers(people.targets[joints_name])
            rows = people.present[joints_name] & people.present["vertices.mano"]
            annotated = rows.cpu().numpy() & (points[..., 3] > 0).all(axis=1)
            joints[annotated] = points[annotated, :, :3]
            vertices[annotated] = _numbers(people.targets["vertices.mano"])[annotated]
            if annotated.all():
                return Hands(joints=joints, vertices=vertices)
        posed = self.truth.points(people.targets, people.present, people.meta)
        if posed.vertices is not None and posed.mask is not None:
            rest = np.isnan(joints[:, 0, 0]) & posed.mask.all(axis=1)
            joints[rest], vertices[rest] = posed.joints[rest], posed.vertices[rest]
        return Hands(joints=joints, vertices=vertices)

    def total(self, measured: Measured) -> Totals:
        """-> the figures, curves and lines of the official program."""
        some = next(iter(measured.values.values()), np.zeros(0))
        known = ~np.isnan(some.reshape(len(some), -1)[:, 0]) if len(some) else np.zeros(0, bool)
        if not known.any():
            return Totals(metrics={})
        values = {name: array[known] for name, array in measured.values.items()}
        scores = set_scores(values, self.program)
        metrics: dict[str, Metric] = {
            name: metric(self.figures[name], value, int(known.sum()))
            for name, value in scores.items()
            if name in values
        }
        errors = values["joint_errors_mm"].mean(axis=0)
        names = joint_set(self.protocol.joints).joints
        return Totals(
            metrics=metrics,
            tables={
                "joints": Table(
                    title="Joints, aligned",
                    columns=("joint", "PA-MPJPE"),
                    rows=tuple((n, float(e)) for n, e in zip(names, errors, strict=True)),
                    unit="mm",
                )
            },
            curves=self.curves(values),
            official_text=f"{self.printed(scores)}\n{scores_text(scores)}",
            notes=self.notes(int((~known).sum()), "mesh_mean3d" in values),
        )

    @abstractmethod
    def printed(self, scores: Mapping[str, float]) -> str:
        """-> what the official program prints before it writes scores.txt."""

    def curves(self, values: Mapping[str, Array]) -> dict[str, Curve]:
        """-> shares of joints and vertices within growing distances."""
        x = tuple((1000.0 * THRESHOLDS).tolist())
        sets = {"pck": ("Joints", self.program.joint_prefixes), "pcv": ("Vertices", MESHES)}
        found = {}
        for name, (what, prefixes) in sets.items():
            lines = {
                self.figures[f"{p}_mean3d"].label: tuple(values[f"{p}_pck"].mean(axis=0).tolist())
                for p in prefixes
                if f"{p}_pck" in values
            }
            if lines:
                title = f"{what} within a distance"
                found[name] = Curve(title=title, x_label="mm", y_label="share", x=x, lines=lines)
        return found

    def notes(self, left_out: int, corresponds: bool) -> tuple[str, ...]:
        """-> what a reader has to know."""
        notes = ["Hands that are predicted from the wrist have no place: read the aligned figures."]
        if left_out:
            notes.append(f"{left_out} hands are left out: joints or mesh are not annotated.")
        if not corresponds:
            notes.append("The mesh is not MANO's: there is no error per vertex.")
        return tuple(notes)

    def _shapes(self, prediction: Hands, truth: Hands) -> dict[str, tuple[int, ...]]:
        """-> what is measured of a hand, and how many numbers that is."""
        corresponds = prediction.vertices.shape[1] == truth.vertices.shape[1]
        prefixes = (*self.program.joint_prefixes, *(MESHES if corresponds else ()))
        names = [n for n in self.program.names if corresponds or not n.startswith("mesh")]
        curves: dict[str, tuple[int, ...]] = {f"{p}_pck": (len(THRESHOLDS),) for p in prefixes}
        return {
            **dict.fromkeys(names, ()),
            **curves,
            "joint_errors_mm": (prediction.joints.shape[1],),
        }


def figure(name: str) -> Figure:
    """The official name of a number -> how it is shown."""
    if name.startswith("f_"):
        mm = name.rpartition("_")[2]
        before, how = KINDS["al" if "_al_" in name else ""]
        meaning = f"F-score of the surfaces at {mm} mm, {how}"
        return Figure(label=f"{before}F@{mm}", meaning=meaning, unit="", smaller_is_better=False)
    stem, _, what = name.rpartition("_")
    part, _, kind = stem.partition("_")
    before, how = KINDS[kind]
    points = "joints" if part == "xyz" else "vertices"
    error = "MPJPE" if part == "xyz" else "PVE"
    if what == "mean3d":
        return Figure(
            label=f"{before}{error}", meaning=f"mean distance of the {points}, {how}", unit="cm"
        )
    return Figure(
        label=f"{before}{error}-AUC",
        meaning=f"area under the share of {points} within 0 to 50 mm, {how}",
        unit="",
        smaller_is_better=False,
    )


def taken(hands: Hands, rows: NDArray[np.int64]) -> Hands:
    """-> some of the hands."""
    return Hands(joints=hands.joints[rows], vertices=hands.vertices[rows])


def _finite(points: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(points).all(axis=(1, 2)), bool)


def _numbers(points: torch.Tensor) -> Array:
    return np.asarray(points.double().cpu().numpy(), np.float64)


def f_lines(scores: Mapping[str, float]) -> str:
    """-> the last lines that both official programs print."""
    lines = ["F-scores"]
    for threshold in F_THRESHOLDS:
        mm = 1000 * threshold
        plain, aligned = (scores[f"f{kind}_score_{round(mm)}"] for kind in ("", "_al"))
        lines.append(f"F@{mm:.1f}mm = {plain:.3f} \tF_aligned@{mm:.1f}mm = {aligned:.3f}")
    return "\n".join(lines) + "\n"


def curve_lines(title: str, scores: Mapping[str, float], prefix: str) -> str:
    """-> a heading and "auc=0.883, mean_kp3d_avg=0.59 cm" below it."""
    mean, auc = scores[f"{prefix}_mean3d"], scores[f"{prefix}_auc3d"]
    # metres to centimetres and back, as their print statements
    centimetres = mean / CENTIMETRES * CENTIMETRES
    return f"Evaluation 3D {title} results:\nauc={auc:.3f}, mean_kp3d_avg={centimetres:.2f} cm\n"
