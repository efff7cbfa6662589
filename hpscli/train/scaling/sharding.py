"""Weights that are shared out over processes (FSDP2): called as one, written and read as whole ones.

Each process keeps a part of every tensor; a part of the model is put together while it computes.
Files know nothing of it: a checkpoint of a sharded run is as any other.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hpscli.records import Prediction

MIN_PARAMETERS = 5_000_000  # a part of the model with fewer is not shared out by itself


class _Named(nn.Module):
    """image (B,3,H,W) -> the tensors of a prediction by name: FSDP looks into dictionaries only."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """image (B,3,H,W) -> {name: tensor}."""
        prediction: Prediction = self.module(image)
        return prediction.named_tensors()


class Sharded(nn.Module):
    """A model whose weights are shared out: image (B,3,H,W) -> Prediction."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, image: Tensor) -> Prediction:
        """image (B,3,H,W) -> prediction."""
        return Prediction.from_named_tensors(self.inner(image))

    def set_requires_gradient_sync(self, wanted: bool) -> None:
        """Whether a backward pass adds the gradients of all processes up."""
        self.inner.set_requires_gradient_sync(wanted)


def fsdp_plugin() -> Any:
    """-> what Accelerate must be told to share weights out."""
    from accelerate import FullyShardedDataParallelPlugin

    return FullyShardedDataParallelPlugin(
        fsdp_version=2,
        reshard_after_forward=True,
        auto_wrap_policy="SIZE_BASED_WRAP",
        min_num_params=MIN_PARAMETERS,
        cpu_ram_efficient_loading=False,
        state_dict_type="FULL_STATE_DICT",
    )


def allow_on_cpu(accelerator: Any, plugin: Any) -> None:
    """Accelerate takes the plugin for GPUs only; torch shares weights out between CPUs as well."""
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType

    state = accelerator.state
    if state.mixed_precision != "no":
        plugin.set_mixed_precision(state.mixed_precision)
    state.fsdp_plugin, state.distributed_type = plugin, DistributedType.FSDP
    PartialState._shared_state["distributed_type"] = DistributedType.FSDP  # else it is set back


def share_out(accelerator: Any, module: nn.Module, called: nn.Module) -> nn.Module:
    """-> the model that is called; the parameters of `module` become parts of tensors.

    The optimisers are made afterwards, of the parts. Accelerate wants one at once: it gets an idle one.
    """
    # a warning for who changes outputs in place, which nobody does
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
    idle = torch.optim.SGD(module.parameters(), lr=0.0)
    inner, _ = accelerator.prepare(_Named(called), idle)
    accelerator._optimizers.clear()
    return Sharded(inner)


def whole(value: Any) -> Any:
    """Tensors in nested dictionaries and lists -> the same with whole tensors; every process calls it."""
    from torch.distributed.tensor import DTensor

    if isinstance(value, DTensor):
        return value.detach().full_tensor()  # type: ignore[attr-defined]
    if isinstance(value, Mapping):
        return {key: whole(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(whole(each) for each in value)
    return value


def shared(value: Tensor) -> bool:
    """-> whether a tensor is shared out."""
    from torch.distributed.tensor import DTensor

    return isinstance(value, DTensor)


def like(value: Tensor, model: Tensor) -> Tensor:
    """A whole tensor -> shared out as the model tensor is, if it is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(model, DTensor):
        return value
    return distribute_tensor(value.to(model.device), model.device_mesh, model.placements)


def as_in(module: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A model, whole tensors by name -> the same, shared out as the model's are."""
    own = dict(module.named_parameters())
    return {name: like(v, own[name]) if name in own else v for name, v in weights.items()}


def share_out_state(optimizer: torch.optim.Optimizer) -> None:
    """Share the tensors of a loaded optimiser state out as its parameters are."""
    for parameter, kept in optimizer.state.items():
        for name, value in kept.items():
            if torch.is_tensor(value) and value.shape == parameter.shape and value.dim():
                kept[name] = like(value, parameter)
