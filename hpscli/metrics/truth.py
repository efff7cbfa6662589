"""What is true about the people of a batch: their parameters through the body, or annotated points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpscli.body.joints import conversion_index, convert, joint_set
from hpscli.body.layer import PARAMETERS, Body, BodyOutput, load_body, matrices
from hpscli.errors import InvalidData, UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.protocols import Points, metric_kind
from hpscli.metrics.tensor_points import TensorPoints
from hpscli.records import Prediction

GENDERS = ("male", "female")
OPTIONAL = ("expression", "jaw_pose", "leye_pose", "reye_pose")  # neutral where nobody says


@dataclass
class Truth:
    """Makes true points under one protocol; keeps the bodies it needs."""

    protocol: ProtocolSpec
    body: Body  # the neutral body of the evaluation
    bodies: dict[tuple[str, str], Body] = field(default_factory=dict)
    unknown_gender: str = "neutral"  # of the true body where nobody says whose it is

    @property
    def needs_mesh(self) -> bool:
        """-> whether any metric, or the joints themselves, come from vertices."""
        on_mesh = any(metric_kind(name).on_vertices for name in self.protocol.metrics)
        return on_mesh or not own_joints_suffice(self.protocol, self.body)

    @property
    def device(self) -> torch.device:
        """-> where people are posed."""
        return self.body.template.device

    def points(
        self,
        targets: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        meta: Sequence[Mapping[str, Any]],
    ) -> Points:
        """targets (B,...) of a batch -> joints (B,J,3), mask (B,J), vertices (B,V,3) or NaN."""
        return self.tensors(targets, present, meta).numpy()

    def tensors(
        self,
        targets: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        meta: Sequence[Mapping[str, Any]],
    ) -> TensorPoints:
        """As `points`, float64, on the device where people are posed."""
        count = len(meta)
        joints, mask = self._annotated_joints(targets, present, count)
        vertices = self._annotated_vertices(targets, present, count)
        posed = self._has_parameters(targets, present, count)
        kinds = self._bodies(targets, meta)
        for gender, age in dict.fromkeys(kinds):
            rows = np.flatnonzero(posed & np.array([kind == (gender, age) for kind in kinds]))
            if not len(rows):
                continue
            places = torch.from_numpy(rows).to(self.device)
            output, points = self._posed(targets, rows, gender, age)
            joints[places], mask[places] = points.double(), True
            if vertices is not None:
                vertices[places] = output.vertices.double()
        return TensorPoints(joints, vertices, mask)

    def _posed(
        self, targets: Mapping[str, Tensor], rows: NDArray[np.int64], gender: str, age: str
    ) -> tuple[BodyOutput, Tensor]:
        """-> the posed body of these rows, and its joints in the protocol's set."""
        body, wanted = self._body(gender, age), self.protocol.joints
        output = self._output(targets, rows, gender, age)
        with torch.no_grad():
            if own_joints_suffice(self.protocol, body):
                points, _ = convert(output.joints, body.joint_set, wanted)
            else:
                points = from_mesh(self.protocol, body, output.vertices, output.joints)
        return output, points

    def _output(
        self, targets: Mapping[str, Tensor], rows: NDArray[np.int64], gender: str, age: str
    ) -> BodyOutput:
        """-> the posed body of these rows."""
        body = self._body(gender, age)
        kind, index = self.protocol.body, torch.from_numpy(rows)
        device = body.get_buffer("v_template").device
        flat = {
            name.partition(".")[2]: values[index].to(device)
            for name, values in targets.items()
            if name.startswith(f"{kind}.") and not name.endswith(".transl")
        }
        weight = flat.pop("kid", None)
        if weight is not None and age == "kid":  # as AGORA: the last shape coefficient
            flat["betas"] = torch.cat([flat["betas"], weight], dim=1)
        with torch.no_grad():
            output: BodyOutput = body(matrices(flat))
        return output

    def _annotated_joints(
        self, targets: Mapping[str, Tensor], present: Mapping[str, Tensor], count: int
    ) -> tuple[Tensor, Tensor]:
        name = f"keypoints3d.{self.protocol.joints}"
        if name in targets:
            values = targets[name].double().to(self.device)
            known = (values[..., 3] > 0) & present[name].to(self.device)[:, None]
            return values[..., :3].clone(), known
        size = len(joint_set(self.protocol.joints).joints)
        joints = torch.zeros(count, size, 3, dtype=torch.float64, device=self.device)
        return joints, torch.zeros(count, size, dtype=torch.bool, device=self.device)

    def _annotated_vertices(
        self, targets: Mapping[str, Tensor], present: Mapping[str, Tensor], count: int
    ) -> Tensor | None:
        if not self.needs_mesh:
            return None
        shape = count, len(self.body.template), 3
        vertices = torch.full(shape, torch.nan, dtype=torch.float64, device=self.device)
        name = f"vertices.{self.protocol.body}"
        if name in targets:
            rows = present[name].to(self.device)
            vertices[rows] = targets[name].to(self.device).double()[rows]
        return vertices

    def _has_parameters(
        self, targets: Mapping[str, Tensor], present: Mapping[str, Tensor], count: int
    ) -> NDArray[np.bool_]:
        """-> who can be posed (B,); a batch has zeros, which are neutral, for OPTIONAL ones."""
        posed = np.ones(count, bool)
        for name in (*PARAMETERS[self.protocol.body], "betas"):
            full = f"{self.protocol.body}.{name}"
            if name in OPTIONAL:
                continue
            if full not in targets:
                return np.zeros(count, bool)
            posed &= present[full].cpu().numpy()
        return posed

    def _bodies(
        self, targets: Mapping[str, Tensor], meta: Sequence[Mapping[str, Any]]
    ) -> list[tuple[str, str]]:
        """-> gender and age of the true body of each person."""
        weight = targets.get(f"{self.protocol.body}.kid")
        kids = [False] * len(meta) if weight is None else (weight[:, 0] > 0).tolist()
        genders = self.genders(meta)
        return [
            (gender if gender in GENDERS else "neutral", "kid" if kid else "adult")
            for gender, kid in zip(genders, kids, strict=True)
        ]

    def genders(self, meta: Sequence[Mapping[str, Any]]) -> list[str]:
        """-> the gender of the true body of each person, by the protocol."""
        if self.protocol.gender == "neutral":
            return ["neutral"] * len(meta)
        said = [str(entry.get("gender", "")) for entry in meta]
        return [gender if gender in GENDERS else self.unknown_gender for gender in said]

    def body_of(self, gender: str) -> Body:
        """-> the body of this gender, of the same make as the evaluation's."""
        return self._body(gender, "adult")

    def meshes(
        self,
        targets: Mapping[str, Tensor],
        present: Mapping[str, Tensor],
        meta: Sequence[Mapping[str, Any]],
    ) -> tuple[Tensor, Tensor, NDArray[np.bool_]]:
        """targets (B,...) -> true vertices (B,V,3), the body's joints (B,J,3), who has them (B,).

        By the parameters, else annotated vertices with joints regressed from them; else NaN.
        """
        count, like = len(meta), self.body.get_buffer("v_template")
        vertices = like.new_full((count, len(like), 3), torch.nan)
        joints = like.new_full((count, len(joint_set(self.body.joint_set).joints), 3), torch.nan)
        known = self._has_parameters(targets, present, count)
        name = f"vertices.{self.protocol.body}"
        if name in targets:
            rows = present[name].to(like.device) & torch.from_numpy(~known).to(like.device)
            vertices[rows] = targets[name].to(like)[rows]
            joints[rows] = self.body.regress(vertices[rows], self.body.joint_set)
        kinds = self._bodies(targets, meta)
        for gender, age in dict.fromkeys(kinds):
            chosen = np.flatnonzero(known & np.array([kind == (gender, age) for kind in kinds]))
            if len(chosen):
                output = self._output(targets, chosen, gender, age)
                vertices[chosen], joints[chosen] = output.vertices, output.joints
        return vertices, joints, np.asarray(torch.isfinite(joints[:, 0, 0]).cpu().numpy(), bool)

    def _body(self, gender: str, age: str) -> Body:
        if (gender, age) == (self.body.gender, "adult"):
            return self.body
        if (gender, age) not in self.bodies:
            kind, source = self.protocol.body, self.body.source
            found = load_body(kind, gender=gender, age=age, source=source)
            self.bodies[gender, age] = found.to(self.body.get_buffer("v_template").device)
        return self.bodies[gender, age]


