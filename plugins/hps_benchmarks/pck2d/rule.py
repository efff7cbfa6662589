"""The share of 2D joints near the truth, as HMR 2.0 evaluates COCO, LSP Extended and PoseTrack."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from hps_benchmarks.pck2d.joints import NAMES, SET, among_44
from hpscli.body.cameras import project_perspective, project_weak
from hpscli.body.layer import Body
from hpscli.data.crops import from_crop_units, invert, move_points
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.errors import require_finite
from hpscli.metrics.keypoints2d import THRESHOLDS, average, hits, shares, weighted_squares
from hpscli.metrics.rules import Figure, Measured, People, Table, Totals, metric
from hpscli.metrics.truth import check_protocol, own_joints_suffice, predicted_points
from hpscli.records import Sample

Array = NDArray[np.float64]

FIGURES = {
    0.05: (
        "pck_005",
        Figure(
            label="PCK@0.05",
            meaning="share of labelled 2D joints nearer than 5 % of the person's box, "
            "mean over joints",
            unit="",
            smaller_is_better=False,
        ),
    ),
    0.1: (
        "pck_01",
        Figure(
            label="PCK@0.1",
            meaning="the same at 10 %",
            unit="",
            smaller_is_better=False,
        ),
    ),
}
KPL2 = Figure(
    label="mode_kpl2",
    meaning="mean over 44 joints of confidence times squared distance in crop widths",
    unit="",
)
CROP = (
    256 / 192
)  # HMR 2.0 widens boxes until a picture of 192 x 256 fits, and takes the longer side
GIVEN = "joints2d."


class Pck2dRule:
    """Projected joints, or joints in pixels of a file, against labels, in sizes of the person's box.

    Option `focal_px`: of the camera that projects, in crop pixels; 0: weak perspective.
    """

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        self.protocol, self.body = protocol, body
        self.needs_mesh = not own_joints_suffice(protocol, body)
        self.focal_px = float(protocol.options.get("focal_px", 0.0))
        self.figures: Mapping[str, Figure] = {
            **{FIGURES[threshold][0]: FIGURES[threshold][1] for threshold in THRESHOLDS},
            "mode_kpl2": KPL2,
        }

    def measure(self, people: People) -> dict[str, Array]:
        """B people -> shares (B,), `hits_NAME` (B,44) 0 or 1, NaN where nothing is labelled."""
        labels = [among_44(sample.arrays, "keypoints2d.") for sample in people.samples]
        nothing = np.full((len(NAMES), 3), np.nan)
        truth = np.stack([nothing if found is None else found for found in labels])
        confidence = np.nan_to_num(truth[..., 2])
        predicted = self._predicted(people)
        sizes = np.array([box_sides(sample) for sample in people.samples])
        wanted = confidence > 0
        require_finite("the prediction", np.where(wanted[..., None], predicted, 0.0), people.keys)
        place = np.where(wanted[..., None], truth[..., :2], 0.0)
        guess = np.where(wanted[..., None], predicted, 0.0)
        person, crop = sizes[:, 0, None, None], sizes[:, 1, None, None]
        squares = weighted_squares(guess / crop, place / crop, confidence)
        known = wanted.any(axis=1)
        found: dict[str, Array] = {"mode_kpl2": np.where(known, squares, np.nan)}
        for threshold in THRESHOLDS:
            name = FIGURES[threshold][0]
            near = hits(guess / person, place / person, confidence, threshold)
            found[f"hits_{name}"] = near
            found[name] = _means(near)
        return found

    def total(self, measured: Measured) -> Totals:
        """-> the mean over joints of each joint's share, and the joints."""
        kpl2 = measured.values["mode_kpl2"]
        known = np.isfinite(kpl2)
        if not known.any():
            return Totals(metrics={})
        metrics, columns, lines = {}, [], []
        for threshold in THRESHOLDS:
            name, figure = FIGURES[threshold]
            per_joint = shares(measured.values[f"hits_{name}"])
            mean = average(per_joint)
            metrics[name] = metric(figure, mean, int(known.sum()))
            columns.append(per_joint)
            lines += [
                f"kp{joint}_pck_{threshold}: {value}\n"
                for joint, value in enumerate(per_joint.tolist())
                if np.isfinite(value)
            ]
            lines.append(f"kpAvg_pck_{threshold}: {mean}\n")
        metrics["mode_kpl2"] = metric(KPL2, float(kpl2[known].mean()), int(known.sum()))
        lines.append(f"mode_kpl2: {metrics['mode_kpl2'].value} \n")
        seen = [joint for joint in range(len(NAMES)) if np.isfinite(columns[0][joint])]
        rows = tuple((NAMES[j], *(float(column[j]) for column in columns)) for j in seen)
        labels = tuple(FIGURES[threshold][1].label for threshold in THRESHOLDS)
        return Totals(
            metrics=metrics,
            tables={"joints": Table(title="Joints", columns=("joint", *labels), rows=rows)},
            official_text="".join(lines),
        )

    def _predicted(self, people: People) -> Array:
        """-> 44 joints of every person (B,44,2) px of the original picture."""
        given = {
            name: values.double().cpu().numpy()
            for name, values in people.prediction.extras.items()
            if name.startswith(GIVEN)
        }
        if given:
            rows = [
                among_44({n: v[row] for n, v in given.items()}, GIVEN) for row in range(len(people))
            ]
            placed = [row for row in rows if row is not None]
            if len(placed) == len(people):
                return np.stack(placed)
            raise InvalidData(
                f"2D joints of {', '.join(given)} are not understood.",
                f"Give joints2d.{SET}, joints2d.coco17 or joints2d.lsp14, px of the picture.",
            )
        if people.crop_size is None or not torch.isfinite(people.prediction.camera).all():
            raise InvalidData(
                "the file has neither 2D joints nor a camera that was seen with its crop.",
                f"Give joints2d.{SET} (N,44,2), px of the picture; or measure a checkpoint.",
            )
        points = predicted_points(self.protocol, self.body, people.prediction).joints
        joints, camera = torch.from_numpy(points), people.prediction.camera.double().cpu()
        height, width = people.crop_size
        if self.focal_px:
            middle = np.array([width / 2.0, height / 2.0])
            inside = project_perspective(joints, camera, self.focal_px, width).numpy() + middle
        else:
            units = project_weak(joints, camera, people.crop_size).numpy()
            inside = from_crop_units(units, people.crop_size)
        return np.asarray(move_points(inside, invert(people.affine.double().cpu().numpy())))


def box_sides(sample: Sample) -> tuple[float, float]:
    """-> px: the longer side of the person's box, and of the window that HMR 2.0 cuts around it."""
    size = float(np.asarray(sample.arrays["box.size"]).ravel()[0])
    if "box.xywh" in sample.arrays:
        width, height = (float(side) for side in sample.arrays["box.xywh"][2:4])
        return size, max(height, width * CROP)
    return size, size * CROP


def _means(near: Array) -> Array:
    """hits (B,44), NaN where unseen -> share of each person (B,), NaN without any."""
    seen = ~np.isnan(near)
    count = seen.sum(axis=1)
    total = np.where(seen, near, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
