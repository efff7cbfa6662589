"""3DPW as SMPLer-X measures it: a predicted SMPL-X mesh against a true SMPL mesh, by 14 shared joints."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.wholebody.figures import UNDEFINED, refuse_undefined
from hps_benchmarks.wholebody.mesh_truth import MeshTruth
from hps_benchmarks.wholebody.part_errors import Align, mean_distance
from hps_benchmarks.wholebody.rule import predicted_mesh
from hps_benchmarks.wholebody.similarity import onto, onto_or_middle
from hpscli.body.layer import Body, load_body
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import Figure, Measured, People, Totals, mean_metrics
from hpscli.metrics.truth import check_protocol

Array = np.ndarray[Any, np.dtype[Any]]

PELVIS = 0
# Rows of both bodies' joint regressors: hips, knees, ankles, neck, head, shoulders, elbows, wrists.
SHARED_ROWS = (1, 2, 4, 5, 7, 8, 12, 15, 16, 17, 18, 19, 20, 21)
FIGURES = {
    "mpjpe_body": Figure(label="MPJPE body", meaning="mean distance of 14 joints, from the pelvis"),
    "pa_mpjpe_body": Figure(
        label="PA-MPJPE body", meaning="the same after each person's best similarity transform"
    ),
}


def shared_joint_errors(
    predicted: Array, true: Array, smplx_rows: Array, smpl_rows: Array, *, align: Align = onto
) -> dict[str, Array]:
    """SMPL-X (N,10475,3), SMPL (N,6890,3), regressors (55,V), (24,V) -> {figure: (N,) mm}."""
    rows = list(SHARED_ROWS)
    own, truth = np.matmul(smplx_rows, predicted), np.matmul(smpl_rows, true)
    # The mesh is moved and then regressed, as official: rounding differs otherwise.
    moved = predicted - own[:, [PELVIS]] + truth[:, [PELVIS]]
    rooted = np.matmul(smplx_rows, moved)
    first, second = own[:, rows], truth[:, rows]
    return {
        "mpjpe_body": mean_distance(rooted[:, rows], second),
        "pa_mpjpe_body": mean_distance(align(first, second), second),
    }


class SharedJointsRule:
    """Options: `corrected`: float64, and a mesh without extent has a number."""

    needs_mesh = True
    figures = FIGURES

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        self.protocol, self.body = protocol, body
        self.corrected = bool(protocol.options.get("corrected", False))
        device = body.get_buffer("v_template").device
        source = body.source if body.source in ("free", "imported") else ""
        self.smpl = load_body("smpl", source=source).to(device)
        about = replace(protocol, body="smpl", joints="smpl24")
        self.truth = MeshTruth(about, self.smpl)

    def measure(self, people: People) -> dict[str, NDArray[np.float64]]:
        """B people -> {figure: (B,) mm}."""
        kind = np.float64 if self.corrected else np.float32
        predicted = predicted_mesh(people).astype(kind)
        true = self.truth.points(people.targets, people.present, people.meta).vertices
        if true is None:
            raise InvalidData(f"protocol '{self.protocol.name}' has no true meshes.")
        rows = np.isfinite(true).all(axis=(1, 2))
        found = shared_joint_errors(
            predicted[rows],
            true[rows].astype(kind),
            self.body.get_buffer("J_regressor").cpu().numpy(),
            self.smpl.get_buffer("J_regressor").cpu().numpy(),
            align=onto_or_middle if self.corrected else onto,
        )
        values = {name: np.full(len(people), np.nan) for name in found}
        undefined = np.zeros(len(people))
        for name, numbers in found.items():
            values[name][rows] = numbers
            undefined[rows] += np.isnan(numbers)
        return {**values, UNDEFINED: undefined}

    def total(self, measured: Measured) -> Totals:
        """-> the mean of each figure."""
        if not self.corrected:
            refuse_undefined(self.protocol, measured, measured.values)
        return Totals(metrics=mean_metrics(measured.values, FIGURES))
