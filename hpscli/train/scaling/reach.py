"""Which parameters a gradient reaches: several processes must know before they add gradients up."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hpscli.records import Prediction

PROBED = 2  # pictures: enough for batch norm


def unreached(module: nn.Module, size: tuple[int, int]) -> list[str]:
    """Model, (height, width) px -> learning parameters that no output depends on.

    One forward and backward pass over black pictures tells; weights, statistics and random numbers
    are afterwards as before.
    """
    with probed(module, module, PROBED, size):
        return [n for n, p in module.named_parameters() if p.requires_grad and p.grad is None]


def settle(network: nn.Module, module: nn.Module, people: int, size: tuple[int, int]) -> None:
    """Let DDP put its buckets into their final order before the first step; every process calls it.

    It does so after the first backward pass, and three numbers or more are added up in an order that
    the buckets decide: the first step of a continued run would differ in the last bits.
    """
    with probed(network, module, people, size):
        pass


@contextmanager
def probed(
    network: nn.Module, module: nn.Module, people: int, size: tuple[int, int]
) -> Iterator[None]:
    """What is called, the bare model -> within it the model has the gradients of black pictures.

    Weights, statistics and random numbers are afterwards as before.
    """
    device = next(module.parameters()).device
    kept = {name: buffer.clone() for name, buffer in module.named_buffers()}
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        anchor(network(torch.zeros(people, 3, *size, device=device))).backward()  # type: ignore[no-untyped-call]
    yield
    module.zero_grad()
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            buffer.copy_(kept[name])


def anchor(prediction: Prediction) -> Tensor:
    """-> 0, on which every output has a gradient path: what a loss leaves out too.

    With it all processes have the same graph at every step, whoever has which labels.
    """
    parts = [value.sum() for value in prediction.named_tensors().values() if value.requires_grad]
    return torch.stack(parts).sum() * 0.0
