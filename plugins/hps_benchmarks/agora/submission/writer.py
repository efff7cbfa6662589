"""Predictions -> AGORA's predictions.zip: one pickle for each person."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hps_benchmarks.agora.detections import (
    CHUNK,
    Detections,
    Meshes,
    detections_of,
    taken,
)
from hps_benchmarks.agora.posing import FROM_MEAN, HANDS, PARAMETER, mean_hand
from hpscli.body.cameras import to_full_image
from hpscli.body.layer import Body
from hpscli.body.parameters import PARAMETERS
from hpscli.body.rotations import matrix_to_axis_angle
from hpscli.data.leaderboard.pickles import numpy1_pickle
from hpscli.data.leaderboard.zips import write_zip
from hpscli.errors import UsageError, did_you_mean
from hpscli.metrics.errors import require_finite
from hpscli.records import PredictionSet

Array = NDArray[Any]

FOLDER = "predictions"
CHOICES = {
    "track": ("auto", "smplx", "smpl"),
    "content": ("auto", "parameters", "mesh"),
    "rotations": ("axis-angle", "matrices"),
    "layout": ("checker", "osx"),
}
EYES = ("leye_pose", "reye_pose")


@dataclass(frozen=True, kw_only=True)
class Form:
    """How people are written."""

    track: str
    mesh: bool = False  # joints and vertices instead of parameters
    matrices: bool = False
    osx: bool = False  # joints (1,144,2), and no key that has a default


def write(
    predictions: PredictionSet,
    out: Path,
    body: Body,
    *,
    track: str = "auto",
    content: str = "auto",
    rotations: str = "axis-angle",
    layout: str = "checker",
) -> None:
    """N people -> predictions.zip; `content` auto: parameters where the model gave them."""
    _check_choices(track=track, content=content, rotations=rotations, layout=layout)
    if track not in ("auto", body.kind):
        raise UsageError(
            f"the model predicts {body.kind}, which is no person of the {track} track.",
            "Leave out track=, or take a model of that body.",
        )
    detections = detections_of(predictions, body)
    given = detections.given.arrays
    has_parameters = f"{PARAMETER}body_pose" in given
    if content == "parameters" and not has_parameters:
        raise UsageError("the model predicts a mesh, not parameters.", "content=mesh")
    form = Form(
        track=body.kind,
        mesh=content == "mesh" or not has_parameters,
        matrices=rotations == "matrices",
        osx=layout == "osx",
    )
    if form.osx and (form.track != "smplx" or form.mesh or form.matrices):
        raise UsageError(
            "layout=osx is SMPL-X by parameters as axis-angles, as OSX writes it.",
            "Leave out layout=, or content= and rotations=.",
        )
    require_finite("the 2D joints", detections.joints2d, detections.files)
    write_people(out, people(detections, body, form))


def write_people(out: Path, entries: Iterator[tuple[str, dict[str, Any]]]) -> None:
    """Names of files and their dictionaries -> the zip."""
    write_zip(out, ((f"{FOLDER}/{name}", numpy1_pickle(entry)) for name, entry in entries))


def people(detections: Detections, body: Body, form: Form) -> Iterator[tuple[str, dict[str, Any]]]:
    """-> name of the file and dictionary of each person."""
    meshes = Meshes(detections, body)
    for start in range(0, len(detections), CHUNK):
        rows = list(range(start, min(start + CHUNK, len(detections))))
        part = taken(detections.given, rows)
        moved = translations(part)
        files = [detections.files[row] for row in rows]
        if form.mesh:
            joints, vertices = meshes.of(rows)
            require_finite("the predicted mesh", vertices, files)
            shown = [
                {
                    "allSmplJoints3d": (joints[i] + moved[i]).astype(np.float32),
                    "verts": (vertices[i] + moved[i]).astype(np.float32),
                }
                for i in range(len(rows))
            ]
        else:
            tables = _parameters(part, body, form)
            for name, values in tables.items():
                require_finite(f"the parameter {name}", values, files)
            tables["transl"] = moved
            said = part.meta if detections.from_files else [{"gender": body.gender}] * len(rows)
            shown = [
                parameter_entry({n: v[i] for n, v in tables.items()}, said[i], form)
                for i in range(len(rows))
            ]
        for i, row in enumerate(rows):
            yield files[i], with_joints(shown[i], detections.joints2d[row], form)


def with_joints(entry: dict[str, Any], joints: Array, form: Form) -> dict[str, Any]:
    """-> the dictionary with the joints (J,2) by which people are matched."""
    points = np.asarray(joints, np.float32)
    return {**entry, "joints": points[None] if form.osx else points}


def parameter_entry(
    parameters: Mapping[str, Array], about: Mapping[str, Any], form: Form
) -> dict[str, Any]:
    """One person's parameters, flat axis-angles or matrices (n,3,3) -> `params` in official shapes.

    `about`: gender and kid, where the predictor says so.
    """
    counts = PARAMETERS[form.track]
    params: dict[str, Array] = {}
    kid = bool(about.get("kid", False))
    for name, given in parameters.items():
        # SMPL-X's server wants as many betas of everybody; SMPL's eleven of children alone
        cut = name == "betas" and form.track == "smpl" and not kid
        values = given[:10] if cut else given
        if name not in counts:
            shape: tuple[int, ...] = (1, -1)
        elif form.matrices:
            shape = (1, counts[name], 3, 3)
        else:
            shape = (1, counts[name], 3) if form.track == "smpl" else (1, 3 * counts[name])
        exact = np.float64 if form.osx and name in EYES else np.float32  # OSX: eyes of zeros
        params[name] = np.ascontiguousarray(np.reshape(values, shape), exact)
    if form.osx:
        return {"params": params}
    entry: dict[str, Any] = {"params": params, "pose2rot": not form.matrices, "kid_flag": kid}
    if form.track == "smplx":
        entry["gender"] = str(about.get("gender") or "neutral")
        entry["num_betas"] = params["betas"].shape[1]
    return entry


def _parameters(people: PredictionSet, body: Body, form: Form) -> dict[str, Array]:
    """-> by AGORA's names (n,...): rotations as wanted, hands from the mean hand if axis-angles."""
    found: dict[str, Array] = {}
    arrays, count = people.arrays, len(people)
    for name, joints in PARAMETERS[form.track].items():
        if form.matrices or f"{FROM_MEAN}{name}" not in arrays:
            matrices = _matrices(arrays, name, joints, count)
            found[name] = matrices if form.matrices else _vectors(matrices, name, body)
        else:
            found[name] = np.asarray(arrays[f"{FROM_MEAN}{name}"])
    for name in ("betas", "expression")[: 1 + (form.track == "smplx")]:
        values = arrays.get(f"{PARAMETER}{name}")
        found[name] = np.zeros((count, 10), np.float32) if values is None else values
    return found


