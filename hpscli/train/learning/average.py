"""Exponential moving average of weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Follows a module's parameters: average = decay * average + (1 - decay) * parameter."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay = module, decay
        self.values = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Follow one optimiser step."""
        parameters = dict(self.module.named_parameters())
        followed = [self.values[name] for name in parameters]
        torch._foreach_lerp_(followed, list(parameters.values()), 1.0 - self.decay)

    @torch.no_grad()
    def load(self, values: Mapping[str, Tensor]) -> None:
        """Go on from stored averages."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within it the module has the averaged parameters."""
        own = {name: p.detach().clone() for name, p in self.module.named_parameters()}
        self._put(self.values)
        try:
            yield
        finally:
            self._put(own)

    @torch.no_grad()
    def _put(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.module.named_parameters():
            parameter.copy_(values[name])
