"""Predictions made elsewhere, made fit: in the order of the people, with meshes and joints."""

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatch

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli.body.layer import Body, complete, load_body
from hpscli.data.evalset import EvalSet
from hpscli.errors import InvalidData
from hpscli.records import Prediction, PredictionSet

WIDEN = 64  # predictions that are completed at once


def kind_of(predictions: PredictionSet, bodies: Sequence[str]) -> str:
    """-> the body that predictions are of, by the size of their meshes and parameters."""
    if said := predictions.body.get("kind"):
        return str(said)
    for kind in bodies:
        vertices = load_body(kind, source="free").get_buffer("v_template").shape[0]
        if "vertices" in predictions.arrays and predictions.arrays["vertices"].shape[1] == vertices:
            return kind
    if "parameters.body_pose" in predictions.arrays:
        count = predictions.arrays["parameters.body_pose"].shape[1]
        return {23: "smpl", 21: "smplx"}.get(count, bodies[0])
    return bodies[0]


def rows_of(predictions: PredictionSet, keys: Sequence[str]) -> NDArray[np.int64]:
    """-> where the prediction of each of `keys` stands (N,); without keys they are in that order."""
    if not predictions.keys:
        if len(predictions) != len(keys):
            raise InvalidData(
                f"there are {len(predictions)} predictions, and {len(keys)} people in the shards.",
                "Give predictions for exactly these people, in their order.",
            )
        return np.arange(len(keys))
    places = {key: place for place, key in enumerate(predictions.keys)}
    if missing := [key for key in keys if key not in places]:
        raise InvalidData(
            f"{len(missing)} of {len(keys)} people are not among the predictions, first "
            f"'{missing[0]}'.",
            "Predict all of them, or take a part: --limit N",
        )
    return np.array([places[key] for key in keys], np.int64)


def in_order(predictions: PredictionSet, keys: Sequence[str]) -> PredictionSet:
    """Predictions in any order -> those of `keys`, in that order; without keys as they are."""
    rows = rows_of(predictions, keys)
    if not predictions.keys:
        return replace(predictions, keys=tuple(keys))
    return replace(
        predictions,
        keys=tuple(keys),
        arrays={name: values[rows] for name, values in predictions.arrays.items()},
        meta=tuple(predictions.meta[row] for row in rows) if predictions.meta else (),
    )


def described(predictions: PredictionSet, people: EvalSet) -> PredictionSet:
    """-> the same with what the shards know about each person."""
    return replace(predictions, meta=tuple(sample.meta for sample in people))


def first(predictions: PredictionSet, count: int) -> PredictionSet:
    """-> the first people of them."""
    return replace(
        predictions,
        keys=predictions.keys[:count],
        arrays={name: values[:count] for name, values in predictions.arrays.items()},
        meta=predictions.meta[:count],
    )


def widened(predictions: PredictionSet, body: Body, keeps: Sequence[str]) -> PredictionSet:
    """-> the same with vertices and the body's joints, where they are wanted and were not given."""
    vertices = any(fnmatch("vertices", pattern) for pattern in keeps)
    made: list[dict[str, NDArray[np.float32]]] = []
    for start in range(0, len(predictions), WIDEN):
        rows = {n: v[start : start + WIDEN] for n, v in predictions.arrays.items()}
        count = len(next(iter(rows.values())))
        named = {name: torch.from_numpy(np.array(v)) for name, v in rows.items()}
        named.setdefault("camera", torch.full((count, 3), torch.nan))
        with torch.no_grad():
            whole = complete(Prediction.from_named_tensors(named), body, vertices=vertices)
        wanted = whole.named_tensors().items()
        kept = {n: v.numpy() for n, v in wanted if any(fnmatch(n, p) for p in keeps)}
        made.append({**rows, **kept})
    names = made[0] if made else {}
    arrays = {name: np.concatenate([part[name] for part in made]) for name in names}
    return replace(predictions, arrays=arrays)
