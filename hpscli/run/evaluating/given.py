"""People whose predictions come from a file; no picture is opened."""

from collections.abc import Iterator

import numpy as np
import torch

from hpscli.body.layer import Body, complete
from hpscli.data.evalset import EvalSet
from hpscli.data.labels import labels_of
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import People
from hpscli.records import Prediction, PredictionSet
from hpscli.run.given_predictions import rows_of
from hpscli.run.matching import keyed

# Joints in pixels are no part of what a model says; rules find them in a prediction's extras.
FLAT, EXTRA_2D = "joints2d.", "extras."


def given_people(
    predictions: PredictionSet,
    body: Body,
    people: EvalSet,
    protocol: ProtocolSpec,
    vertices: bool,
    chunk: int = 64,
) -> Iterator[People]:
    """-> the people in shards with what was predicted about them elsewhere; no picture is opened."""
    keys = people.keys
    predictions = keyed(predictions, keys, (sample.meta for sample in people))
    rows = rows_of(predictions, keys)
    mirrored = predictions.about.get("left_hands") == "mirrored"  # in files of ours
    for start in range(0, len(keys), chunk):
        mine = rows[start : start + chunk]
        samples = [people[position] for position in range(start, start + len(mine))]
        targets, present = labels_of(samples, protocol.joints, mirror_left=mirrored)
        named = {
            (EXTRA_2D if n.startswith(FLAT) else "") + n: torch.from_numpy(np.array(v[mine]))
            for n, v in predictions.arrays.items()
        }
        named.setdefault("camera", torch.full((len(mine), 3), torch.nan))
        prediction = Prediction.from_named_tensors(named)
        mesh = prediction.vertices
        other = mesh is None or mesh.shape[1] != len(body.template)  # none, or not this body's
        bare = other and not prediction.parameters
        flat = any(name.startswith(FLAT) for name in prediction.extras)
        if not (bare and (flat or protocol.joints in prediction.joints)):  # joints make no mesh
            with torch.no_grad():
                prediction = complete(prediction, body, vertices=vertices)
        yield People(
            keys=tuple(sample.key for sample in samples),
            prediction=prediction,
            targets=targets,
            present=present,
            meta=tuple(sample.meta for sample in samples),
            affine=torch.eye(3)[:2].repeat(len(mine), 1, 1),
            samples=tuple(samples),
        )
