"""The 3DPW challenge as a protocol: who counts, what is true about them, and how it is printed."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hps_benchmarks.challenge import score
from hps_benchmarks.challenge.submission.layout import TRACKS
from hps_benchmarks.challenge.tables import joint_table, part_table, sequence_table
from hpscli.body.layer import Body, matrices
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.curves import area
from hpscli.metrics.errors import require_finite
from hpscli.metrics.rules import Curve, Figure, Measured, Metric, People, Totals, metric
from hpscli.metrics.truth import Truth, check_protocol, predicted_points
from hpscli.records import Prediction, Sample

Array = NDArray[np.float64]

GIVEN_PARTS = "part_rotations"  # in a prediction's extras: (B,9,3,3) in the camera, from a file
DETECTED = "keypoints2d.pw3d18"  # the data set's 2D poses; all zero: the frame is not evaluated
FIGURES: dict[str, tuple[str, Figure]] = {
    "mpjpe": ("MPJPE", Figure(label="MPJPE", meaning="mean distance of 24 joints from the root")),
    "pa_mpjpe": (
        "MPJPE_PA",
        Figure(label="PA-MPJPE", meaning="the same after each frame's best similarity transform"),
    ),
    "pck": (
        "PCK",
        Figure(
            label="PCK",
            meaning="of 12 joints (hips to ankles, shoulders to wrists), at most 50 mm off",
            unit="%",
            smaller_is_better=False,
        ),
    ),
    "auc": (
        "AUC",
        Figure(
            label="AUC",
            meaning="area under the share of those joints over thresholds 0 to 199 mm, from 0 to 1",
            unit="",
            smaller_is_better=False,
        ),
    ),
    "mpjae": (
        "MPJAE",
        Figure(label="MPJAE", meaning="mean angle of 9 parts in the camera", unit="degrees"),
    ),
    "pa_mpjae": (
        "MPJAE_PA",
        Figure(
            label="PA-MPJAE",
            meaning="the same after the rotation of the joints' similarity transform",
            unit="degrees",
        ),
    ),
}


class ChallengeRule:
    """Joints and part rotations of every evaluated frame, against the gendered SMPL body.

    Option `strict`: rotations that are none are an error, where the official program gives them the
    angle of whatever its library makes of them; AUC by exact trapezoids.
    """

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        self.protocol, self.body = protocol, body
        self.truth = Truth(protocol, body)
        self.needs_mesh = False
        self.strict = bool(protocol.options.get("strict", False))
        self.figures: Mapping[str, Figure] = {name: entry[1] for name, entry in FIGURES.items()}

    def measure(self, people: People) -> dict[str, Array]:
        """B people -> shares (B,) of the figures, joint_errors_mm (B,24), part angles (B,9)."""
        counted = np.array([is_evaluated(sample) for sample in people.samples], bool)
        joints = predicted_points(self.protocol, self.body, people.prediction).joints
        parts = predicted_parts(people.prediction, self.body)
        self._refuse(people, counted, joints, parts)
        true = self.truth.points(people.targets, people.present, people.meta)
        known = true.mask is None or true.mask.all(axis=1)
        counted &= known
        found = _nothing(len(people))
        found["has_2d_pose"] = np.array([DETECTED in s.arrays for s in people.samples], float)
        found["unread_rotations"] = np.zeros(len(people))
        if parts is not None:
            found["unread_rotations"] = (~np.isfinite(parts)).any(axis=(2, 3)).sum(axis=1) * 1.0
        if not counted.any():
            return found
        errors = score.joint_errors(joints[counted], true.joints[counted])
        posed = counted & _posed(people)
        found["joint_errors_mm"][counted] = errors.errors_mm
        found["aligned_errors_mm"][counted] = errors.aligned_mm
        if parts is not None and posed.any():
            truth = true_parts(people.targets, self.body)
            turns = np.tile(np.eye(3), (len(people), 1, 1))
            turns[counted] = errors.turns
            keys = [key for key, counts in zip(people.keys, posed, strict=True) if counts]
            for name, first in (("part_angles_deg", None), ("turned_angles_deg", turns[posed])):
                found[name][posed] = score.part_angles(parts[posed], truth[posed], first)
                require_finite("the angle of a predicted rotation", found[name][posed], keys)
        return {**found, **_shares(found)}

    def total(self, measured: Measured) -> Totals:
        """-> the figures, tables and lines of the official program."""
        values = measured.values
        counted = np.isfinite(values["mpjpe"])
        angled = np.isfinite(values["mpjae"])
        if not counted.any():
            return Totals(metrics={})
        errors = score.JointErrors(
            values["joint_errors_mm"][counted],
            values["aligned_errors_mm"][counted],
            np.zeros((0, 3, 3)),
        )
        plain = values["part_angles_deg"][angled] if angled.any() else None
        turned = values["turned_angles_deg"][angled] if angled.any() else None
        found = score.scores(errors, plain, turned)
        curve = score.pck_curve(errors.pck_errors_mm)
        if self.strict:
            found["AUC"] = float(area(curve, score.AUC_THRESHOLDS_MM))
        sequences = sequence_table(measured, counted)
        tables = {"joints": joint_table(errors), **sequences}
        if plain is not None and turned is not None:
            tables["parts"] = part_table(plain, turned)
        return Totals(
            metrics=_metrics(found, int(counted.sum()), int(angled.sum())),
            tables=tables,
            curves={"pck": _curve(curve)},
            official_text=score.scores_text(found),
            notes=_notes(measured, counted, angled),
        )

    def _refuse(
        self, people: People, counted: NDArray[np.bool_], joints: Array, parts: Array | None
    ) -> None:
        """Raise for joints that are NaN, and in a strict protocol for rotations that are none."""
        keys = [key for key, counts in zip(people.keys, counted, strict=True) if counts]
        require_finite("the prediction", joints[counted], keys)
        if parts is None or not self.strict:
            return
        require_finite("the predicted rotation", parts[counted], keys)
        stretch = np.linalg.svd(parts[counted], compute_uv=False)
        turned = np.linalg.det(parts[counted])
        bad = ((stretch[..., 2] <= score.SINGULAR * stretch[..., 0]) | (turned <= 0)).any(axis=1)
        if bad.any():
            raise InvalidData(
                f"a part of {int(bad.sum())} people has no rotation (singular or mirrored), first "
                f"'{keys[int(np.argmax(bad))]}'.",
                "Predict rotation matrices with determinant 1.",
            )


def is_evaluated(sample: Sample) -> bool:
    """-> whether the official program looks at this frame: its camera is valid and 2D poses are there."""
    detected = sample.arrays.get(DETECTED)
    return detected is None or bool(np.abs(detected).sum() > 0)


def predicted_parts(prediction: Prediction, body: Body) -> Array | None:
    """-> rotations of the 9 parts in the camera (B,9,3,3), None where only joints are predicted."""
    if GIVEN_PARTS in prediction.extras:
        return prediction.extras[GIVEN_PARTS].double().cpu().numpy()
    parameters = prediction.parameters
    if "global_orient" not in parameters or "body_pose" not in parameters:
        return None
    return _parts(parameters["global_orient"], parameters["body_pose"], body)


def true_parts(targets: Mapping[str, Tensor], body: Body) -> Array:
    """-> the same of the annotated pose (B,9,3,3)."""
    pose = {name: targets[f"smpl.{name}"].double().cpu() for name in ("global_orient", "body_pose")}
    turned = matrices(pose)
    return _parts(turned["global_orient"], turned["body_pose"], body)


def _parts(root: Tensor, others: Tensor, body: Body) -> Array:
    count = len(root)
    both = [root.reshape(count, 1, 3, 3), others.reshape(count, -1, 3, 3)]
    relative = torch.cat([part.double().cpu() for part in both], dim=1).numpy()
    return score.global_rotations(relative, body.parents)[:, list(score.PARTS)]


def _posed(people: People) -> NDArray[np.bool_]:
    """-> whose pose is annotated (B,)."""
    names = ("smpl.global_orient", "smpl.body_pose")
    if any(name not in people.targets for name in names):
        return np.zeros(len(people), bool)
    both = [people.present[name].cpu().numpy().astype(bool) for name in names]
    return np.asarray(both[0] & both[1], bool)


def _nothing(count: int) -> dict[str, Array]:
    sizes = {
        "joint_errors_mm": (score.JOINTS,),
        "aligned_errors_mm": (score.JOINTS,),
        "part_angles_deg": (len(score.PARTS),),
        "turned_angles_deg": (len(score.PARTS),),
    }
    found = {name: np.full((count, *size), np.nan) for name, size in sizes.items()}
    return found | {name: np.full(count, np.nan) for name in FIGURES}


def _shares(found: Mapping[str, Array]) -> dict[str, Array]:
    """Errors (B,...) -> each person's share of the figures (B,), NaN for who does not count."""
    major = found["joint_errors_mm"][:, list(score.PCK_JOINTS)]
    counted = ~np.isnan(major).any(axis=1)
    hits = np.where(counted, (major <= score.PCK_MM).mean(axis=1) * 100.0, np.nan)
    return {
        "mpjpe": found["joint_errors_mm"].mean(axis=1),
        "pa_mpjpe": found["aligned_errors_mm"].mean(axis=1),
        "pck": hits,
        "auc": np.where(counted, score.person_auc(major), np.nan),
        "mpjae": found["part_angles_deg"].mean(axis=1),
        "pa_mpjae": found["turned_angles_deg"].mean(axis=1),
    }


