"""The course project's score as a protocol."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.course import score
from hpscli.body.joints import joint_set
from hpscli.body.layer import Body
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.errors import pa_mpjpe, require_finite
from hpscli.metrics.rules import Figure, Measured, People, Table, Totals, mean_metrics
from hpscli.metrics.truth import Truth, check_protocol, own_joints_suffice, predicted_points

Array = NDArray[np.float64]

NAMES = joint_set("spin49").joints[score.FIRST :]
COORDINATES = Figure(
    label="public score",
    meaning="mean absolute difference of a coordinate of 24 joints, which the scorer calls MPJPE",
)
DISTANCES = Figure(label="MPJPE", meaning="mean distance of the same joints, nothing moved")
ALIGNED = Figure(
    label="PA-MPJPE", meaning="mean distance of the same joints after a similarity transform"
)


class CourseRule:
    """24 of SPIN's 49 joints where the body stands in the camera, nothing moved.

    Option `formula`: "coordinates" (the public scorer's, with the true MPJPE beside it) or
    "distances".
    """

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        self.protocol, self.body = protocol, body
        self.truth = Truth(protocol, body)
        self.needs_mesh = not own_joints_suffice(protocol, body)
        public = protocol.options.get("formula", "coordinates") == "coordinates"
        figures = {"mpjpe": DISTANCES, "pa_mpjpe": ALIGNED}
        self.figures: Mapping[str, Figure] = (
            {"public_score": COORDINATES, **figures} if public else figures
        )

    def measure(self, people: People) -> dict[str, Array]:
        """B people -> shares (B,) of the figures, joint_errors_mm (B,24); NaN without truth."""
        joints = predicted_points(self.protocol, self.body, people.prediction).joints
        require_finite("the prediction", joints, people.keys)
        true = self.truth.points(people.targets, people.present, people.meta)
        known = np.ones(len(people), bool)
        if true.mask is not None:
            known = np.asarray(true.mask[:, score.FIRST :].all(axis=1), bool)
        first, second = joints[known], true.joints[known]
        errors = np.full((len(people), len(NAMES)), np.nan)
        errors[known] = score.distances_mm(first, second)
        found = {name: np.full(len(people), np.nan) for name in ("public_score", "pa_mpjpe")}
        found["public_score"][known] = score.coordinate_errors_mm(first, second)
        aligned = pa_mpjpe(first[:, score.FIRST :], second[:, score.FIRST :])
        found["pa_mpjpe"][known] = aligned * score.MM_PER_M
        return {"joint_errors_mm": errors, "mpjpe": errors.mean(axis=1), **found}

    def total(self, measured: Measured) -> Totals:
        """-> the means, and the line that the public scorer prints."""
        metrics = mean_metrics(measured.values, self.figures)
        if not metrics:
            return Totals(metrics={})
        errors = measured.values["joint_errors_mm"]
        means = errors[np.isfinite(errors).all(axis=1)].mean(axis=0).tolist()
        text = ""
        if "public_score" in metrics:
            text = f"MPJPE: {metrics['public_score'].value} mm\n"
        rows = tuple(zip(NAMES, means, strict=True))
        table = Table(title="Joints", columns=("joint", "MPJPE"), rows=rows, unit="mm")
        return Totals(metrics=metrics, tables={"joints": table}, official_text=text)
