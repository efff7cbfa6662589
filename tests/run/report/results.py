"""A result that has something for every part of a report."""

from dataclasses import replace
from typing import Any

import numpy as np

from hpscli.metrics.results import Result
from hpscli.metrics.rules import Curve, Metric, Table

COUNT = 40
KEYS = tuple(f"person-{number:03}" for number in range(COUNT))


def result(**changes: Any) -> Result:
    """-> 40 people with two figures, one of which some people lack."""
    values = 50.0 + np.arange(COUNT, dtype=np.float64)
    errors = {"mpjpe": values, "pck": np.where(np.arange(COUNT) % 2, 100.0 - values, np.nan)}
    made = Result(
        protocol={
            "name": "synthetic/test@smpl24-v1",
            "testset": "synthetic",
            "split": "test",
            "summary": "rendered <people>",
            "joints": "smpl24",
            "standing": "ours",
            "licence": "CC0 & more",
            "sample_list_sha256": "a" * 64,
        },
        checkpoint={"name": "hmr.<tiny>", "sha256": "b" * 64, "step": 7, "epoch": 1},
        model="hmr",
        body={"kind": "smpl", "gender": "neutral", "source": "imported", "sha256": "c" * 64},
        data={"shards": "shards/synthetic/test", "index_sha256": "d" * 64, "samples": COUNT},
        settings={"batch": 32, "flip": False, "limit": 0},
        metrics={
            "mpjpe": Metric(value=float(values.mean()), n=COUNT, label="MPJPE"),
            "pck": Metric(value=30.0, unit="%", n=20, label="3DPCK", smaller_is_better=False),
            "f5": Metric(value=0.76412, unit="", n=COUNT, label="F@5", smaller_is_better=False),
        },
        keys=KEYS,
        errors=errors,
        time="2026-01-02T03:04:05+00:00",
    )
    return replace(made, **changes)


def joints(count: int = 3) -> np.ndarray:
    """-> (40,J) mm; nobody knows the last joint."""
    found = np.tile(np.arange(1.0, count + 1), (COUNT, 1)) * 10.0
    found[:, -1] = np.nan
    return found


JOINTS = Table(
    title="Joints", columns=("joint", "MPJPE"), rows=(("hip", 10.0), ("knee", 20.0), ("toe", None))
)
ACTIONS = Table(
    title="Actions",
    columns=("action", "MPJPE", "people"),
    rows=(("Walking", 51.25, 12), ("Sitting", float("nan"), 0)),
    unit="mm",
)
CURVE = Curve(
    title="Hits",
    x_label="threshold, mm",
    y_label="PCK, %",
    x=(0.0, 50.0, 100.0),
    lines={"all": (0.0, 60.0, 100.0), "hands": (0.0, 20.0, 70.0)},
)
