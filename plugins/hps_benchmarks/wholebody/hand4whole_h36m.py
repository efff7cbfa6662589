"""Human3.6M as Hand4Whole means to: 14 of the 17 joints, regressed from the SMPL-X mesh, from the pelvis.

Its released evaluation (and OSX's copy) reads an output that its network never writes, so this is the
rule as it stands there, not one that was run.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.body.layer import Body
from hpscli.hooks import ProtocolSpec
from hpscli.metrics import errors
from hpscli.metrics.errors import require_finite
from hpscli.metrics.protocols import METRICS, MILLIMETRES
from hpscli.metrics.rules import Figure, Measured, People, Totals, mean_metrics
from hpscli.metrics.truth import Truth, check_protocol, predicted_points

Array = NDArray[np.float64]

PELVIS = 0
EVALUATED = (1, 2, 3, 4, 5, 6, 8, 10, 11, 12, 13, 14, 15, 16)  # without pelvis, torso and nose


def evaluated_joint_errors(predicted: Any, true: Any, known: Any = None) -> dict[str, Array]:
    """Joints (N,17,3) metres, which are known (N,17) -> {mpjpe, pa_mpjpe: (N,) mm}."""
    rows = list(EVALUATED)
    first, second = (np.asarray(side, np.float64) for side in (predicted, true))
    first, second = (side - side[:, [PELVIS]] for side in (first, second))
    mask = np.ones(second.shape[:2], bool) if known is None else np.asarray(known, bool)
    mask = mask[:, rows] & mask[:, [PELVIS]]
    first, second = first[:, rows], np.where(mask[..., None], second[:, rows], 0.0)
    return {
        "mpjpe": errors.mpjpe(first, second, mask) * MILLIMETRES,
        "pa_mpjpe": errors.pa_mpjpe(first, second, mask) * MILLIMETRES,
    }


class Hand4WholeRule:
    """Regressed joints against annotated ones."""

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        self.protocol, self.body = protocol, body
        self.truth = Truth(protocol, body)
        self.needs_mesh = True
        self.figures: Mapping[str, Figure] = {
            name: METRICS[name].figure for name in protocol.metrics
        }
        if protocol.joints_from == "mesh":
            body.mesh_joints.matrix("h36m17")  # without the regressor, say so before anything slow

    def measure(self, people: People) -> dict[str, Array]:
        """B people -> {metric: (B,) mm}."""
        predicted = predicted_points(self.protocol, self.body, people.prediction).joints
        require_finite("the prediction", predicted, people.keys)
        true = self.truth.points(people.targets, people.present, people.meta)
        return evaluated_joint_errors(predicted, true.joints, true.mask)

    def total(self, measured: Measured) -> Totals:
        """-> the mean of each metric."""
        return Totals(metrics=mean_metrics(measured.values, self.figures))