def own_joints_suffice(protocol: ProtocolSpec, body: Body) -> bool:
    """-> whether the joints of the skeleton are all that the protocol needs, without a mesh."""
    covered = (conversion_index(body.joint_set, protocol.joints) >= 0).all()
    return protocol.joints_from == "model" and bool(covered)


def from_mesh(protocol: ProtocolSpec, body: Body, vertices: Tensor, own: Tensor | None) -> Tensor:
    """vertices (B,V,3), the body's joints -> the protocol's joints (B,J,3).

    joints_from = "mesh" is the papers' rule for regressed joints: the skeleton has no say.
    """
    helped = own if protocol.joints_from == "model" else None
    return body.regress(vertices, protocol.joints, joints=helped)


def predicted_points(protocol: ProtocolSpec, body: Body, prediction: Prediction) -> Points:
    """A complete prediction -> the protocol's points, made as the true ones are."""
    return predicted_tensors(protocol, body, prediction).numpy()


def predicted_tensors(protocol: ProtocolSpec, body: Body, prediction: Prediction) -> TensorPoints:
    """As `predicted_points`, on the device of the prediction."""
    wanted, vertices = protocol.joints, prediction.vertices
    own = prediction.joints.get(body.joint_set)
    if protocol.joints_from == "model" and wanted in prediction.joints:
        joints = prediction.joints[wanted]
    elif own is not None and own_joints_suffice(protocol, body):
        joints, _ = convert(own, body.joint_set, wanted)
    elif vertices is not None:
        joints = from_mesh(protocol, body, vertices, own)
    else:
        raise InvalidData(f"the model gives no joints for protocol '{protocol.name}'.")
    return TensorPoints(joints, vertices)


def check_protocol(protocol: ProtocolSpec, body: Body) -> None:
    """Raise where protocol and body cannot meet, before anything slow starts."""
    if protocol.body != body.kind:
        raise UsageError(
            f"protocol '{protocol.name}' is for {protocol.body}, this model predicts {body.kind}.",
            "See: hps protocols list",
        )
    for name in protocol.metrics:
        metric_kind(name)
