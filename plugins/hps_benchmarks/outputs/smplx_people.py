"""SMPL-X parameters as OSX and SMPLer-X write them: axis-angles, hands relative to the mean hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hps_benchmarks.outputs.parts import Floats, column, rotations
from hpscli.body.layer import load_body
from hpscli.errors import InvalidData
from hpscli.records import PredictionSet

# Our names: how many numbers a person has. Their SMPL-X layers add the mean hands themselves
# (smplx.create without flat_hand_mean, use_pca=False), so it is added here.
NUMBERS = {
    "global_orient": 3,
    "body_pose": 63,
    "left_hand_pose": 45,
    "right_hand_pose": 45,
    "jaw_pose": 3,
    "betas": 10,
    "expression": 10,
    "transl": 3,
}
SINGLE = ("global_orient", "jaw_pose")
MEANS = {"left_hand_pose": "hands_meanl", "right_hand_pose": "hands_meanr"}
MOST_FILES = 200_000


def people(
    rows: Sequence[Mapping[str, Any]], meta: Sequence[Mapping[str, Any]], program: str, source: str
) -> PredictionSet:
    """Rows of parameters by our names -> predictions; `transl` is where the body stands."""
    arrays: dict[str, Floats] = {}
    means = load_body("smplx").hand_means
    for name, count in NUMBERS.items():
        values = [np.asarray(row[name], np.float64).reshape(-1) for row in rows]
        found = column(_even(values, name, source), name, (count,), source)
        if name in MEANS:
            found = found + np.asarray(means[MEANS[name]], np.float64).reshape(-1)
        if name in ("betas", "expression", "transl"):
            arrays["extras.transl" if name == "transl" else f"parameters.{name}"] = found
            continue
        turned = rotations(found)
        arrays[f"parameters.{name}"] = turned[:, 0] if name in SINGLE else turned
    return PredictionSet(
        keys=(),
        arrays=arrays,
        meta=tuple(meta),
        body={"kind": "smplx", "gender": "neutral"},
        about={"program": program},
    )


def numbered(folder: Path, suffix: str) -> list[Path]:
    """-> the files NUMBER.suffix of a folder in the order of their numbers."""
    found = [path for path in folder.glob(f"*{suffix}") if path.stem.isdigit()]
    if len(found) > MOST_FILES:
        raise InvalidData(f"{folder} holds {len(found)} files; no test list is so long.")
    return sorted(found, key=lambda path: int(path.stem))


def _even(values: list[Floats], name: str, source: str) -> Any:
    lengths = {len(value) for value in values}
    if len(lengths) > 1:
        raise InvalidData(
            f"{source}: '{name}' has {min(lengths)} numbers for one, {max(lengths)} for another."
        )
    return np.stack(values) if values else np.zeros((0, NUMBERS[name]))
