"""Multi-head attention with packed projections, fused; and the 2-D sine code of image tokens."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

TEMPERATURE = 10000.0
TINY = 1e-6  # added to the side of the map, so that a row never divides by zero


class Attention(nn.Module):
    """Tensors named and packed as in torch's own attention: rows of `in_proj` are q, k, v."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.width, self.heads, self.dropout = width, heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def project(self, tokens: Tensor, first: int, last: int) -> tuple[Tensor, ...]:
        """tokens (B,N,C) -> its projections `first` .. `last` - 1 of q, k, v, each (B,heads,N,D)."""
        rows = slice(first * self.width, last * self.width)
        packed = functional.linear(tokens, self.in_proj_weight[rows], self.in_proj_bias[rows])
        batch, count, _ = tokens.shape
        parts = packed.view(batch, count, last - first, self.heads, self.width // self.heads)
        return tuple(parts.permute(2, 0, 3, 1, 4))

    def attend(self, query: Tensor, key: Tensor, value: Tensor, allowed: Tensor | None) -> Tensor:
        """Projections (B,heads,N,D), (B,heads,M,D), mask (N,M) True = may attend -> (B,N,C)."""
        mixed = functional.scaled_dot_product_attention(
            query, key, value, allowed, dropout_p=self.dropout if self.training else 0.0
        )
        merged: Tensor = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return merged


def sine_code(width: int, rows: int, columns: int) -> Tensor:
    """-> (rows * columns, width) float32: sine and cosine of y, then of x, row by row."""
    half = width // 2
    pair = torch.arange(half) // 2
    period = TEMPERATURE ** (2 * pair / half)
    codes = []
    for size in (rows, columns):
        angle = torch.arange(1, size + 1)[:, None] * (2 * math.pi / (size + TINY)) / period
        code = torch.where(torch.arange(half) % 2 == 0, angle.sin(), angle.cos())
        codes.append(code)
    y = codes[0][:, None].expand(rows, columns, half)
    x = codes[1][None].expand(rows, columns, half)
    return torch.cat([y, x], dim=2).flatten(0, 1)