def _matrices(arrays: Mapping[str, Array], name: str, joints: int, count: int) -> Array:
    """-> rotations (n,joints,3,3); what nobody predicted is at rest."""
    if f"{PARAMETER}{name}" in arrays:
        return np.asarray(arrays[f"{PARAMETER}{name}"]).reshape(count, joints, 3, 3)
    return np.tile(np.eye(3, dtype=np.float32), (count, joints, 1, 1))


def _vectors(matrices: Array, name: str, body: Body) -> Array:
    turned = matrix_to_axis_angle(torch.from_numpy(np.array(matrices, np.float64))).numpy()
    flat = turned.reshape(len(turned), -1)
    return np.asarray(flat - mean_hand(body, name)) if name in HANDS else flat


def translations(people: PredictionSet) -> Array:
    """-> (n,1,3) metres from the body's origin to the camera; errors do not depend on it."""
    arrays = people.arrays
    if f"{PARAMETER}transl" in arrays:
        return np.asarray(arrays[f"{PARAMETER}transl"])[:, None]
    if not {"camera", "affine", "crop_size_px"} <= set(arrays):
        return np.zeros((len(people), 1, 3), np.float32)
    moved = []
    for row, meta in enumerate(people.meta):
        size = meta.get("image_size_px")
        height, width = (int(v) for v in (size or arrays["crop_size_px"][row]))
        crop = tuple(int(v) for v in arrays["crop_size_px"][row])
        camera = to_full_image(
            arrays["camera"][row], arrays["affine"][row], (crop[0], crop[1]), (height, width)
        )
        moved.append(camera.translation)
    return np.asarray(moved, np.float32)[:, None]


def _check_choices(**chosen: str) -> None:
    for name, word in chosen.items():
        if word not in CHOICES[name]:
            near = did_you_mean(word, CHOICES[name])
            raise UsageError(f"{name}={word}?", near or f"One of: {', '.join(CHOICES[name])}")
