"""Which parameters a gradient reaches: several processes must know before they add gradients up."""

import torch
from torch import Tensor, nn

from hpscli.records import Prediction

PROBED = 2  # pictures: enough for batch norm


def unreached(module: nn.Module, size: tuple[int, int]) -> list[str]:
    """Model, (height, width) px -> learning parameters that no output depends on.

    One forward and backward pass over black pictures tells; weights, statistics and random numbers
    are afterwards as before.
    """
    device = next(module.parameters()).device
    kept = {name: buffer.clone() for name, buffer in module.named_buffers()}
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        anchor(module(torch.zeros(PROBED, 3, *size, device=device))).backward()  # type: ignore[no-untyped-call]
    found = [n for n, p in module.named_parameters() if p.requires_grad and p.grad is None]
    module.zero_grad()
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            buffer.copy_(kept[name])
    return found


def anchor(prediction: Prediction) -> Tensor:
    """-> 0, on which every output has a gradient path: what a loss leaves out too.

    With it all processes have the same graph at every step, whoever has which labels.
    """
    parts = [value.sum() for value in prediction.named_tensors().values() if value.requires_grad]
    return torch.stack(parts).sum() * 0.0
