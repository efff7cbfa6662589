"""The decoder of hands and of the face: joints attend to each other and to three maps around them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hps_models.osx.parts.deformable import DROPOUT, DeformableAttention, sine_positions

HEADS, GROUPS = 8, 32
LEVELS = 3
LEVEL_ROWS = 4  # the official table has a row more than there are maps


class SelfAttention(nn.Module):
    """Joints attend to joints: positions are in queries and keys, not in values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, joints: Tensor, position: Tensor) -> Tensor:
        """joints (B,J,C), position (J,C) -> joints (B,J,C)."""
        batch, count, width = joints.shape
        weight, bias = self.projection.weight, self.projection.bias
        both = functional.linear(joints + position, weight[: 2 * width], bias[: 2 * width])
        value = functional.linear(joints, weight[2 * width :], bias[2 * width :])
        query, key = both.chunk(2, dim=2)
        split = (batch, count, HEADS, width // HEADS)
        query, key, value = (part.reshape(split).transpose(1, 2) for part in (query, key, value))
        dropped = DROPOUT if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropped)
        result: Tensor = joints + self.dropout(self.output(mixed.transpose(1, 2).flatten(2)))
        return result


class FeedForward(nn.Module):
    """joints (B,J,C) -> joints (B,J,C)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, joints: Tensor) -> Tensor:
        """joints (B,J,C) -> joints (B,J,C)."""
        inner = self.dropout(functional.relu(self.first(joints)))
        result: Tensor = joints + self.dropout(self.second(inner))
        return result


class DecoderLayer(nn.Module):
    """Self-attention, deformable attention, two layers; each normalised afterwards."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.joints = SelfAttention(width)
        self.maps = DeformableAttention(width, heads=HEADS, levels=LEVELS)
        self.feed_forward = FeedForward(width, hidden)
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(3)])

    def forward(
        self, joints: Tensor, position: Tensor, maps: Sequence[Tensor], reference: Tensor
    ) -> Tensor:
        """joints (B,J,C) -> joints (B,J,C)."""
        joints = self.norms[0](self.joints(joints, position))
        joints = self.norms[1](self.maps(joints, position, maps, reference))
        result: Tensor = self.norms[2](self.feed_forward(joints))
        return result


class Decoder(nn.Module):
    """Maps (fine to coarse), joint features (B,J,C), reference (B,J,2) -> joint features (B,J,C).

    `side`: of the coarsest map, in cells; the others are two and four times as large.
    """

    def __init__(
        self, channels: int, joints: int, side: int, *, width: int, hidden: int, layers: int
    ) -> None:
        super().__init__()
        self.neck = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(channels // divisor, width, 1, bias=False),
                    nn.GroupNorm(GROUPS, width),
                )
                for divisor in (4, 2, 1)
            ]
        )
        self.level_embedding = nn.Parameter(torch.empty(LEVEL_ROWS, width))
        self.position = nn.Parameter(torch.empty(joints, width))
        self.layers = nn.ModuleList([DecoderLayer(width, hidden) for _ in range(layers)])
        for level in range(LEVELS):
            size = side * 2 ** (LEVELS - 1 - level)
            waves = sine_positions(width, size, size)
            self.register_buffer(f"waves_{level}", waves, persistent=False)

    def forward(self, maps: Sequence[Tensor], joints: Tensor, reference: Tensor) -> Tensor:
        """Maps (B,C/4,4s,4s) (B,C/2,2s,2s) (B,C,s,s), joints (B,J,C'), (B,J,2) -> (B,J,C')."""
        memory = [
            self.neck[level](features)
            + self.get_buffer(f"waves_{level}")
            + self.level_embedding[level][:, None, None]
            for level, features in enumerate(maps)
        ]
        for layer in self.layers:
            joints = layer(joints, self.position, memory, reference)
        return joints
