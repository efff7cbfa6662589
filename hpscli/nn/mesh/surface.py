"""Edges, triangles and normals of a mesh: what keeps a predicted surface smooth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Array = np.ndarray[Any, np.dtype[Any]]

LENGTH_EPSILON = 1e-8  # inside the root, as official FastMETRO: a length of zero has a gradient


def graph_edges(adjacency: Tensor) -> Tensor:
    """Sparse adjacency (V,V), with or without self loops -> its edges (E,2), i < j, each once."""
    index = adjacency.coalesce().indices()
    pairs = torch.sort(index[:, index[0] != index[1]], dim=0).values
    unique: Tensor = torch.unique(pairs, dim=1).T
    return unique


def graph_triangles(edges: Tensor) -> Tensor:
    """edges (E,2), i < j -> every three vertices that are neighbours of each other (F,3), i < j < k.

    Official FastMETRO takes these for the faces of its middle mesh. Some are none: a corner with
    three neighbours in a ring closes one triangle too many, and the winding is not that of a surface.
    """
    later: dict[int, set[int]] = {}
    pairs = edges.cpu().tolist()
    for first, second in pairs:
        later.setdefault(first, set()).add(second)
    found = sorted(
        (first, second, third)
        for first, second in pairs
        for third in later[first] & later.get(second, set())
    )
    return torch.tensor(found, dtype=torch.int64).reshape(-1, 3)


def face_edges(faces: Array | Tensor) -> Tensor:
    """faces (F,3) -> three edges of every face (3F,2); an edge of two faces is there twice."""
    corners = torch.as_tensor(np.asarray(faces), dtype=torch.int64)
    return torch.cat([corners[:, [0, 1]], corners[:, [0, 2]], corners[:, [1, 2]]])


def edge_lengths(vertices: Tensor, edges: Tensor) -> Tensor:
    """vertices (B,V,3), edges (E,2) -> lengths (B,E) metres."""
    between = vertices[:, edges[:, 0]] - vertices[:, edges[:, 1]]
    return torch.sqrt(between.square().sum(dim=-1) + LENGTH_EPSILON)


def slant(vertices: Tensor, wanted: Tensor, faces: Tensor) -> Tensor:
    """Predicted and true vertices (B,V,3), faces (F,3) -> |cosine| (B,3F) of edge and true normal.

    0 where the predicted edge lies in the true triangle; the winding of the faces does not matter.
    """
    first, second, third = (wanted[:, faces[:, corner]] for corner in range(3))
    one = functional.normalize(second - first, dim=-1)
    two = functional.normalize(third - first, dim=-1)
    normal = functional.normalize(torch.linalg.cross(one, two, dim=-1), dim=-1)
    first, second, third = (vertices[:, faces[:, corner]] for corner in range(3))
    cosines = [
        (functional.normalize(edge, dim=-1) * normal).sum(dim=-1).abs()
        for edge in (second - first, third - first, third - second)
    ]
    return torch.cat(cosines, dim=1)
