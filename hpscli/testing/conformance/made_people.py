"""A few made-up people with a perfect prediction of each, to try rules and writers on."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from hpscli.body.joints import joint_set
from hpscli.body.layer import COEFFICIENTS, PARAMETERS, Body, complete, load_body, matrices
from hpscli.data.labels import labels_of
from hpscli.errors import HpsError
from hpscli.metrics.rules import People
from hpscli.records import Prediction, PredictionSet, Sample

SPREAD = 0.3  # radians and standard deviations
PICTURE_PX = 640


def made_samples(kind: str, joints: str, count: int, meta: Mapping[str, Any]) -> list[Sample]:
    """-> people of a body with parameters, boxes, and 3D and 2D key points of a joint set."""
    samples = []
    for number in range(count):
        about = {
            "image_path": f"made/{number:08d}.png",
            "image_size_px": [PICTURE_PX, PICTURE_PX],
            "gender": "neutral",
            "sequence": "made",
            "person": number,
            "frame": 0,
            **meta,
        }
        arrays = dict(_arrays(kind, joints, number))
        samples.append(Sample(key=f"made-{number}", image=b"", arrays=arrays, meta=about))
    return samples


@lru_cache(maxsize=64)
def _arrays(kind: str, joints: str, number: int) -> dict[str, np.ndarray]:
    """-> what is stored about one person."""
    random = np.random.RandomState(number)
    arrays = {
        f"{kind}.{name}": (SPREAD * random.randn(3 * size)).astype(np.float32)
        for name, size in PARAMETERS[kind].items()
    }
    arrays |= {
        f"{kind}.{name}": random.randn(size).astype(np.float32)
        for name, size in COEFFICIENTS[kind].items()
    }
    points = _points(load_body(kind, source="free"), arrays, joints)
    if points is not None:
        known = np.ones((len(points), 1), np.float32)
        arrays[f"keypoints3d.{joints}"] = np.concatenate([points, known], axis=1)
        flat = PICTURE_PX / 2 + PICTURE_PX / 4 * points[:, :2]
        arrays[f"keypoints2d.{joints}"] = np.concatenate([flat, known], axis=1)
    arrays["box.center"] = np.full(2, PICTURE_PX / 2, np.float32)
    arrays["box.size"] = np.full(1, PICTURE_PX, np.float32)
    arrays["image.affine"] = np.eye(2, 3, dtype=np.float32)
    return arrays


def perfect(samples: list[Sample], body: Body) -> Prediction:
    """-> what is true about the people, as a prediction: parameters, mesh and joints."""
    kind = body.kind
    names = (*PARAMETERS[kind], *COEFFICIENTS[kind])
    flat = {
        name: torch.from_numpy(np.stack([s.arrays[f"{kind}.{name}"] for s in samples]))
        for name in names
    }
    camera = torch.tensor([[0.9, 0.0, 0.0]]).repeat(len(samples), 1)
    with torch.no_grad():
        return complete(Prediction(camera=camera, parameters=matrices(flat)), body, vertices=True)


def made_people(kind: str, joints: str, count: int, meta: Mapping[str, Any]) -> People:
    """-> the people and their perfect prediction as a rule sees them."""
    samples = made_samples(kind, joints, count, meta)
    targets, present = labels_of(samples, joints, mirror_left=False)
    return People(
        keys=tuple(sample.key for sample in samples),
        prediction=perfect(samples, load_body(kind, source="free")),
        targets=targets,
        present=present,
        meta=tuple(sample.meta for sample in samples),
        affine=torch.eye(3)[:2].repeat(count, 1, 1),
        samples=tuple(samples),
    )


def moved(people: People, metres: float) -> People:
    """-> the same, every other joint and vertex of the prediction shifted: a worse prediction."""
    prediction = people.prediction

    def shift(points: torch.Tensor) -> torch.Tensor:
        worse = points.clone()
        worse[:, ::2] += metres
        return worse

    mesh = prediction.vertices
    return replace(
        people,
        prediction=replace(
            prediction,
            vertices=None if mesh is None else shift(mesh),
            joints={name: shift(points) for name, points in prediction.joints.items()},
            parameters={},
        ),
    )


def made_predictions(kind: str, count: int, meta: Mapping[str, Any]) -> PredictionSet:
    """-> a perfect prediction of made-up people, as an evaluation collects it."""
    body = load_body(kind, source="free")
    samples = made_samples(kind, body.joint_set, count, meta)
    named = {n: v.numpy() for n, v in perfect(samples, body).named_tensors().items()}
    scale = np.float32(256 / PICTURE_PX)
    return PredictionSet(
        keys=tuple(sample.key for sample in samples),
        arrays={
            **named,
            "affine": np.tile(np.eye(2, 3, dtype=np.float32) * scale, (count, 1, 1)),
            "crop_size_px": np.full((count, 2), 256, np.float32),
        },
        meta=tuple(sample.meta for sample in samples),
        body=body.describe(),
        about={"model": "made", "epoch": 0},
    )


def _points(body: Body, arrays: Mapping[str, np.ndarray], joints: str) -> np.ndarray | None:
    """-> joints (J,3) of one person, None where the mesh does not give this set."""
    sample = Sample(key="", image=b"", arrays=arrays, meta={})
    whole = perfect([sample], body)
    try:
        if joint_set(joints).name in whole.joints:
            return np.asarray(whole.joints[joint_set(joints).name][0].numpy())
        mesh = whole.vertices
        assert mesh is not None
        return np.asarray(body.regress(mesh, joints)[0].numpy())
    except HpsError:
        return None
