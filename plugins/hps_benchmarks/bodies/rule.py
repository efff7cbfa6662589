"""The rule of the papers' own evaluations: one, with the options that tell them from each other."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hps_benchmarks.bodies import joints as sets
from hps_benchmarks.bodies import score
from hps_benchmarks.bodies.options import BodyOptions
from hps_benchmarks.bodies.truth import True3D, predicted_joints, true_people
from hpscli.body.layer import Body
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics import tensors
from hpscli.metrics.errors import require_finite
from hpscli.metrics.protocols import METRICS
from hpscli.metrics.results.breakdown import breakdown, joint_table
from hpscli.metrics.rules import Figure, Measured, People, Totals, metric
from hpscli.metrics.sequences import acceleration_errors
from hpscli.metrics.truth import Truth, check_protocol

Array = NDArray[np.float64]

MESH = ("pve", "pa_pve")
IN_MOTION = ("predicted_joints", "true_joints")  # kept where accelerations are asked for
ACCELERATION = Figure(
    label="ACCEL",
    meaning="mean difference of the joints' accelerations over neighbouring frames, mm per frame^2",
)


class BodyRule:
    """14 or 17 joints regressed from the predicted mesh, and the mesh, against the truth."""

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        self.protocol, self.body = protocol, body
        self.options = BodyOptions.of(protocol.options)
        self.truth = Truth(protocol, body, unknown_gender=self.options.unknown_gender)
        self.needs_mesh = True
        self.figures: Mapping[str, Figure] = {
            name: METRICS[name].figure for name in protocol.metrics
        }
        if self.options.in_motion:
            self.figures = {**self.figures, "accel": ACCELERATION}

    def measure(self, people: People) -> dict[str, Array]:
        """B people -> shares (B,) of the figures, joint_errors_mm (B,J), NaN without truth."""
        name = self.protocol.joints
        points = predicted_joints(self.body, people, name)
        require_finite("the prediction", points, people.keys)
        true = true_people(self.options, self.truth, people, name)
        values = self._joint_values(points, true)
        if any(figure in MESH for figure in self.figures):
            values |= self._mesh_values(people, points, true)
        return values

    def _joint_values(self, points: Array, true: True3D) -> dict[str, Array]:
        whole = self._nobody(len(points))
        for rows, truth in true.groups:
            predicted = score.Joints(points[rows], self.protocol.joints)
            found = score.joint_values(self.options, predicted, truth)
            for name in whole:
                whole[name][rows] = found[name]
        if self.options.average == "batches":  # METRO aligns those without truth, too
            rest = np.isnan(whole["mpjpe"])
            unknown = score.Joints(
                points[rest],
                self.protocol.joints,
                np.zeros((int(rest.sum()), points.shape[1]), bool),
            )
            measured = score.joint_values(self.options, unknown, unknown)
            whole["shapeless"][rest] = measured["shapeless"]
        return whole

    def _nobody(self, count: int) -> dict[str, Array]:
        """-> NaN for everything that is measured of joints."""
        kinds = ("mpjpe", "pck", "auc")
        names = [f"{b}{kind}" for b in ("", "pa_") for kind in kinds] + ["n_mpjpe", "st_mpjpe"]
        whole = {name: np.full(count, np.nan) for name in names}
        if self.options.in_motion:
            whole |= {name: np.full((count, self.options.count, 3), np.nan) for name in IN_MOTION}
        for name in ("joint_errors_mm", "aligned_errors_mm"):
            whole[name] = np.full((count, self.options.count), np.nan)
        return {**whole, "shapeless": np.zeros(count), "pa_of_all": np.zeros(count)}

    def _mesh_values(self, people: People, points: Array, true: True3D) -> dict[str, Array]:
        vertices = self._predicted_mesh(people)
        if vertices is None:
            return {name: np.full(len(people), np.nan) for name in MESH}
        tensors.require_finite("the predicted mesh", vertices, people.keys)
        truth = true.vertices.double()
        if self.options.centred_mesh:
            pelvis = score.pelvis(score.Joints(points, self.protocol.joints))
            vertices = vertices - torch.from_numpy(pelvis).to(vertices.device)
            truth = truth - true.pelvis.double()
        if tensors.stay_there(vertices):
            return score.mesh_values_there(vertices, truth, true.has_mesh)
        return score.mesh_values(vertices.numpy(), truth.numpy(), true.has_mesh)

    def _predicted_mesh(self, people: People) -> Tensor | None:
        """-> the predicted vertices (B,V,3), float64, posed with the true gender if the rule says so."""
        prediction = people.prediction
        if not self.options.reposed:
            found = prediction.vertices
            return None if found is None else found.double()
        if "body_pose" not in prediction.parameters:
            return None
        genders = np.array(self.truth.genders(people.meta))
        given = {name: value.float() for name, value in prediction.parameters.items()}
        device = given["body_pose"].device
        size = len(people), len(self.body.template), 3
        whole = torch.zeros(size, dtype=torch.float64, device=device)
        for gender in np.unique(genders).tolist():
            rows = np.flatnonzero(genders == gender)
            chosen = torch.from_numpy(rows).to(device)
            with torch.no_grad():
                posed = self.truth.body_of(gender)({n: v[chosen] for n, v in given.items()})
            whole[chosen] = posed.vertices.double()
        return whole

    def total(self, measured: Measured) -> Totals:
        """-> the figures; what the official code has no value for is left out and said."""
        found, notes, values = {}, [], dict(measured.values)
        if self.options.in_motion and measured.keys:
            values["accel"] = self._accelerations(measured)
        for name, figure in self.figures.items():
            known = int((~np.isnan(values[name])).sum()) if measured.keys else 0
            value = score.set_value(self.options, name, values) if known else np.nan
            if np.isfinite(value):
                found[name] = metric(figure, value, known)
        shapeless = values.get("shapeless", np.zeros(0))
        single = [key for key, is_one in zip(measured.keys, shapeless, strict=True) if is_one]
        if single and self.options.strict:
            notes.append(self._undefined(single))
        if not found and single:
            raise InvalidData(notes[0], f"Measure by: --protocol {self.protocol.beside}")
        shown = tuple(name for name in ("mpjpe", "pa_mpjpe", "pve") if name in found)
        return Totals(
            metrics=found,
            errors={"accel": values["accel"]} if "accel" in found else {},
            tables={
                **joint_table(sets.names(self.options.count), measured.values),
                **breakdown(measured, {name: self.figures[name] for name in shown}),
            },
            notes=tuple(notes),
        )

    def _accelerations(self, measured: Measured) -> Array:
        """-> mm per frame squared at each frame that has both neighbours (N,)."""
        predicted, truth = (measured.values[name] for name in IN_MOTION)
        finite = np.isfinite(predicted) & np.isfinite(truth)
        known = np.asarray(finite.all(axis=2), bool)
        first, second = (np.nan_to_num(points, nan=0.0) for points in (predicted, truth))
        return acceleration_errors(first, second, known, measured.meta) * score.MM_PER_M

    def _undefined(self, keys: list[str]) -> str:
        return (
            f"The prediction of {len(keys)} people is a single point, first '{keys[0]}': aligned "
            f"figures divide 0 by 0 in the official code and have no value. "
            f"{self.protocol.beside} defines one."
        )
