"""Mesh hierarchies: of the downsampling archives, the sampling matrices and nothing else.

Their members V and M are meshes under the licences of MANO and SMPL: they are never read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpscli.body.official.found import Found, Piece, Unneeded
from hpscli.body.official.records import Sparse
from hpscli.errors import InvalidData

KEYS = ("A", "U", "D")  # adjacency, up, down
FINEST = {6890: "smpl", 778: "mano"}
LEVELS = {"smpl": 3, "mano": 2}  # levels that networks use; MANO's file goes on to 4 vertices
COARSEST = {431: "adjacency-smpl", 195: "adjacency-mano"}
ROW_SUM_TOLERANCE = 1e-4


def recognise_sampling(content: Mapping[str, Any], name: str) -> Found | Unneeded | None:
    """-> the hierarchy of an archive with members A, U, D; the other members stay unread."""
    if not set(content) >= set(KEYS):
        return None
    from hpscli.body.hierarchy import normalised_adjacency  # brings torch: only when needed

    adjacency, up, down = (_matrices(content[key]) for key in KEYS)
    if not adjacency or not up or not down:
        return None
    kind = FINEST.get(adjacency[0].shape[0])
    if kind is None:
        return Unneeded(f"a sampling hierarchy of {adjacency[0].shape[0]} vertices: not needed")
    levels = LEVELS[kind]
    if len(adjacency) < levels or min(len(up), len(down)) < levels - 1:
        raise _does_not_fit(name)
    arrays: dict[str, np.ndarray] = {}
    sizes = [matrix.shape[0] for matrix in adjacency[:levels]]
    for level, matrix in enumerate(adjacency[:levels]):
        pairs = np.stack([matrix.row, matrix.column], axis=1)
        index, value = normalised_adjacency(pairs, matrix.shape[0])
        arrays[f"adj_norm_{level}_index"], arrays[f"adj_norm_{level}_value"] = index, value
        above = matrix.row < matrix.column
        arrays[f"edges_{level}"] = np.stack(
            [matrix.row[above], matrix.column[above]], axis=1
        ).astype(np.int32)
    for level in range(levels - 1):
        wanted = (sizes[level + 1], sizes[level])
        if down[level].shape != wanted or up[level].shape != wanted[::-1]:
            raise _does_not_fit(name)
        arrays[f"D_{level}_index"] = _selection(down[level], name)
        arrays[f"U_{level}_row"] = up[level].row.astype(np.int32)
        arrays[f"U_{level}_col"] = up[level].column.astype(np.int32)
        arrays[f"U_{level}_val"] = up[level].value.astype(np.float32)
        arrays[f"U_{level}_shape"] = np.array(up[level].shape, np.int64)
    path = " -> ".join(map(str, sizes))
    return Found(
        id=f"sampling-{kind}",
        arrays=arrays,
        meta={"kind": kind, "levels": sizes},
        note=f"{path}; only the matrices A, U, D were read",
    )


def join_adjacency(pieces: Sequence[Piece]) -> Found | None:
    """The index and value files of one matrix -> the matrix; None when they do not make one."""
    for index in (piece for piece in pieces if piece.part == "index"):
        size = int(index.value.max()) + 1
        asset = COARSEST.get(size)
        for value in (piece for piece in pieces if piece.part == "value"):
            if asset is None or value.value.size != index.value.shape[1]:
                continue
            sums = np.bincount(index.value[0], weights=value.value, minlength=size)
            if np.abs(sums - 1).max() > ROW_SUM_TOLERANCE:
                continue
            return Found(
                id=asset,
                arrays={
                    "index": index.value.astype(np.int64),
                    "value": value.value.astype(np.float32),
                    "shape": np.array([size, size], np.int64),
                },
                meta={
                    "kind": asset.removeprefix("adjacency-"),
                    "parts": {piece.where: piece.sha256 for piece in (index, value)},
                },
                note=f"{size} vertices, {value.value.size} entries",
            )
    return None


def _matrices(value: Any) -> list[Sparse]:
    items = value.reshape(-1).tolist() if isinstance(value, np.ndarray) else value
    good = isinstance(items, list) and all(isinstance(item, Sparse) for item in items)
    return items if good else []


def _selection(matrix: Sparse, name: str) -> np.ndarray:
    """Rows with a single 1 -> the column of each row."""
    order = np.argsort(matrix.row, kind="stable")
    rows = matrix.row[order]
    if not np.array_equal(rows, np.arange(matrix.shape[0])) or not (matrix.value == 1).all():
        raise _does_not_fit(name)
    return matrix.column[order].astype(np.int32)


def _does_not_fit(name: str) -> InvalidData:
    return InvalidData(
        f"the matrices of {name} do not fit together as a sampling hierarchy.",
        "The file is damaged or was made by another program: download it again.",
    )
