"""The z-buffer of raster.py for many meshes at once, in torch (CPU or GPU, no gradients)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hpscli.render.raster import CHUNK, EDGE, NEAR_M


@dataclass(frozen=True)
class RasterBatch:
    """face (B,H,W) int64, -1 where nothing is; barycentric (B,H,W,3); depth (B,H,W), inf there."""

    face: Tensor
    barycentric: Tensor
    depth: Tensor


@torch.no_grad()
def rasterize_batch(
    vertices_px: Tensor,
    faces: Tensor,
    height: int,
    width: int,
    *,
    cull: bool = False,
    chunk: int = CHUNK,
) -> RasterBatch:
    """vertices (B,V,3) x px, y px, depth m; faces (F,3) shared -> nearest triangle per pixel."""
    batch, device = len(vertices_px), vertices_px.device
    corner = vertices_px.double()[:, faces.long()].reshape(-1, 3, 3)  # (B*F,3,3)
    visible, box = _candidates(corner, height, width, cull)
    corner = corner[visible]
    plane = _edge_planes(corner)
    offset = (visible // len(faces)) * (height * width)  # first pixel of the triangle's picture
    nearest = torch.full((batch * height * width,), -1, device=device)
    for start, stop in _chunks(box[:, 2] * box[:, 3], chunk):
        pixel, triangle, nearness = _hits(plane, box, offset, start, stop, width)
        # positive floats sort like their bits: 1/z above, triangle below, one maximum finds both
        key = (nearness.float().view(torch.int32).long() << 32) | visible[triangle]
        nearest.scatter_reduce_(0, pixel, key, "amax")
    seen = torch.nonzero(nearest >= 0).squeeze(1)
    winner = nearest[seen] & 0xFFFFFFFF
    return _picture(vertices_px, faces, seen, winner, (batch, height, width))


def _picture(
    vertices_px: Tensor, faces: Tensor, seen: Tensor, winner: Tensor, shape: tuple[int, int, int]
) -> RasterBatch:
    """-> face, weights and depth of the winning triangle of every pixel that shows one."""
    batch, height, width = shape
    corner = vertices_px.double()[winner // len(faces), faces.long()[winner % len(faces)].T]
    plane = _edge_planes(corner.transpose(0, 1))
    local = seen % (height * width)
    weights, near = _weights(plane, local // width, local % width)
    face = torch.full((batch * height * width,), -1, device=seen.device)
    depth = torch.full((batch * height * width,), torch.inf, device=seen.device)
    barycentric = torch.zeros(batch * height * width, 3, device=seen.device)
    face[seen] = winner % len(faces)
    near, weights = _perspective(weights, near)
    depth[seen] = (1.0 / near).float()
    barycentric[seen] = weights.float()
    return RasterBatch(face.view(shape), barycentric.view(*shape, 3), depth.view(shape))


def _candidates(corner: Tensor, height: int, width: int, cull: bool) -> tuple[Tensor, Tensor]:
    """-> triangles that may show (M,), and their boxes (M,4): left, top, columns, rows, clipped."""
    x, y, z = corner.unbind(-1)
    low_x, low_y = x.amin(1).ceil().clamp(0, width), y.amin(1).ceil().clamp(0, height)
    high_x, high_y = x.amax(1).floor().clamp(-1, width - 1), y.amax(1).floor().clamp(-1, height - 1)
    area = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    keep = (high_x >= low_x) & (high_y >= low_y) & (z.amin(1) > NEAR_M) & area.isfinite()
    keep &= (area < 0) if cull else (area != 0)
    visible = torch.nonzero(keep).squeeze(1)
    box = torch.stack([low_x, low_y, high_x - low_x + 1, high_y - low_y + 1], dim=1)[visible]
    return visible, box.long()


def _edge_planes(corner: Tensor) -> Tensor:
    """corner (M,3,3) -> (M,9): origin x, y; gradients of weights 1 and 2; 1/z of the corners."""
    x0, y0 = corner[:, 0, 0], corner[:, 0, 1]
    x1, y1 = corner[:, 1, 0] - x0, corner[:, 1, 1] - y0
    x2, y2 = corner[:, 2, 0] - x0, corner[:, 2, 1] - y0
    area = x1 * y2 - x2 * y1
    columns = [x0, y0, y2 / area, -x2 / area, -y1 / area, x1 / area]
    return torch.cat([torch.stack(columns, dim=1), 1.0 / corner[:, :, 2]], dim=1)


def _chunks(count: Tensor, chunk: int) -> list[tuple[int, int]]:
    """-> ranges of triangles of about `chunk` candidate pixels each (at least one triangle)."""
    if not len(count):
        return []
    group = (count.cumsum(0) - count) // chunk
    starts = [0, *(torch.nonzero(group[1:] != group[:-1]).squeeze(1) + 1).tolist()]
    return list(zip(starts, [*starts[1:], len(count)], strict=True))


def _hits(
    plane: Tensor, box: Tensor, offset: Tensor, start: int, stop: int, width: int
) -> tuple[Tensor, Tensor, Tensor]:
    """-> pixel number, triangle and 1/depth of every pixel centre inside a triangle."""
    count = box[start:stop, 2] * box[start:stop, 3]
    triangle = torch.repeat_interleave(torch.arange(start, stop, device=box.device), count)
    first = torch.repeat_interleave(count.cumsum(0) - count, count)
    step = torch.arange(len(triangle), device=box.device) - first
    columns = box[triangle, 2]
    row = box[triangle, 1] + step // columns
    column = box[triangle, 0] + step % columns
    weights, near = _weights(plane[triangle], row, column)
    inside = torch.nonzero((weights >= -EDGE).all(1)).squeeze(1)
    nearness, _ = _perspective(weights[inside], near[inside])
    triangle = triangle[inside]
    pixel = offset[triangle] + row[inside] * width + column[inside]
    return pixel, triangle, nearness


def _weights(plane: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
    """-> weights (N,3) of pixel centres in their triangles, flat in the picture; 1/z (N,3)."""
    x, y = column - plane[:, 0], row - plane[:, 1]
    second = plane[:, 2] * x + plane[:, 3] * y
    third = plane[:, 4] * x + plane[:, 5] * y
    return torch.stack([1.0 - second - third, second, third], dim=1), plane[:, 6:9]


def _perspective(weights: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
    """-> 1/depth (N,) and perspective-correct weights (N,3)."""
    weights = weights.clamp(min=0.0) * near
    total = weights.sum(1)
    return total, weights / total[:, None]