def _metrics(found: Mapping[str, float], joints: int, angles: int) -> dict[str, Metric]:
    metrics = {}
    for name, (line, figure) in FIGURES.items():
        if line in found:
            people = angles if line.startswith("MPJAE") else joints
            metrics[name] = metric(figure, found[line], people)
    return metrics


def _curve(shares: Array) -> Curve:
    return Curve(
        title="Joints within a distance",
        x_label="mm",
        y_label="share",
        x=tuple(score.AUC_THRESHOLDS_MM.tolist()),
        lines={"12 joints": tuple(shares.tolist())},
    )


def _notes(
    measured: Measured, counted: NDArray[np.bool_], angled: NDArray[np.bool_]
) -> tuple[str, ...]:
    """-> what a reader has to know: who was left out, and what the leaderboard is about."""
    notes = []
    left_out = len(counted) - int(counted.sum())
    if left_out:
        notes.append(f"{left_out} people are not evaluated: without 2D pose, or without truth.")
    unread = angled & (measured.values["unread_rotations"] > 0)
    if unread.any():
        first = measured.keys[int(np.argmax(unread))]
        notes.append(
            f"{int(unread.sum())} people have rotations that are NaN or infinite, which the program "
            f"takes for right; first '{first}'."
        )
    if not measured.values["has_2d_pose"].all():
        notes.append(
            "The shards hold no 2D poses, so frames without one count; read 3DPW's own files."
        )
    tracks = {(entry.get("sequence"), entry.get("person")) for entry in measured.meta}
    if len(tracks) != TRACKS:
        notes.append(
            f"These are {len(tracks)} tracks; the leaderboard's figure is over the {TRACKS} of "
            "train, validation and test together."
        )
    if not angled.any():
        notes.append("No rotations are predicted: MPJAE and PA-MPJAE are left out.")
    return tuple(notes)
