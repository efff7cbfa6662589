"""Masked vertex modelling: in training some query tokens are hidden, for the others to replace."""

import torch
from torch import Tensor

HIDDEN_VALUE = 0.01  # what a hidden token holds, as official METRO


def hide(tokens: Tensor, mask: Tensor) -> Tensor:
    """tokens (B,N,C), mask (B,N,1) 1 or 0 -> tokens, constant where the mask is 0."""
    mask = mask.to(tokens.dtype)
    return tokens * mask + (1 - mask) * HIDDEN_VALUE


def draw_mask(batch: int, tokens: int, most: float, device: torch.device) -> Tensor:
    """-> (B,N,1), 0 for hidden tokens: of each sample a random share below `most`, without return.

    As the authors: int(p * most * N) tokens with one p in [0, 1) for each sample.
    """
    count = (torch.rand(batch, 1, device=device) * most * tokens).long()
    rank = torch.rand(batch, tokens, device=device).argsort(dim=1).argsort(dim=1)
    return (rank >= count).float()[..., None]
