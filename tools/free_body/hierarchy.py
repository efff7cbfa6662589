"""Coarser meshes of the same body: kept vertices, up-sampling weights, normalised adjacency."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tools.free_body.decimate import Decimator, Settings, quadrics
from tools.free_body.surfaces import border_edges, compact, edges_of, take_half, whole_again

Array = NDArray[Any]

# A flat price on edge length: coarse levels want even triangles more than a true outline.
SETTINGS = Settings(length_weight=0.05, skin_weight=0.0, worst_turn=0.3, sliver=0.10)
NEIGHBOURS = 10


def closest_in_triangle(point: Array, corner: Array) -> Array:
    """point (N,3), corner (N,3,3) -> barycentric weights (N,3) >= 0 of the closest point."""
    a, b, c = corner[:, 0], corner[:, 1], corner[:, 2]
    options = [_plane_weights(point, corner)]
    for first, second, columns in ((a, b, (0, 1)), (b, c, (1, 2)), (c, a, (2, 0))):
        along = second - first
        share = ((point - first) * along).sum(1) / np.maximum((along**2).sum(1), 1e-20)
        weight = np.zeros((len(point), 3))
        weight[:, columns[1]] = np.clip(share, 0, 1)
        weight[:, columns[0]] = 1 - weight[:, columns[1]]
        options.append(weight)
    stacked = np.stack(options, 1)
    place = np.einsum("nok,nkc->noc", stacked, corner)
    distance = np.linalg.norm(place - point[:, None], axis=2)
    distance[(stacked < 0).any(2)] = np.inf
    return np.asarray(stacked[np.arange(len(point)), distance.argmin(1)])


def _plane_weights(point: Array, corner: Array) -> Array:
    """-> barycentric weights (N,3) of the foot of the perpendicular, possibly negative."""
    u, v, w = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0], point - corner[:, 0]
    uu, uv, vv = (u * u).sum(1), (u * v).sum(1), (v * v).sum(1)
    wu, wv = (w * u).sum(1), (w * v).sum(1)
    size = np.maximum(uu * vv - uv * uv, 1e-30)
    second, third = (vv * wu - uv * wv) / size, (uu * wv - uv * wu) / size
    return np.stack([1 - second - third, second, third], 1)


def closest_on_mesh(points: Array, vertices: Array, faces: Array) -> tuple[Array, Array]:
    """points (N,3) -> face (N,) and weights (N,3) of the closest point on the mesh.

    Only faces around the ten nearest vertices are tried, which is enough for even meshes.
    """
    used = np.unique(faces)
    _, near = cKDTree(vertices[used]).query(points, min(NEIGHBOURS, len(used)))
    order = np.argsort(faces.ravel(), kind="stable")
    first = np.searchsorted(faces.ravel()[order], np.arange(len(vertices) + 1))
    best = np.full(len(points), np.inf)
    face, weight = np.zeros(len(points), int), np.zeros((len(points), 3))
    for index, vertex in enumerate(used[near]):
        tried = np.unique(np.concatenate([order[first[v] : first[v + 1]] for v in vertex]) // 3)
        corner = vertices[faces[tried]]
        found = closest_in_triangle(np.repeat(points[index : index + 1], len(tried), 0), corner)
        away = np.linalg.norm(np.einsum("nk,nkc->nc", found, corner) - points[index], axis=1)
        if away.min() < best[index]:
            winner = int(away.argmin())
            best[index], face[index], weight[index] = away[winner], tried[winner], found[winner]
    return face, weight


def coarser(
    points: Array, faces: Array, count: int, mirror: Array | None, rim: int, marked: Array
) -> tuple[Array, Array, Array]:
    """points (K,V,3), faces (F,3) -> (kept (count,), faces (F2,3), mirror (count,) or empty).

    With a mirror the left half is thinned and mirrored; without, the open rim shrinks to `rim`.
    `marked` vertices stay: a finger whose tip goes is lost to a coarse mesh.
    """
    if mirror is not None:
        half = take_half(faces, mirror, points[0, :, 0])
        quadric, area = quadrics(points, faces)
        thin = Decimator(
            points[:, half.kept],
            half.faces,
            half.on_line.astype(int),
            extra=(quadric[half.kept], area[half.kept]),
            settings=SETTINGS,
        )
        thin.keep(np.flatnonzero(np.isin(half.kept, marked)))
        thin.run(points.shape[1] - count, side_worth=2)
        return whole_again(half, *thin.result(), mirror)
    line = np.zeros(points.shape[1], int)
    on_rim = np.unique(border_edges(faces))
    line[on_rim] = 1
    thin = Decimator(points, faces, line, settings=SETTINGS)
    thin.keep(marked)
    thin.run(len(on_rim) - rim, only_line=1)
    thin.keep(np.flatnonzero(line))
    thin.run(points.shape[1] - len(on_rim) + rim - count)
    kept, left = thin.result()
    return kept, compact(left)[1], np.zeros(0, int)


def upsampling(fine: Array, coarse: Array, faces: Array, kept: Array) -> tuple[Array, Array, Array]:
    """fine (V,3), coarse (C,3) = fine[kept] -> rows, columns, values of the (V,C) up-sampling."""
    rest = np.setdiff1d(np.arange(len(fine)), kept)
    face, weight = closest_on_mesh(fine[rest], coarse, faces)
    rows = np.concatenate([kept, np.repeat(rest, 3)])
    columns = np.concatenate([np.arange(len(kept)), faces[face].ravel()])
    values = np.concatenate([np.ones(len(kept)), weight.ravel()])
    used = values > 1e-7
    order = np.lexsort((columns[used], rows[used]))
    return rows[used][order], columns[used][order], values[used][order]


def normalised_adjacency(faces: Array, count: int) -> tuple[Array, Array]:
    """faces (F,3) -> index (2,N) row major, values (N,) of D^-1 (A + I): rows sum to 1."""
    edges = edges_of(faces)
    own = np.repeat(np.arange(count)[:, None], 2, 1)
    pairs = np.concatenate([edges, edges[:, ::-1], own])
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    degree = np.bincount(pairs[:, 0], minlength=count)
    return pairs.T, 1 / degree[pairs[:, 0]]


def hierarchy(
    shapes: Array,
    faces: Array,
    counts: tuple[int, ...],
    mirror: Array | None,
    rim: int = 0,
    marked: tuple[int, ...] = (),
) -> dict[str, Array]:
    """shapes (K,V,3), the template first -> the arrays of hierarchy_*.npz; `marked` never go."""
    levels: dict[str, Array] = {"faces_0": faces.astype(np.int32)}
    levels["edges_0"] = edges_of(faces).astype(np.int32)
    if mirror is not None:
        levels["mirror_0"] = mirror.astype(np.int32)
    points, in_0 = shapes, np.arange(shapes.shape[1])
    for level, count in enumerate(counts):
        kept, coarse, partner = coarser(
            points, faces, count, mirror, rim, np.flatnonzero(np.isin(in_0, marked))
        )
        row, column, value = upsampling(points[0], points[0, kept], coarse, kept)
        levels[f"D_{level}_index"] = kept.astype(np.int32)
        levels[f"U_{level}_row"] = row.astype(np.int32)
        levels[f"U_{level}_col"] = column.astype(np.int32)
        levels[f"U_{level}_val"] = value.astype(np.float32)
        levels[f"U_{level}_shape"] = np.array([points.shape[1], count], np.int64)
        in_0 = in_0[kept]
        points, faces = points[:, kept], coarse
        name = level + 1
        levels[f"faces_{name}"] = faces.astype(np.int32)
        levels[f"edges_{name}"] = edges_of(faces).astype(np.int32)
        levels[f"level_{name}_in_0"] = in_0.astype(np.int32)
        index, weight = normalised_adjacency(faces, count)
        levels[f"adj_norm_{name}_index"] = index.astype(np.int64)
        levels[f"adj_norm_{name}_value"] = weight.astype(np.float32)
        if mirror is not None:
            mirror = partner
            levels[f"mirror_{name}"] = mirror.astype(np.int32)
    return levels
