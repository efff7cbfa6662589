"""Deformable attention that projects its values after sampling them, as OSX and its ED-Pose code.

Few queries look at large maps: sampling all channels and projecting what was sampled costs less than
projecting the maps.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

DROPOUT = 0.1  # of the official configuration, in training
TEMPERATURE = 10000.0


class DeformableAttention(nn.Module):
    """queries (B,J,C), their positions, maps, reference points (B,J,2) -> queries (B,J,C)."""

    def __init__(self, width: int, *, heads: int = 8, levels: int = 3, points: int = 4) -> None:
        super().__init__()
        self.heads, self.levels, self.points = heads, levels, points
        samples = heads * levels * points
        self.offsets = nn.Linear(width, samples * 2)
        self.weights = nn.Linear(width, samples)
        self.value_weight = nn.Parameter(torch.empty(heads * width, width // heads))
        self.value_bias = nn.Parameter(torch.empty(heads, width // heads))
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(
        self, queries: Tensor, position: Tensor, maps: Sequence[Tensor], reference: Tensor
    ) -> Tensor:
        """queries (B,J,C), position (J,C), maps (B,C,h,w), reference (B,J,2) 0..1 -> (B,J,C)."""
        asked = queries + position
        split = (*asked.shape[:2], self.heads, self.levels, self.points)
        offsets = self.offsets(asked).float().view(*split, 2)
        weights = self.weights(asked).float().view(*split[:3], -1).softmax(dim=-1).view(split)
        gathered = torch.stack(
            [
                _sample(features, reference, offsets[:, :, :, level], weights[:, :, :, level])
                for level, features in enumerate(maps)
            ]
        ).sum(dim=0)
        matrices = self.value_weight.view(self.heads, -1, self.value_weight.shape[1])
        values = torch.einsum("bcjh,hcd->bjhd", gathered.to(matrices.dtype), matrices)
        values = (values + self.value_bias).flatten(2)
        result: Tensor = queries + self.dropout(self.output(values))
        return result


def _sample(features: Tensor, reference: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
    """Map (B,C,h,w), reference (B,J,2), offsets (B,J,H,P,2) in cells, weights (B,J,H,P) -> (B,C,J,H)."""
    height, width = features.shape[2:]
    places = reference[:, :, None, None] + offsets / offsets.new_tensor([width, height])
    grid = (places * 2 - 1).flatten(2, 3)
    sampled = functional.grid_sample(features.float(), grid, align_corners=False)
    sampled = sampled.view(*sampled.shape[:3], *weights.shape[2:])
    return (sampled * weights[:, None]).sum(dim=-1)


def sine_positions(channels: int, height: int, width: int) -> Tensor:
    """-> (channels,height,width): sines and cosines of the row, then of the column."""
    half = channels // 2
    index = torch.arange(half)
    wavelength = TEMPERATURE ** (2 * (index // 2) / half)

    def waves(count: int) -> Tensor:
        turn = (torch.arange(count) + 0.5) / (count + 1e-6) * (2 * math.pi)
        angle = turn[:, None] / wavelength
        return torch.where(index % 2 == 0, angle.sin(), angle.cos()).T

    rows = waves(height)[:, :, None].expand(half, height, width)
    columns = waves(width)[:, None].expand(half, height, width)
    return torch.cat([rows, columns])
