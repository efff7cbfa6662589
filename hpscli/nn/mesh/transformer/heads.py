"""From the last tokens to a camera, and from a coarse mesh to a fine one."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from hpscli.body.hierarchy import Hierarchy
from hpscli.nn.mesh.precision import full_precision


class CameraHead(nn.Module):
    """points (B,N,3) -> camera (B,3) = s, tx, ty: three linear layers without activation."""

    def __init__(self, points: int, width: int) -> None:
        super().__init__()
        self.per_point = nn.Linear(3, 1)
        self.inner = nn.Linear(points, width)
        self.output = nn.Linear(width, 3)

    def forward(self, points: Tensor) -> Tensor:
        """points (B,N,3) -> camera (B,3)."""
        with full_precision(points):
            values = self.per_point(points.to(self.output.weight.dtype)).squeeze(-1)
            return self.output(self.inner(values))  # type: ignore[no-any-return]


class LearnedUpsampling(nn.Module):
    """coarse vertices (B,V,3) -> all levels, coarse to fine: a linear layer over vertices for each."""

    def __init__(self, sizes: Sequence[int]) -> None:
        """sizes: vertices of the levels, coarse to fine."""
        super().__init__()
        pairs = zip(sizes[:-1], sizes[1:], strict=True)
        self.steps = nn.ModuleList(nn.Linear(coarse, fine) for coarse, fine in pairs)

    def forward(self, vertices: Tensor) -> tuple[Tensor, ...]:
        """vertices (B,V,3) -> the vertices of every level, coarse to fine."""
        levels = [vertices]
        for step in self.steps:
            levels.append(_over_vertices(step, levels[-1]))
        return tuple(levels)


class FixedUpsampling(nn.Module):
    """coarse vertices (B,V,3) -> all levels, coarse to fine, by the matrices of the mesh levels."""

    def __init__(self, hierarchy: Hierarchy) -> None:
        super().__init__()
        # An own copy: the kit's levels stay where the kit is.
        self.hierarchy = deepcopy(hierarchy).to(torch.empty(0).device)

    def forward(self, vertices: Tensor) -> tuple[Tensor, ...]:
        """vertices (B,V,3) -> the vertices of every level, coarse to fine."""
        levels = [vertices]
        for level in range(self.hierarchy.levels - 1, 0, -1):
            levels.append(self.hierarchy.up(levels[-1], level, level - 1))
        return tuple(levels)


def _over_vertices(step: Any, vertices: Tensor) -> Tensor:
    with full_precision(vertices):
        columns = vertices.to(step.weight.dtype).transpose(1, 2)
        return step(columns).transpose(1, 2)  # type: ignore[no-any-return]
