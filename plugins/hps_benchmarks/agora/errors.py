"""How far matched people are from the true ones: body, hands and face, each from its own root."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Given = NDArray[np.floating[Any]]  # as it comes, float32 or float64
Indices = NDArray[np.int64]

COLUMNS = ("MPJPE", "MVE")  # joints, vertices; the official names of columns are "body-MPJPE" ...


@dataclass(frozen=True)
class Part:
    """Joints of a part, and those whose mean is its root (among all joints)."""

    joints: tuple[int, ...]
    root: tuple[int, ...]


HIPS = (1, 2)
PARTS: Mapping[str, Mapping[str, Part]] = {
    # The root itself is one of the joints of hands and face, with an error of 0.
    "smpl": {"body": Part(tuple(range(24)), HIPS)},
    "smplx": {
        "body": Part(tuple(range(22)), HIPS),
        "lhand": Part((20, *range(25, 40)), (20,)),
        "rhand": Part((21, *range(40, 55)), (21,)),
        "face": Part((12, *range(76, 127)), (12,)),
    },
}


def names(track: str) -> tuple[str, ...]:
    """-> the official names of a track's errors: body-MPJPE, body-MVE, lhand-MPJPE ..."""
    return tuple(f"{part}-{column}" for part in PARTS[track] for column in COLUMNS)


def person_errors(
    track: str,
    joints: Given,
    vertices: Iterable[Given],
    true_joints: Given,
    true_vertices: Iterable[Given],
    vertices_of: Mapping[str, Indices],
) -> dict[str, Array]:
    """joints (N,>=24|127,3), vertices (N,V,3) of matched people -> {official name: (N,)} metres.

    `vertices_of`: the vertices of each part, by its name.
    """
    count = len(joints)
    parts = PARTS[track]
    found = {name: np.empty(count) for name in names(track)}
    last = max(max(part.joints) for part in parts.values()) + 1
    bones = np.subtract(joints[:, :last], true_joints[:, :last], dtype=np.float64)
    roots = {name: bones[:, list(part.root)].mean(axis=1) for name, part in parts.items()}
    for name, part in parts.items():
        moved = bones[:, list(part.joints)] - roots[name][:, None]
        found[f"{name}-MPJPE"] = _lengths(moved).mean(axis=1)
    chosen = np.concatenate([vertices_of[name] for name in parts])
    ends = np.cumsum([len(vertices_of[name]) for name in parts]).tolist()
    spans = dict(zip(parts, zip([0, *ends], ends, strict=False), strict=True))
    # one at a time stays in the cache
    for person, meshes in enumerate(zip(vertices, true_vertices, strict=True)):
        apart = np.subtract(*meshes, dtype=np.float64)
        moved = np.take(apart.T, chosen, axis=1)  # (3,P)
        for name, (start, end) in spans.items():
            moved[:, start:end] -= roots[name][person][:, None]
        x, y, z = moved * moved
        distances = np.sqrt(x + y + z)
        for name, (start, end) in spans.items():
            found[f"{name}-MVE"][person] = distances[start:end].mean()
    return found


def _lengths(points: Array) -> Array:
    """(...,3) -> (...)."""
    squares: Array = np.einsum("...c,...c->...", points, points)
    return np.asarray(np.sqrt(squares))
