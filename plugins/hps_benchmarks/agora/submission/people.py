"""The dictionaries in AGORA's files -> one PredictionSet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hps_benchmarks.agora.posing import FROM_MEAN, HANDS, JOINTS, PARAMETER
from hpscli.body.parameters import PARAMETERS, SINGLE
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import InvalidData
from hpscli.records import PredictionSet

Array = NDArray[Any]

MATCHED = "joints2d.agora"  # px of the 4K picture; people with fewer joints repeat their first one
COEFFICIENTS = ("betas", "expression", "transl")
VERTICES = {"smpl": 6890, "smplx": 10475}
COUNTS = {"smpl": 24, "smplx": 127}  # joints in space that are looked at


@dataclass(frozen=True)
class Entry:
    """One file of a submission: its name, and the dictionary in it."""

    file: str
    content: Mapping[str, Any]


def track_of(content: Mapping[str, Any]) -> str:
    """A dictionary -> smpl or smplx, "" when it says neither."""
    if isinstance(params := content.get("params"), Mapping):
        return "smplx" if "jaw_pose" in params or "left_hand_pose" in params else "smpl"
    given = {"allSmplJoints3d": COUNTS, "verts": VERTICES}
    sizes = {
        name: max(np.shape(content[name]), default=0) for name in given if name in content
    }  # of joints and vertices, with or without a leading axis
    for track in ("smplx", "smpl"):
        if any(size >= given[name][track] for name, size in sizes.items()):
            return track
    return ""


def predictions_of(track: str, entries: Sequence[Entry]) -> PredictionSet:
    """Dictionaries of one track, in the order of their file names as text -> what they predict."""
    rows = [_Row(track, entry) for entry in entries]
    arrays: dict[str, Array] = {MATCHED: _padded_joints([row.joints2d for row in rows])}
    for name in sorted({name for row in rows for name in row.arrays}):
        arrays[name] = _stacked([row.arrays.get(name) for row in rows])
    return PredictionSet(
        keys=(),
        arrays=arrays,
        meta=tuple(row.meta for row in rows),
        body={"kind": track},
    )


def _padded_joints(people: Sequence[Array]) -> Array:
    """[(J,2)] -> (N,J most,2); a repeated joint changes neither the first 24 nor the box."""
    most = max((len(points) for points in people), default=0)
    return np.stack([np.concatenate([p, np.repeat(p[:1], most - len(p), axis=0)]) for p in people])


def _stacked(values: Sequence[Array | None]) -> Array:
    """Values of N people, some without -> (N,...), NaN for those; betas are filled with zeros."""
    known = [value for value in values if value is not None]
    shape = tuple(max(sizes) for sizes in zip(*(value.shape for value in known), strict=True))
    table = np.full((len(values), *shape), np.nan, np.result_type(*known))
    for row, value in zip(table, values, strict=True):
        if value is not None:
            row[...] = 0
            row[tuple(slice(size) for size in value.shape)] = value
    return table


class _Row:
    """One person's numbers, by the names of a PredictionSet."""

    def __init__(self, track: str, entry: Entry) -> None:
        self.track, self.entry = track, entry
        content = entry.content
        self.joints2d = self._numbers(content, "joints", (-1, -1))[:, :2]
        if len(self.joints2d) < COUNTS["smpl"]:
            raise self._bad(f"joints has {len(self.joints2d)} rows, fewer than 24")
        stem, _, number = entry.file.rpartition("_personId_")
        self.meta: dict[str, Any] = {
            "image_path": f"{stem}.png",
            "file": entry.file,
            "person": number.removesuffix(".pkl"),
            "gender": str(content.get("gender", "neutral")),
            "kid": bool(content.get("kid_flag", False)),
            "num_betas": int(content.get("num_betas", 10)),
            "pose2rot": bool(content.get("pose2rot", True)),
        }
        self.arrays: dict[str, Array] = {}
        if "allSmplJoints3d" in content:
            points = self._numbers(content, "allSmplJoints3d", (-1, 3))
            if len(points) < COUNTS[track]:
                raise self._bad(f"allSmplJoints3d has {len(points)} rows, not {COUNTS[track]}")
            self.arrays[f"joints.{JOINTS[track]}"] = points[: COUNTS[track]]
        if "verts" in content:
            self.arrays["vertices"] = self._numbers(content, "verts", (VERTICES[track], 3))
        if not {"allSmplJoints3d", "verts"} <= set(content):
            self._add_parameters(content)

    def _add_parameters(self, content: Mapping[str, Any]) -> None:
        params = content.get("params")
        if not isinstance(params, Mapping):
            raise self._bad("there are neither params nor both allSmplJoints3d and verts")
        for name in COEFFICIENTS:
            if name != "expression" or self.track == "smplx":
                self.arrays[PARAMETER + name] = self._numbers(params, name, (-1,))
        for name, count in PARAMETERS[self.track].items():
            if not self.meta["pose2rot"]:
                turned = self._numbers(params, name, (-1, 3, 3), 9 * count)
            else:
                pose = self._numbers(params, name, (-1,), 3 * count)
                if name in HANDS:
                    self.arrays[FROM_MEAN + name] = pose
                    continue
                vectors = torch.from_numpy(np.array(pose.reshape(-1, 3)))
                turned = axis_angle_to_matrix(vectors).numpy()
            self.arrays[PARAMETER + name] = turned[0] if name in SINGLE else turned

    def _numbers(
        self, table: Mapping[str, Any], name: str, shape: tuple[int, ...], size: int = 0
    ) -> Array:
        """-> an array of finite or infinite numbers in this shape, -1 as many as there are."""
        if name not in table:
            raise self._bad(f"'{name}' is missing")
        value = np.asarray(table[name])
        if value.dtype.kind not in "fiu":
            raise self._bad(f"'{name}' holds no numbers")
        flat = np.squeeze(value)
        if (size and flat.size != size) or (
            len(shape) > 1 and flat.ndim != len(shape) and not size
        ):
            raise self._bad(f"'{name}' has shape {value.shape}")
        try:
            if shape == (-1, -1):
                return flat
            return flat.reshape(shape)
        except ValueError:
            raise self._bad(f"'{name}' has shape {value.shape}") from None

    def _bad(self, problem: str) -> InvalidData:
        return InvalidData(
            f"{self.entry.file}: {problem}.",
            "hps export-preds agora --check FILE names all faults.",
        )
