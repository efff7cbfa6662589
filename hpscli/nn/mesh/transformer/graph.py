"""Graph convolution between the vertices of a mesh, as the residual block of Mesh Graphormer."""

import torch
from torch import Tensor, nn
from torch.nn import functional

NORM_EPSILON = 1e-12  # as BERT; 1e-5 moves the official outputs by up to 6e-5


class GraphConvolution(nn.Module):
    """vertices (B,V,C), adjacency (V,V) with rows that sum to 1 -> vertices (B,V,C2)."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(before, after))  # (in, out), not as nn.Linear
        self.bias = nn.Parameter(torch.empty(after))
        bound = 6 / (before + after) ** 0.5  # as official Graphormer
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, vertices: Tensor, adjacency: Tensor) -> Tensor:
        """vertices (B,V,C), adjacency (V,V) -> vertices (B,V,C2)."""
        mixed = torch.matmul(vertices, self.weight)
        return torch.matmul(adjacency.to(mixed.dtype), mixed) + self.bias


class GraphBlock(nn.Module):
    """vertices (B,V,C) -> vertices (B,V,C): a graph convolution of half the width, and the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.reduce = _small_linear(width, half)
        self.reduced_norm = nn.LayerNorm(half, eps=NORM_EPSILON)
        self.convolution = GraphConvolution(half, half)
        self.convolved_norm = nn.LayerNorm(half, eps=NORM_EPSILON)
        self.expand = _small_linear(half, width)

    def forward(self, vertices: Tensor, adjacency: Tensor) -> Tensor:
        """vertices (B,V,C), adjacency (V,V) -> vertices (B,V,C)."""
        inner = self.reduce(functional.relu(self.norm(vertices)))
        inner = self.convolution(functional.relu(self.reduced_norm(inner)), adjacency)
        expanded: Tensor = self.expand(functional.relu(self.convolved_norm(inner)))
        return vertices + expanded


def _small_linear(before: int, after: int) -> nn.Linear:
    """A linear layer that starts within 1 / (in * out), as official Graphormer: the block is idle."""
    layer = nn.Linear(before, after)
    bound = 1 / (before * after)
    nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.uniform_(layer.bias, -bound, bound)
    return layer
