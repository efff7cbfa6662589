"""Whole-body meshes by parts, as OSX, Hand4Whole and SMPLer-X measure EHF and AGORA's validation people."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from hps_benchmarks.wholebody.figures import UNDEFINED, figures_of, refuse_undefined
from hps_benchmarks.wholebody.mesh_truth import MeshTruth
from hps_benchmarks.wholebody.part_errors import Seen, joint_errors, vertex_errors
from hps_benchmarks.wholebody.parts import NOTE, parts_of
from hps_benchmarks.wholebody.similarity import onto, onto_or_middle
from hpscli.body.layer import Body
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.errors import require_finite
from hpscli.metrics.rules import Figure, Measured, People, Totals, mean_metrics
from hpscli.metrics.truth import check_protocol

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MESH_IN_FILE = "mesh_gt_path"  # OSX's word, in the metadata of its own lists


class PartsRule:
    """Options: `joints` too, `sides` each hand too, `corrected`: float64, and no mesh without a number.

    `turn`: axis-angle, world -> camera, of meshes that a list of OSX names and does not turn.
    """

    needs_mesh = True

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        options = protocol.options
        self.protocol, self.body = protocol, body
        self.joints = bool(options.get("joints", False))
        self.corrected = bool(options.get("corrected", False))
        self.parts = parts_of(body, joints=self.joints)
        self.turn = tuple(float(number) for number in options.get("turn", ()))
        self.truth = MeshTruth(protocol, body)
        self.figures: Mapping[str, Figure] = figures_of(
            joints=self.joints, sides=bool(options.get("sides", False))
        )

    def measure(self, people: People) -> dict[str, Array]:
        """B people -> {figure: (B,) mm}, and how many of these official code has no number for."""
        predicted = predicted_mesh(people)
        true, seen = self.true_mesh(people)
        rows = np.isfinite(true).all(axis=(1, 2))
        if seen is None:
            known = None
        else:
            known = Seen(**{name: mask[rows] for name, mask in vars(seen).items()})
        measured = self._errors(predicted[rows], true[rows], known)
        values = {name: np.full(len(people), np.nan) for name in measured}
        for name, numbers in measured.items():
            values[name][rows] = numbers
        undefined = np.zeros(len(people))
        undefined[rows] = sum(
            np.isnan(measured[name]) & _counted(name, int(rows.sum()), known, self.parts)
            for name in self.figures
        )
        return {**values, UNDEFINED: undefined}

    def total(self, measured: Measured) -> Totals:
        """-> the mean of each figure over the people that have it."""
        if not self.corrected:
            refuse_undefined(self.protocol, measured, measured.values)
        notes = (NOTE,) if self.body.source == "free" else ()
        return Totals(metrics=mean_metrics(measured.values, self.figures), notes=notes)

    def true_mesh(self, people: People) -> tuple[Array, Seen | None]:
        """B people -> true meshes (B,V,3), NaN where there is none; which points count, if not all."""
        points = self.truth.points(people.targets, people.present, people.meta)
        if points.vertices is None:
            raise InvalidData(f"protocol '{self.protocol.name}' has no true meshes.")
        return self._turned(points.vertices, people), None

    def _turned(self, meshes: Array, people: People) -> Array:
        """True meshes -> in the camera: OSX's own list keeps them as their files have them."""
        rows = [MESH_IN_FILE in dict(entry.get("osx") or {}) for entry in people.meta]
        if not self.turn or not any(rows):
            return meshes
        rotation = axis_angle_to_matrix(torch.tensor(self.turn, dtype=torch.float64)).numpy()
        meshes[rows] = meshes[rows] @ rotation.T
        return meshes

    def _errors(self, predicted: Array, true: Array, seen: Seen | None) -> dict[str, Array]:
        """Meshes -> errors, in float32 as official programs take them from the network, else float64."""
        kind = np.float64 if self.corrected else np.float32
        align = onto_or_middle if self.corrected else onto
        meshes = predicted.astype(kind), true.astype(kind)
        found = vertex_errors(*meshes, self.parts, seen=seen, align=align)
        if self.joints:
            found |= joint_errors(*meshes, self.parts, seen=seen, align=align)
        return found


def predicted_mesh(people: People) -> Array:
    """B people -> what was predicted (B,V,3) float64, all of it finite."""
    if people.prediction.vertices is None:
        raise InvalidData("the prediction has no mesh.")
    mesh = people.prediction.vertices.double().cpu().numpy()
    require_finite("the predicted mesh", mesh, people.keys)
    return np.asarray(mesh, np.float64)


def _counted(figure: str, count: int, seen: Seen | None, parts: object) -> Mask:
    """-> of whom official code takes this figure (B,): hands and faces outside the picture are left out."""
    part = figure.partition("pe_")[2]
    if seen is None or part in ("all", "body"):
        return np.ones(count, bool)
    counted = np.zeros(count, bool)
    for side in ("left_hand", "right_hand") if part == "hands" else (part,):
        shown = getattr(seen, side) if "mpjpe" in figure else seen.vertices[:, getattr(parts, side)]
        counted |= shown.any(axis=1)
    return counted
