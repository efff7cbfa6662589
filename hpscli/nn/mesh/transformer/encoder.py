"""The transformer encoder of METRO and Mesh Graphormer: tokens of one width to tokens of another.

Post-norm layers as BERT has them. Position is a learned table that is added once; the output has a
second way straight from the input.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpscli.nn.mesh.precision import full_precision
from hpscli.nn.mesh.transformer.graph import NORM_EPSILON, GraphBlock

# Rows of the position table, of which a network uses as many as it has tokens: as BERT.
MOST_TOKENS = 512
INITIAL_DEVIATION = 0.02  # of the authors, for widths of 1024 to 64


class Attention(nn.Module):
    """tokens (B,N,C) -> tokens (B,N,C): self attention, everybody sees everybody."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B,N,C) -> tokens (B,N,C)."""
        query, key, value = (
            layer(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.output(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class EncoderLayer(nn.Module):
    """tokens (B,N,C) -> tokens (B,N,C): attention, graph convolution where asked for, two layers."""

    def __init__(
        self, width: int, feed_forward: int, heads: int, dropout: float, *, graph: bool
    ) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.attention_norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.graph = GraphBlock(width) if graph else None
        self.widen = nn.Linear(width, feed_forward)
        self.narrow = nn.Linear(feed_forward, width)
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON)
        self.drop = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, adjacency: Tensor | None, joints: int) -> Tensor:
        """tokens (B,N,C) = joints, then vertices as adjacency (V,V) has them, then others -> same."""
        tokens = self.attention_norm(self.drop(self.attention(tokens)) + tokens)
        if self.graph is not None and adjacency is not None:
            stop = joints + len(adjacency)
            vertices = self.graph(tokens[:, joints:stop], adjacency)
            tokens = torch.cat([tokens[:, :joints], vertices, tokens[:, stop:]], dim=1)
        inner = self.narrow(functional.gelu(self.widen(tokens)))
        return self.norm(self.drop(inner) + tokens)  # type: ignore[no-any-return]


class MeshEncoder(nn.Module):
    """tokens (B,N,D) -> tokens (B,N,O), by `layers` layers of width C."""

    def __init__(
        self,
        before: int,
        width: int,
        after: int,
        *,
        feed_forward: int,
        layers: int,
        heads: int,
        dropout: float,
        tokens: int,
        graph: bool = False,
        points: bool = False,  # what comes out are points: full precision
        deviation: float = INITIAL_DEVIATION,
    ) -> None:
        super().__init__()
        self.points = points
        self.embed = nn.Linear(before, width)
        self.position = nn.Parameter(torch.empty(max(MOST_TOKENS, tokens), width))
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(width, feed_forward, heads, dropout, graph=graph) for _ in range(layers)
        )
        self.head = nn.Linear(width, after)
        self.residual = nn.Linear(before, after)
        self._initialise(deviation)

    def _initialise(self, deviation: float) -> None:
        """As BERT: normal numbers; the graph blocks keep their own small start."""
        nn.init.normal_(self.position, std=deviation)
        blocks = [module for module in self.modules() if isinstance(module, GraphBlock)]
        theirs = {id(module) for block in blocks for module in block.modules()}
        for module in self.modules():
            if isinstance(module, nn.Linear) and id(module) not in theirs:
                nn.init.normal_(module.weight, std=deviation)
                nn.init.zeros_(module.bias)

    def forward(self, tokens: Tensor, adjacency: Tensor | None = None, joints: int = 0) -> Tensor:
        """tokens (B,N,D) -> tokens (B,N,O); adjacency (V,V) is of the tokens after `joints`."""
        inner = self.drop(self.embed(tokens) + self.position[: tokens.shape[1]])
        for layer in self.layers:
            inner = layer(inner, adjacency, joints)
        if not self.points:
            return self.head(inner) + self.residual(tokens)  # type: ignore[no-any-return]
        with full_precision(inner):
            dtype = self.head.weight.dtype
            return self.head(inner.to(dtype)) + self.residual(tokens.to(dtype))  # type: ignore[no-any-return]
