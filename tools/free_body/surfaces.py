"""Cuts or closes mouth and eye pockets, takes half of a symmetric mesh, and mirrors it back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

Array = NDArray[Any]

EYE_MARGIN = 1.02  # of the eyeball's radius: lids lie on the ball, not in it


@dataclass(frozen=True)
class HalfMesh:
    """The left half: kept vertices (H,) of the whole, faces (F,3) into them, who is on the line."""

    kept: Array
    faces: Array
    on_line: Array


def edges_of(faces: Array) -> Array:
    """faces (F,3) -> unique undirected edges (E,2), smaller index first."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return np.unique(np.sort(ends, 1), axis=0)


def border_edges(faces: Array) -> Array:
    """faces (F,3) -> directed edges (B,2) that belong to one face only."""
    directed = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    size = int(faces.max()) + 1
    key = directed[:, 0].astype(np.int64) * size + directed[:, 1]
    back = directed[:, 1].astype(np.int64) * size + directed[:, 0]
    return directed[~np.isin(key, back)]


def euler(faces: Array) -> int:
    """faces (F,3) -> vertices - edges + faces."""
    return len(np.unique(faces)) - len(edges_of(faces)) + len(faces)


def pocket_vertices(faces: Array, inside: Array) -> tuple[Array, Array]:
    """faces (F,3), inside (F,) bool -> (vertices of the pocket alone, vertices of its rim)."""
    within, without = np.unique(faces[inside]), np.unique(faces[~inside])
    return np.setdiff1d(within, without), np.intersect1d(within, without)


def harmonic_fill(faces: Array, inner: Array, rim: Array) -> Array:
    """-> matrix (len(inner), len(rim)): each inner vertex as the mean of its neighbours."""
    size = int(faces.max()) + 1
    edges = edges_of(faces)
    used = np.isin(edges, np.concatenate([inner, rim])).all(1)
    pairs = np.concatenate([edges[used], edges[used][:, ::-1]])
    graph = sp.csr_matrix((np.ones(len(pairs)), pairs.T), shape=(size, size))
    degree = np.asarray(graph[inner].sum(1)).ravel()
    system = sp.diags(degree) - graph[inner][:, inner]
    return np.asarray(splu(system.tocsc()).solve(graph[inner][:, rim].toarray()))


def close_pockets(
    samples: Array, faces: Array, labels: Array, eyes: Array, radius: Array, mirror: Array
) -> Array:
    """samples (S,N,3), left eye centres eyes (S,3), radius (S,) -> (S,N,3): lips and lids shut.

    Pocket vertices move to the harmonic fill of the rim; for the eyes they are then pushed
    out to the ball, so that the surface stays closed and nothing lies inside.
    """
    closed = samples.copy()
    mouth = labels == "mouth_cavity"
    inner, rim = pocket_vertices(faces, mouth)
    closed[:, inner] = np.einsum(
        "ir,src->sic", harmonic_fill(faces[mouth], inner, rim), samples[:, rim]
    )
    closed[:, inner] = closed[:, inner] / 2 + closed[:, mirror[inner]] * np.array([-0.5, 0.5, 0.5])
    lid = labels == "eye_cavity.L"
    inner, rim = pocket_vertices(faces, lid)
    filled = np.einsum("ir,src->sic", harmonic_fill(faces[lid], inner, rim), samples[:, rim])
    away = filled - eyes[:, None]
    distance = np.linalg.norm(away, axis=2, keepdims=True)
    wanted = np.maximum(distance, EYE_MARGIN * radius[:, None, None])
    closed[:, inner] = eyes[:, None] + away / distance * wanted
    closed[:, mirror[inner]] = closed[:, inner] * np.array([-1.0, 1, 1])
    return closed


def take_half(faces: Array, mirror: Array, side: Array) -> HalfMesh:
    """faces (F,3), mirror (N,), side (N,) x of a symmetric mesh -> its left half."""
    on_line = mirror == np.arange(len(mirror))
    left = (side[faces] * ~on_line[faces]).sum(1) > 0
    kept = np.unique(faces[left])
    number = np.full(len(mirror), -1)
    number[kept] = np.arange(len(kept))
    return HalfMesh(kept, number[faces[left]], on_line[kept])


def whole_again(
    half: HalfMesh, alive: Array, faces: Array, mirror: Array
) -> tuple[Array, Array, Array]:
    """alive (A,) vertices left in the half, faces (F,3) of the half
    -> (vertices of the original (V,) ascending, faces (2F,3), mirror (V,))."""
    left = half.kept[alive]
    vertices = np.unique(np.concatenate([left, mirror[left]]))
    number = np.full(len(mirror), -1)
    number[vertices] = np.arange(len(vertices))
    here = half.kept[faces]
    both = np.concatenate([number[here], number[mirror[here]][:, ::-1]])
    return vertices, both, number[mirror[vertices]]


def compact(faces: Array) -> tuple[Array, Array]:
    """faces (F,3) -> (vertices used (V,), the faces with numbers into them (F,3))."""
    used, flat = np.unique(faces, return_inverse=True)
    return used, flat.reshape(faces.shape)
