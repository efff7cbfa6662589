"""The rule of protocols that say everything in their fields: joints, root, metrics, gender."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hpscli.body.layer import Body
from hpscli.hooks import ProtocolSpec
from hpscli.metrics import tensor_points, tensors
from hpscli.metrics.errors import distances, require_finite
from hpscli.metrics.protocols import (
    METRICS,
    MILLIMETRES,
    Points,
    measure,
    root_centred,
    root_indices,
)
from hpscli.metrics.rules import Figure, Measured, People, Totals, mean_metrics
from hpscli.metrics.tensor_points import TensorPoints
from hpscli.metrics.truth import Truth, check_protocol, predicted_tensors

Array = NDArray[np.float64]


class JointRule:
    """Joints and mesh against the truth, mean over people of each person's mean."""

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        self.protocol, self.body = protocol, body
        self.truth = Truth(protocol, body)
        self.needs_mesh = self.truth.needs_mesh
        self.figures: Mapping[str, Figure] = {
            name: METRICS[name].figure for name in protocol.metrics
        }

    def measure(self, people: People) -> dict[str, Array]:
        """B people -> {metric: (B,)}, joint_errors_mm (B,J); on a GPU if they are there."""
        points = predicted_tensors(self.protocol, self.body, people.prediction)
        if tensors.stay_there(points.joints):
            return self.measure_tensors(people, points)
        return self.measure_arrays(people, points.numpy())

    def measure_arrays(self, people: People, points: Points) -> dict[str, Array]:
        """People and their predicted points -> as `measure`, by NumPy."""
        require_finite("the prediction", points.joints, people.keys)
        if points.vertices is not None:
            require_finite("the predicted mesh", points.vertices, people.keys)
        true = self.truth.points(people.targets, people.present, people.meta)
        return {
            **measure(self.protocol, points, true),
            "joint_errors_mm": joint_distances_mm(self.protocol, points, true),
        }

    def measure_tensors(self, people: People, points: TensorPoints) -> dict[str, Array]:
        """As `measure_arrays`, where the points lie; only the errors come back from there."""
        tensors.require_finite("the prediction", points.joints, people.keys)
        if points.vertices is not None:
            tensors.require_finite("the predicted mesh", points.vertices, people.keys)
        true = self.truth.tensors(people.targets, people.present, people.meta)
        found = {
            **tensor_points.measure(self.protocol, points, true),
            "joint_errors_mm": tensor_points.joint_distances_mm(self.protocol, points, true),
        }
        return {name: values.cpu().numpy() for name, values in found.items()}

    def total(self, measured: Measured) -> Totals:
        """-> the mean of each metric."""
        return Totals(metrics=mean_metrics(measured.values, self.figures))


def joint_distances_mm(protocol: ProtocolSpec, prediction: Points, truth: Points) -> Array:
    """Predicted and true points of N people -> (N,J) mm without alignment, NaN where unknown."""
    roots = root_indices(protocol)
    first = root_centred(prediction.joints, prediction.joints, roots)
    second = root_centred(truth.joints, truth.joints, roots)
    known = np.ones(second.shape[:2], bool) if truth.mask is None else truth.mask
    known = known & known[:, roots].all(axis=1, keepdims=True)
    return np.where(known, distances(first, second) * MILLIMETRES, np.nan)
