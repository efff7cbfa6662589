"""Predictions as AGORA sees them: people in pictures, by file name, with joints in 4K pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hps_benchmarks.agora.posing import JOINTS, Bodies, bodies_like, pose_people
from hps_benchmarks.agora.submission.naming import file_names, picture_stem, to_4k
from hps_benchmarks.agora.submission.people import MATCHED
from hpscli.body.cameras import project_weak
from hpscli.body.joints import joint_set
from hpscli.body.layer import Body, complete
from hpscli.errors import InvalidData
from hpscli.records import Prediction, PredictionSet

Array = NDArray[Any]

PROJECTED = {"smpl": "smpl24", "smplx": "smplx144"}  # that a file's `joints` holds; SMPL-X as OSX
CHUNK = 64  # people that are posed at once


@dataclass(frozen=True)
class Detections:
    """P predicted people: names of files, pictures, joints (P,J,2) px in 4K; `given` has the rest."""

    files: tuple[str, ...]
    stems: tuple[str, ...]
    joints2d: Array
    given: PredictionSet
    from_files: bool  # of a submission, else of a model

    def __len__(self) -> int:
        return len(self.files)


def detections_of(predictions: PredictionSet, body: Body) -> Detections:
    """Predictions of a model or of a submission -> people in pictures.

    Who was predicted on the box of somebody invalid is left out: nobody would look there.
    """
    wanted = [row for row, entry in enumerate(predictions.meta) if entry.get("is_valid", True)]
    if len(predictions.meta) != len(predictions) or not all(
        "image_path" in predictions.meta[row] for row in wanted
    ):
        raise InvalidData(
            "nothing says in which picture each prediction is.",
            "AGORA matches people in pictures: each needs image_path in its meta, as people have "
            "that `hps prepare agora` makes.",
        )
    if len(wanted) < len(predictions):
        predictions = taken(predictions, wanted)
    stems = tuple(picture_stem(str(entry["image_path"])) for entry in predictions.meta)
    if MATCHED in predictions.arrays:
        files = tuple(str(entry["file"]) for entry in predictions.meta)
        return Detections(files, stems, predictions.arrays[MATCHED], predictions, True)
    parts = [
        projected(predictions, body, range(start, min(start + CHUNK, len(predictions))))
        for start in range(0, len(predictions), CHUNK)
    ]
    points = np.concatenate(parts) if parts else np.zeros((0, len(joint_set(body.joint_set)), 2))
    return Detections(
        tuple(file_names(stems)), stems, points.astype(np.float32), predictions, False
    )


def taken(predictions: PredictionSet, rows: Sequence[int]) -> PredictionSet:
    """-> some of the predictions, in this order."""
    chosen = list(rows)
    return replace(
        predictions,
        keys=tuple(predictions.keys[row] for row in chosen) if predictions.keys else (),
        arrays={name: values[chosen] for name, values in predictions.arrays.items()},
        meta=tuple(predictions.meta[row] for row in chosen) if predictions.meta else (),
    )


def projected(predictions: PredictionSet, body: Body, rows: Sequence[int]) -> Array:
    """-> joints (n,J,2) px of the 4K pictures, of some people that a model predicted."""
    arrays, name = predictions.arrays, PROJECTED[body.kind]
    chosen = list(rows)
    if (given := f"joints2d.{name}") in arrays:
        shown = np.asarray(arrays[given][chosen], np.float64)
    else:
        needed = ("camera", "affine", "crop_size_px")
        if missing := [key for key in needed if key not in arrays]:
            raise InvalidData(
                f"the predictions have neither {given} nor {', '.join(missing)}.",
                "People are matched in the picture: predict with hps, or store joints in pixels.",
            )
        whole = completed(predictions, body, chosen)
        sizes = np.asarray(arrays["crop_size_px"][chosen], np.float64)  # height, width
        camera = torch.from_numpy(np.asarray(arrays["camera"][chosen], np.float64))
        flat = project_weak(
            whole.joints[name].double().cpu(), camera, (int(sizes[0, 0]), int(sizes[0, 1]))
        ).numpy()
        cropped = (flat + 1) / 2 * sizes[:, None, ::-1]
        shown = uncropped(cropped, np.asarray(arrays["affine"][chosen], np.float64))
    return np.stack([to_4k(shown[i], predictions.meta[row]) for i, row in enumerate(chosen)])


def uncropped(points: Array, affines: Array) -> Array:
    """points (n,J,2) px of crops, affines (n,2,3) picture -> crop -> px of the pictures (n,J,2)."""
    back = np.linalg.inv(affines[:, :, :2])
    return np.asarray(np.einsum("nij,nkj->nki", back, points - affines[:, None, :, 2]))


def completed(predictions: PredictionSet, body: Body, rows: Sequence[int]) -> Prediction:
    """-> some people with mesh, and the joints that AGORA's files hold."""
    named: dict[str, Tensor] = {}
    for name, values in predictions.arrays.items():
        if name in ("camera", "vertices") or name.startswith(("joints.", "parameters.")):
            rowed = torch.from_numpy(np.array(values[list(rows)], np.float32))
            named[name] = rowed.to(body.template.device)
    named.setdefault("camera", torch.full((len(rows), 3), torch.nan))
    sets = (PROJECTED[body.kind], JOINTS[body.kind])
    with torch.no_grad():
        return complete(Prediction.from_named_tensors(named), body, vertices=True, joint_sets=sets)


@dataclass
class Meshes:
    """Joints and vertices of predicted people, made when they are asked for."""

    detections: Detections
    body: Body
    bodies: Bodies | None = None

    def of(self, rows: Sequence[int]) -> tuple[Array, Array]:
        """-> joints (n,24|127,3), vertices (n,V,3) metres of some people."""
        predictions, track = self.detections.given, self.body.kind
        if not self.detections.from_files:
            whole = completed(predictions, self.body, rows)
            assert whole.vertices is not None  # `completed` asks for them
            return whole.joints[JOINTS[track]].cpu().numpy(), whole.vertices.cpu().numpy()
        return self._of_files(taken(predictions, rows), track)

    def _of_files(self, people: PredictionSet, track: str) -> tuple[Array, Array]:
        """-> the same of a submission's people; what a file gives is not posed."""
        given = [people.arrays.get(name) for name in (f"joints.{JOINTS[track]}", "vertices")]
        count = len(people)
        unknown = [
            np.ones(count, bool) if values is None else np.isnan(values).all(axis=(1, 2))
            for values in given
        ]
        found = [None if values is None else np.array(values) for values in given]
        rows = np.flatnonzero(unknown[0] | unknown[1])
        if len(rows):
            self.bodies = self.bodies or bodies_like(self.body)
            part = taken(people, rows.tolist())
            posed = pose_people(track, part.arrays, part.meta, self.bodies)
            for i, values in enumerate(posed):
                if found[i] is None:
                    found[i] = np.zeros((count, *values.shape[1:]), values.dtype)
                missing = unknown[i][rows]
                found[i][rows[missing]] = values[missing]  # type: ignore[index]
        joints, vertices = found
        assert joints is not None  # given or posed
        assert vertices is not None
        return joints, vertices


def mixed(meta: Sequence[Mapping[str, Any]]) -> str:
    """What a submission's people say about themselves -> what differs among them, "" if nothing."""
    for name in ("pose2rot", "num_betas"):
        if len({entry.get(name) for entry in meta}) > 1:
            return name
    return ""
