"""Which triangle is seen in which pixel: an exact z-buffer, numpy for one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

NEAR_M = 1e-3  # triangles with a corner nearer than this are dropped, not clipped
CHUNK = 2_000_000  # triangle-pixel pairs looked at in one go: about 250 MB
EDGE = 1e-7  # barycentrics this far below zero still count, so that shared edges leave no holes


@dataclass(frozen=True)
class Raster:
    """face (H,W) int32, -1 where nothing is; barycentric (H,W,3); depth (H,W) metres, inf there."""

    face: NDArray[np.int32]
    barycentric: NDArray[np.float32]
    depth: NDArray[np.float32]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """-> (H,W) bool: pixels that show the mesh."""
        return self.face >= 0

    def corners(self, faces: Integers) -> NDArray[np.int64]:
        """-> (N,3) vertex numbers of the seen triangle, for the N pixels of `mask`, row by row."""
        return np.asarray(faces)[self.face[self.mask]].astype(np.int64)

    def interpolate(self, values: Floats, faces: Integers) -> Floats:
        """values (V,C) on vertices -> (N,C) at the N pixels of `mask`, perspective-correct."""
        weights = self.barycentric[self.mask]
        index = self.corners(faces)
        blended: Floats = weights[:, 0, None] * values[index[:, 0]]
        blended += weights[:, 1, None] * values[index[:, 1]]
        blended += weights[:, 2, None] * values[index[:, 2]]
        return blended


def rasterize(
    vertices_px: Floats,
    faces: Integers,
    height: int,
    width: int,
    *,
    cull: bool = False,
    chunk: int = CHUNK,
) -> Raster:
    """vertices (V,3) x px, y px, depth m; faces (F,3) -> the nearest triangle of every pixel.

    Pixel (row, column) has its centre at y = row, x = column. `cull` drops triangles seen from
    behind (outside = counter-clockwise): right for closed meshes, and faster.
    """
    visible, box = _candidates(vertices_px, faces, height, width, cull)
    corner = vertices_px[faces[visible]].astype(np.float64)
    plane = _edge_planes(corner)
    inverse_depth = np.zeros(height * width, np.float32)
    face = np.full(height * width, -1, np.int32)
    barycentric = np.zeros((height * width, 3), np.float32)
    count = (box[:, 2] * box[:, 3]).astype(np.int64)
    for start, stop in _chunks(count, chunk):
        pixel, triangle, weights, nearness = _hits(plane, box, start, stop, width)
        order = np.argsort(nearness, kind="stable")
        order = order[nearness[order] >= inverse_depth[pixel[order]]]
        target = pixel[order]  # numpy writes repeated targets in order: the nearest comes last
        inverse_depth[target] = nearness[order]
        face[target] = visible[triangle[order]]
        barycentric[target] = weights[order]
    depth = np.full(height * width, np.inf, np.float32)
    np.divide(1.0, inverse_depth, out=depth, where=face >= 0)
    return Raster(
        face.reshape(height, width),
        barycentric.reshape(height, width, 3),
        depth.reshape(height, width),
    )


def _candidates(
    vertices_px: Floats, faces: Integers, height: int, width: int, cull: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """-> faces that may show (M,), and their boxes (M,4): left, top, columns, rows, clipped."""
    x, y, z = (vertices_px[:, i][faces] for i in range(3))
    with np.errstate(invalid="ignore", over="ignore"):
        low_x = np.clip(np.ceil(x.min(1)), 0, width)
        low_y = np.clip(np.ceil(y.min(1)), 0, height)
        high_x = np.clip(np.floor(x.max(1)), -1, width - 1)
        high_y = np.clip(np.floor(y.max(1)), -1, height - 1)
        area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
        keep = (high_x >= low_x) & (high_y >= low_y) & (z.min(1) > NEAR_M) & np.isfinite(area)
        # y points down in pictures, so a triangle facing the camera turns with negative area
        keep &= (area < 0) if cull else (area != 0)
    visible = np.flatnonzero(keep)
    box = np.stack([low_x, low_y, high_x - low_x + 1, high_y - low_y + 1], axis=1)[visible]
    return visible, box.astype(np.int64)


def _edge_planes(corner: NDArray[np.float64]) -> NDArray[np.float64]:
    """corner (M,3,3) -> (M,9): origin x, y; gradients of weights 1 and 2; 1/z of the corners."""
    x0, y0 = corner[:, 0, 0], corner[:, 0, 1]
    x1, y1 = corner[:, 1, 0] - x0, corner[:, 1, 1] - y0
    x2, y2 = corner[:, 2, 0] - x0, corner[:, 2, 1] - y0
    area = x1 * y2 - x2 * y1
    area = np.where(area == 0, np.inf, area)  # flat in float64: its weights become 0, no warning
    near = 1.0 / corner[:, :, 2]
    columns = [x0, y0, y2 / area, -x2 / area, -y1 / area, x1 / area]
    return np.concatenate([np.stack(columns, axis=1), near], axis=1)


def _chunks(count: NDArray[np.int64], chunk: int) -> list[tuple[int, int]]:
    """-> ranges of triangles of about `chunk` candidate pixels each (at least one triangle)."""
    if not len(count):
        return []
    group = (np.cumsum(count) - count) // chunk
    starts = np.flatnonzero(np.r_[True, group[1:] != group[:-1]])
    return list(zip(starts.tolist(), [*starts[1:].tolist(), len(count)], strict=True))


def _hits(
    plane: NDArray[np.float64], box: NDArray[np.int64], start: int, stop: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    """-> pixel number, triangle, weights (N,3) and 1/depth of every pixel centre in a triangle."""
    count = box[start:stop, 2] * box[start:stop, 3]
    triangle = np.repeat(np.arange(start, stop), count)
    step = np.arange(len(triangle)) - np.repeat(np.cumsum(count) - count, count)
    row, column = np.divmod(step, np.repeat(box[start:stop, 2], count))
    row += np.repeat(box[start:stop, 1], count)
    column += np.repeat(box[start:stop, 0], count)
    x = column - plane[triangle, 0]
    y = row - plane[triangle, 1]
    second = plane[triangle, 2] * x + plane[triangle, 3] * y
    third = plane[triangle, 4] * x + plane[triangle, 5] * y
    first = 1.0 - second - third
    inside = np.flatnonzero((first >= -EDGE) & (second >= -EDGE) & (third >= -EDGE))
    triangle = triangle[inside]
    weights = np.stack([first[inside], second[inside], third[inside]], axis=1)
    weights = np.maximum(weights, 0.0) * plane[triangle, 6:9]
    nearness = weights.sum(1)
    weights /= nearness[:, None]
    pixel = row[inside] * width + column[inside]
    return pixel, triangle, weights.astype(np.float32), nearness.astype(np.float32)
