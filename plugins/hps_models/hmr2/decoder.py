"""HMR2.0's head: one learned token looks at all patches, six times, and says the body.

Names of tensors are those of the official files.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpscli.body.parameters import mean_parameters

JOINTS = 24
POSE, SHAPE, CAMERA = JOINTS * 6, 10, 3
HEAD_WIDTH = 64  # of attention


class HeadOutput(NamedTuple):
    """pose (B,144) concatenated 6D, betas (B,10), camera (B,3)."""

    pose: Tensor
    betas: Tensor
    camera: Tensor


class SelfAttention(nn.Module):
    """tokens (B,N,C) -> (B,N,C)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(width, 3 * heads * HEAD_WIDTH, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * HEAD_WIDTH, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B,N,C) -> (B,N,C)."""
        return self.to_out(attend(*self.to_qkv(tokens).chunk(3, dim=-1), heads=self.heads))  # type: ignore[no-any-return]


class CrossAttention(nn.Module):
    """tokens (B,N,C), context (B,M,D) -> (B,N,C)."""

    def __init__(self, width: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_kv = nn.Linear(context_width, 2 * heads * HEAD_WIDTH, bias=False)
        self.to_q = nn.Linear(width, heads * HEAD_WIDTH, bias=False)
        self.to_out = nn.Sequential(nn.Linear(heads * HEAD_WIDTH, width))

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """tokens (B,N,C), context (B,M,D) -> (B,N,C)."""
        keys, values = self.to_kv(context).chunk(2, dim=-1)
        return self.to_out(attend(self.to_q(tokens), keys, values, heads=self.heads))  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """tokens (B,N,C) -> (B,N,C)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        # Two dropouts with probability 0 stood at places 2 and 4.
        self.net = nn.ModuleDict({"0": nn.Linear(width, hidden), "3": nn.Linear(hidden, width)})

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (B,N,C) -> (B,N,C)."""
        return self.net["3"](functional.gelu(self.net["0"](tokens)))  # type: ignore[no-any-return]


class PreNorm(nn.Module):
    """tokens -> fn(norm(tokens)); the context, if any, is not normalised."""

    def __init__(self, width: int, fn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fn = fn

    def forward(self, tokens: Tensor, *context: Tensor) -> Tensor:
        """tokens (B,N,C) -> (B,N,C)."""
        return self.fn(self.norm(tokens), *context)  # type: ignore[no-any-return]


class Layer(nn.ModuleList):
    """tokens (B,N,C), context (B,M,D) -> tokens: self attention, cross attention, feed-forward."""

    def __init__(self, width: int, context_width: int, heads: int, hidden: int) -> None:
        super().__init__(
            [
                PreNorm(width, SelfAttention(width, heads)),
                PreNorm(width, CrossAttention(width, context_width, heads)),
                PreNorm(width, FeedForward(width, hidden)),
            ]
        )

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """tokens (B,N,C), context (B,M,D) -> tokens (B,N,C)."""
        own, cross, feed_forward = self
        tokens = tokens + own(tokens)
        tokens = tokens + cross(tokens, context)
        return tokens + feed_forward(tokens)  # type: ignore[no-any-return]


class Layers(nn.Module):
    """tokens (B,N,C), context (B,M,D) -> tokens; no norm at the end."""

    def __init__(self, layers: list[Layer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """tokens (B,N,C), context (B,M,D) -> tokens (B,N,C)."""
        for layer in self.layers:
            tokens = layer(tokens, context)
        return tokens


class TokenDecoder(nn.Module):
    """context (B,M,D) -> what one token knows after all layers (B,C)."""

    def __init__(self, width: int, context_width: int, depth: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.to_token_embedding = nn.Linear(1, width)
        self.pos_embedding = nn.Parameter(torch.randn(1, 1, width))
        self.transformer = Layers(
            [Layer(width, context_width, heads, hidden) for _ in range(depth)]
        )

    def forward(self, context: Tensor) -> Tensor:
        """context (B,M,D) -> (B,C)."""
        question = context.new_zeros(len(context), 1, 1)  # its embedding is the bias alone
        tokens = self.to_token_embedding(question) + self.pos_embedding
        return self.transformer(tokens, context)[:, 0]  # type: ignore[no-any-return]


class DecoderHead(nn.Module):
    """map (B,D,h,w) -> HeadOutput: corrections of the mean body, in one step."""

    init_body_pose: Tensor
    init_betas: Tensor
    init_cam: Tensor

    def __init__(
        self, *, context_width: int, width: int, depth: int, heads: int, hidden: int
    ) -> None:
        super().__init__()
        self.transformer = TokenDecoder(width, context_width, depth, heads, hidden)
        self.decpose = nn.Linear(width, POSE)
        self.decshape = nn.Linear(width, SHAPE)
        self.deccam = nn.Linear(width, CAMERA)
        mean = mean_parameters("smpl")
        pose = torch.as_tensor(mean["pose6d"], dtype=torch.float32)
        concatenated = pose.view(JOINTS, 3, 2).transpose(1, 2).reshape(1, POSE)
        self.register_buffer("init_body_pose", concatenated)
        for name, key in (("init_betas", "betas"), ("init_cam", "camera")):
            self.register_buffer(name, torch.as_tensor(mean[key], dtype=torch.float32)[None])

    def forward(self, features: Tensor) -> HeadOutput:
        """map (B,D,h,w) -> HeadOutput."""
        token = self.transformer(features.flatten(2).transpose(1, 2))
        return HeadOutput(
            pose=self.init_body_pose + self.decpose(token),
            betas=self.init_betas + self.decshape(token),
            camera=self.init_cam + self.deccam(token),
        )


def attend(queries: Tensor, keys: Tensor, values: Tensor, *, heads: int) -> Tensor:
    """queries (B,N,H*64), keys and values (B,M,H*64) -> (B,N,H*64)."""
    q, k, v = (
        x.view(*x.shape[:2], heads, HEAD_WIDTH).transpose(1, 2) for x in (queries, keys, values)
    )
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
