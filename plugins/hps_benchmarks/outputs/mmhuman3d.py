"""What mmhuman3d and hmr-benchmarks leave behind: result_keypoints.json, outputs, the demo's file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hps_benchmarks.outputs.parts import Floats, column, entry, joints, rotations, smpl_pose
from hpscli.data.containers.archives import load_npz, open_npz
from hpscli.data.containers.pickles import load_pickle
from hpscli.errors import HpsError, InvalidData
from hpscli.records import PredictionSet

RESULT = ("keypoints", "poses", "betas")
OUTPUT = ("smpl_pose", "smpl_beta", "image_idx")
HEAD_BYTES = 256  # of a file, to look for its first key
BODY = {"kind": "smpl", "gender": "neutral"}


def recognise_json(file: Path) -> bool:
    """-> whether a JSON object begins with one of the three keys."""
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES).lstrip()
    except OSError:
        return False
    return any(head[1:].lstrip().startswith(f'"{key}"'.encode()) for key in RESULT) and (
        head.startswith(b"{")
    )


def read_json(file: Path) -> PredictionSet:
    """result_keypoints.json -> people in the order of the test list."""
    document, source = json.loads(file.read_text(encoding="utf-8")), str(file)
    if not isinstance(document, dict):
        raise InvalidData(f"{source} is no JSON object.")
    found = {key: entry(document, key, source) for key in RESULT}
    return _people(found["poses"], found["betas"], found["keypoints"], source)


def recognise_outputs(file: Path) -> bool:
    """-> whether a pickle's first batch begins as theirs do."""
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError:
        return False
    return head[:1] == b"\x80" and b"keypoints_3d" in head[:HEAD_BYTES]


def read_outputs(file: Path) -> PredictionSet:
    """A list of dictionaries, one for each batch, in any order -> people by their image_idx."""
    batches, source = load_pickle(file), str(file)
    if not isinstance(batches, list) or not all(isinstance(b, Mapping) for b in batches):
        raise InvalidData(f"{source} is no list of batches.")
    rows = {name: _joined(batches, name, source) for name in (*OUTPUT, "keypoints_3d", "camera")}
    numbers = rows["image_idx"].astype(np.int64).reshape(-1)
    order = np.unique(numbers, return_index=True)[1]  # padding of several GPUs repeats people
    if len(order) and (numbers[order] != np.arange(len(order))).any():
        lacking = sorted(set(range(len(order))) - set(numbers[order].tolist()))
        raise InvalidData(f"{source} lacks the person of image_idx {lacking[0]}.")
    found = _people(
        rows["smpl_pose"][order], rows["smpl_beta"][order], rows["keypoints_3d"][order], source
    )
    arrays = {**found.arrays, "camera": column(rows["camera"][order], "camera", (3,), source)}
    if all("vertices" in batch for batch in batches):
        vertices = _joined(batches, "vertices", source)[order]
        arrays["vertices"] = column(vertices, "vertices", (6890, 3), source)
    paths = [str(path) for batch in batches for path in batch.get("image_path") or ()]
    meta = tuple({"image_path": paths[row]} for row in order) if len(paths) == len(numbers) else ()
    return PredictionSet(keys=(), arrays=arrays, meta=meta, body=BODY, about=found.about)


def recognise_demo(file: Path) -> bool:
    """-> whether an .npz has the entries of inference_result.npz."""
    try:
        with open_npz(file) as archive:
            return {"smpl", "verts", "pred_cams", "image_path"} <= set(archive)
    except HpsError:
        return False


def read_demo(file: Path) -> PredictionSet:
    """inference_result.npz -> everybody who was found, with picture and person number."""
    stored, source = load_npz(file), str(file)
    smpl = _object(stored["smpl"])
    root = column(entry(smpl, "global_orient", source), "global_orient", (3,), source)
    pose = column(entry(smpl, "body_pose", source), "body_pose", (23, 3), source)
    turned = np.concatenate([rotations(root), rotations(pose)], axis=1)
    pictures = [str(path) for path in np.asarray(stored["image_path"]).reshape(-1)]
    numbers = np.asarray(stored.get("person_id", np.zeros(len(pictures)))).reshape(-1)
    return PredictionSet(
        keys=(),
        arrays={
            **smpl_pose(turned),
            "parameters.betas": column(entry(smpl, "betas", source), "betas", (10,), source),
            "vertices": column(stored["verts"], "verts", (6890, 3), source),
            "camera": column(stored["pred_cams"], "pred_cams", (3,), source),
        },
        meta=tuple(
            {"image_path": path, "person_id": int(number)}
            for path, number in zip(pictures, numbers, strict=True)
        ),
        body=BODY,
        about={"program": "mmhuman3d demo"},
    )


def _people(poses: Any, betas: Any, keypoints: Any, source: str) -> PredictionSet:
    """Rotation matrices (N,24,3,3) or axis-angles (N,24,3), betas (N,10), joints (N,J,3) metres."""
    values = np.asarray(poses, np.float64)
    turned: Floats
    if values.ndim == 3 and values.shape[2] == 3:
        turned = rotations(column(values, "poses", (24, 3), source))
    else:  # HybrIK keeps them flat
        flat = values.reshape(len(values), -1)
        turned = column(flat, "poses", (24 * 9,), source).reshape(-1, 24, 3, 3)
    return PredictionSet(
        keys=(),
        arrays={
            **smpl_pose(turned),
            "parameters.betas": column(betas, "betas", (10,), source),
            **joints(keypoints, "keypoints", source),
        },
        body=BODY,
        about={"program": "mmhuman3d"},
    )


def _joined(batches: Sequence[Mapping[str, Any]], name: str, source: str) -> np.ndarray:
    return np.concatenate([np.asarray(entry(batch, name, source)) for batch in batches])


def _object(value: Any) -> dict[str, Any]:
    """-> the dictionary in a 0-d object array."""
    inner = value[()] if isinstance(value, np.ndarray) and value.ndim == 0 else value
    if not isinstance(inner, dict):
        raise InvalidData("'smpl' is no dictionary.")
    return inner
