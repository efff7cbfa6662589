"""Less memory for more time: activations that are computed twice, and what a training will need."""

from collections.abc import Iterator

import torch
from torch import nn

from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model
from hpscli.recipe import Recipe
from hpscli.train.learning.freezing import freeze
from hpscli.train.learning.optimizers import shares
from hpscli.train.learning.trying import tried

MEASURED_BATCH = 2  # enough for batch norm
KEPT = {"sgd": 1, "adam": 2, "adamw": 2}  # numbers that an optimiser keeps of each parameter


def transformers(module: nn.Module) -> Iterator[nn.Module]:
    """-> the parts of timm that can compute their blocks again instead of keeping them."""
    for part in module.modules():
        if isinstance(getattr(part, "blocks", None), nn.Module) and callable(
            getattr(part, "set_grad_checkpointing", None)
        ):
            yield part


def depth(transformer: nn.Module) -> int:
    """-> how many blocks it has."""
    blocks = transformer.blocks
    return len(list(blocks.children())) if isinstance(blocks, nn.Module) else 0


def compute_again(module: nn.Module, wanted: bool = True) -> None:
    """Keep only what enters each block of a transformer; the backward pass computes the rest again."""
    found = list(transformers(module))
    if wanted and not found:
        raise UsageError(
            "train.gradient_checkpointing is for vision transformers, and the model has none.",
            "Leave it out; for less memory: optim.batch smaller with optim.accumulate, train.dtype=bf16",
        )
    for part in found:
        part.set_grad_checkpointing(wanted)  # type: ignore[operator]


def measure(recipe: Recipe) -> dict[str, float]:
    """-> parameters, and megabytes per process while training, from forward passes on the CPU.

    Counted are weights, gradients, optimiser state and what autograd keeps for the backward pass.
    Names in train.freeze and optim.groups are looked at on the way.
    """
    module, spec, _ = build_model(
        recipe.model.name,
        preset=recipe.model.preset,
        options=recipe.model.options,
        body_source=recipe.model.body,
    )
    wanted = recipe.train
    freeze(module, wanted.freeze, wanted.batch_norm, wanted.fixed_statistics)
    found = shares(recipe.optim, module, recipe.optim.lr)
    size = recipe.data.image_size or spec.input_size
    activations: float = kept_bytes(module, size)
    if recipe.train.gradient_checkpointing:
        compute_again(module)
        blocks = sum(depth(part) for part in transformers(module))
        entering = kept_bytes(module, size)
        activations = entering + (activations - entering) / blocks  # one block at a time is whole
    parameters = sum(p.numel() for p in module.parameters())
    numbers = (1 + (recipe.optim.ema > 0)) * parameters
    for share in found:  # what learns has a gradient and a state too
        numbers += (1 + KEPT[share.kind]) * sum(p.numel() for p in share.parameters.values())
    per_sample = activations / MEASURED_BATCH * (0.5 if recipe.train.dtype != "fp32" else 1.0)
    return {
        "parameters": parameters,
        "learning": sum(p.numel() for share in found for p in share.parameters.values()),
        "megabytes": (4.0 * numbers + per_sample * recipe.optim.batch) / 1e6,
    }


def kept_bytes(module: nn.Module, size: tuple[int, int]) -> int:
    """Model, (height, width) px -> bytes that MEASURED_BATCH pictures leave for the backward pass."""
    kept: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        prediction = tried(module.train(), torch.zeros(MEASURED_BATCH, 3, *size))
    del prediction
    return sum(size for place, size in kept.items() if place not in weights)
