"""Points stay in float32 where the rest of a network is in mixed precision."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


def full_precision(like: Tensor) -> AbstractContextManager[Any]:
    """-> a context without mixed precision: bfloat16 rounds a metre to 4 mm."""
    device = like.device.type
    if device != "meta" and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def exactly(layer: nn.Linear, values: Tensor) -> Tensor:
    """Linear layer, values (...,C) -> what it gives (...,O), float32, also in mixed precision."""
    with full_precision(values):
        result: Tensor = layer(values.to(layer.weight.dtype))
        return result.float()
