"""People with free bodies as the rule of bodies sees them: posed, labelled, predicted."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from hpscli.body.layer import Body, complete, load_body
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.labels import labels_of
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import Measured, People, Totals, rule_of
from hpscli.records import Prediction, Sample
from hpscli.registry import get_registry

COUNT = 7


@cache
def body() -> Body:
    return load_body("smpl", source="free")


@cache
def poses(seed: int) -> dict[str, np.ndarray]:
    random = np.random.RandomState(seed)
    return {
        "smpl.global_orient": (0.3 * random.randn(COUNT, 3)).astype(np.float32),
        "smpl.body_pose": (0.2 * random.randn(COUNT, 69)).astype(np.float32),
        "smpl.betas": random.randn(COUNT, 10).astype(np.float32),
    }


def samples(labels: Mapping[str, np.ndarray] | None = None, **meta: list[Any]) -> list[Sample]:
    """`labels`: array name -> (COUNT,...); meta: word -> a value for each person."""
    arrays = {**poses(1), **(labels or {})}
    return [
        Sample(
            key=f"person-{row}",
            image=b"",
            arrays={name: values[row] for name, values in arrays.items()},
            meta={word: values[row] for word, values in meta.items()},
        )
        for row in range(COUNT)
    ]


def prediction(seed: int = 2) -> Prediction:
    given = {name: torch.from_numpy(values) for name, values in poses(seed).items()}
    bare = Prediction(
        camera=torch.zeros(COUNT, 3),
        parameters={
            "global_orient": axis_angle_to_matrix(given["smpl.global_orient"]),
            "body_pose": axis_angle_to_matrix(given["smpl.body_pose"].view(COUNT, 23, 3)),
            "betas": given["smpl.betas"],
        },
    )
    return complete(bare, body(), vertices=True)


def people(who: list[Sample], said: Prediction, joints: str, rows: slice = slice(None)) -> People:
    who = who[rows]
    targets, present = labels_of(who, joints)
    parts = {name: value[rows] for name, value in said.named_tensors().items()}
    return People(
        keys=tuple(sample.key for sample in who),
        prediction=Prediction.from_named_tensors(parts),
        targets=targets,
        present=present,
        meta=tuple(sample.meta for sample in who),
        affine=torch.eye(3)[:2].repeat(len(who), 1, 1),
        samples=tuple(who),
    )


def measured(
    name: str, who: list[Sample], said: Prediction, *, chunk: int = COUNT, **changes: Any
) -> tuple[Measured, Totals]:
    """A protocol, people, what was predicted -> what its rule says, in batches of `chunk`."""
    spec: ProtocolSpec = get_registry().protocol(name)
    spec = replace(spec, options={**spec.options, **changes})
    rule = rule_of(spec, body())
    parts = [
        rule.measure(people(who, said, spec.joints, slice(start, start + chunk)))
        for start in range(0, COUNT, chunk)
    ]
    found = Measured(
        keys=tuple(sample.key for sample in who),
        values={key: np.concatenate([part[key] for part in parts]) for key in parts[0]},
        meta=tuple(sample.meta for sample in who),
    )
    return found, rule.total(found)
