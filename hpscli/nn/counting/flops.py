"""What a network costs: parameters, multiply-adds, activations.

Multiply-adds are counted on an execution of the network (batch of one, eval, attention's fast path
off, so that attention counts): convolutions, matrix products, attention. The execution happens on
torch's meta device where it can: shapes run through every operation, numbers do not.

The second count follows the rule of mmcv 1.x, by which papers of OpenMMLab report: a hook on modules
of exactly the listed types; attention and functional operations count nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hpscli.errors import HpsError, UsageError
from hpscli.hooks import ModelSpec
from hpscli.nn.counting.operations import EVERYTHING, OperationCounter
from hpscli.nn.meta import meta_network, real_network
from hpscli.nn.options import adapted


@dataclass(frozen=True, kw_only=True)
class ModuleCost:
    """The cost of one module with everything inside it."""

    path: str
    kind: str
    parameters: int
    macs: int


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of a network at one input size, for one image."""

    parameters: dict[str, int]  # by part (the network's children), and "total"
    macs: int  # multiply-adds; floating-point operations are twice as many
    macs_by_part: dict[str, int]
    macs_mmcv: int  # by the rule of mmcv's counter
    activations: int  # numbers that the counted operations write
    modules: tuple[ModuleCost, ...] = field(repr=False)


def meta_model(spec: ModelSpec, preset: str = "") -> nn.Module:
    """-> the network without memory for its numbers (or with, if it cannot be built without)."""
    try:
        return meta_network(spec, _options(spec, preset))
    except HpsError:  # a constructor may look at its numbers, which meta tensors do not have
        return real_model(spec, preset)


def real_model(spec: ModelSpec, preset: str = "") -> nn.Module:
    """-> the network with random numbers; an error of its constructor is told in one sentence."""
    return real_network(spec, _options(spec, preset))


def _options(spec: ModelSpec, preset: str) -> dict[str, Any]:
    return {**spec.defaults, **preset_options(spec, preset)}


def adapted_to(spec: ModelSpec, preset: str) -> ModelSpec:
    """-> the record as a preset makes it: its body, its input size."""
    return adapted(spec, _options(spec, preset))


def _title(spec: ModelSpec, preset: str) -> str:
    return f"{spec.name}.{preset}" if preset else spec.name


def preset_options(spec: ModelSpec, preset: str) -> dict[str, Any]:
    """-> the options that a preset changes; "" changes none."""
    if preset and preset not in spec.presets:
        known = ", ".join(spec.presets) or "none"
        raise UsageError(f"model '{spec.name}' has no preset '{preset}'.", f"Known: {known}")
    return dict(spec.presets.get(preset, {}))


def count_parameters(module: nn.Module) -> dict[str, int]:
    """-> parameters of each direct child that has any, "own" ones, and "total" (shared ones once)."""
    parts = {name: _count(child) for name, child in module.named_children()}
    own = sum(p.numel() for p in module.parameters(recurse=False))
    counted = {name: count for name, count in parts.items() if count}
    return counted | ({"own": own} if own else {}) | {"total": _count(module)}


def measure(module: nn.Module, shape: tuple[int, int]) -> Cost:
    """Network, (height, width) px -> its cost for one image (1,3,H,W)."""
    module = module.eval()
    tensor = next(module.parameters(), None)
    device = tensor.device if tensor is not None else torch.device("cpu")
    image = torch.zeros(1, 3, *shape, device=device)
    operations, rule = OperationCounter(), _mmcv_rule(module)
    with torch.no_grad(), _attention_fast_path_off(), rule as macs_mmcv, operations:
        module(image)
    counts = {name: flops // 2 for name, flops in operations.flops.items()}
    root = type(module).__name__
    return Cost(
        parameters=count_parameters(module),
        macs=counts.get(EVERYTHING, 0),
        macs_by_part={n: counts.get(f"{root}.{n}", 0) for n, _ in module.named_children()},
        macs_mmcv=macs_mmcv[0],
        activations=operations.activations,
        modules=tuple(_modules(module, counts)),
    )


def measure_model(spec: ModelSpec, preset: str, shape: tuple[int, int]) -> Cost:
    """A registered model -> its cost; an input size that it cannot take is the user's error."""
    module = meta_model(spec, preset)
    try:
        return measure(module, shape)
    except Exception:  # data-dependent code runs on real numbers only
        module = real_model(spec, preset)
    try:
        return measure(module, shape)
    except Exception as error:
        own = adapted_to(spec, preset).input_size
        size, reason = f"{shape[0]}x{shape[1]}", str(error).splitlines() or [type(error).__name__]
        raise UsageError(
            f"model '{_title(spec, preset)}' does not run on {size} px: {reason[0]}",
            f"Its own size: --shape {own[0]}x{own[1]}",
        ) from error


def measure_body(kind: str) -> int:
    """-> multiply-adds that turn one person's parameters into vertices and joints."""
    from hpscli.body.layer import PARAMETERS, load_body  # smplx is slow to import

    body = load_body(kind, source="free")
    parameters = {
        name: torch.eye(3).expand(*((1, count) if count > 1 else (1,)), 3, 3)
        for name, count in PARAMETERS[kind].items()
    }
    parameters["betas"] = torch.zeros(1, 10)
    if kind == "smplx":
        parameters["expression"] = torch.zeros(1, 10)
    flops = FlopCounterMode(display=False)
    with torch.no_grad(), flops:
        body(parameters)
    return flops.get_total_flops() // 2


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _modules(module: nn.Module, counts: dict[str, int]) -> Iterator[ModuleCost]:
    root = type(module).__name__
    for path, child in module.named_modules():
        yield ModuleCost(
            path=path,
            kind=type(child).__name__,
            parameters=_count(child),
            macs=counts.get(f"{root}.{path}" if path else root, 0),
        )


@contextmanager
def _attention_fast_path_off() -> Iterator[None]:
    """nn.MultiheadAttention's fast path is one fused operation that no counter sees."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


# The rule of mmcv 1.x (mmcv/cnn/utils/flops_counter.py): multiply-adds of one call, by module type.


def _convolution(module: Any, x: Tensor, out: Tensor) -> int:
    """Bias counts one per output."""
    places = out.numel() // module.out_channels
    kernel = _product(module.kernel_size) * module.in_channels * module.out_channels
    bias = out.numel() if module.bias is not None else 0
    return int(kernel // module.groups * places + bias)


def _transposed(module: Any, x: Tensor, out: Tensor) -> int:
    """The counter's own slip is kept: bias counts height * height of the output."""
    places = x.numel() // module.in_channels
    kernel = _product(module.kernel_size) * module.in_channels * module.out_channels
    slip = module.out_channels * len(out) * out.shape[2] ** 2 if module.bias is not None else 0
    return int(kernel // module.groups * places + slip)


def _linear(module: Any, x: Tensor, out: Tensor) -> int:
    """Bias does not count."""
    return x.numel() * out.shape[-1]


def _norm(module: Any, x: Tensor, out: Tensor) -> int:
    affine = getattr(module, "affine", False) or getattr(module, "elementwise_affine", False)
    return x.numel() * (2 if affine else 1)


def _of_input(module: Any, x: Tensor, out: Tensor) -> int:
    return x.numel()


def _of_output(module: Any, x: Tensor, out: Tensor) -> int:
    return out.numel()


def _product(sizes: tuple[int, ...]) -> int:
    product = 1
    for size in sizes:
        product *= size
    return product


Rule = Callable[[Any, Tensor, Tensor], int]
MMCV_RULES: dict[type[nn.Module], Rule] = {
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), _convolution),
    **dict.fromkeys((nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d), _transposed),
    nn.Linear: _linear,
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm), _norm),
    **dict.fromkeys((nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d), _norm),
    nn.LayerNorm: _norm,
    **dict.fromkeys((nn.ReLU, nn.PReLU, nn.ELU, nn.LeakyReLU, nn.ReLU6), _of_output),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), _of_input),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), _of_input),
    **dict.fromkeys((nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d), _of_input),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), _of_input),
    nn.Upsample: _of_output,
}


@contextmanager
def _mmcv_rule(module: nn.Module) -> Iterator[list[int]]:
    """Yield a list whose one number grows while the module runs."""
    total = [0]

    def hook(rule: Rule) -> Callable[[nn.Module, Any, Any], None]:
        def count(part: nn.Module, inputs: Any, out: Any) -> None:
            total[0] += rule(part, inputs[0], out)

        return count

    handles = [
        part.register_forward_hook(hook(MMCV_RULES[type(part)]))
        for part in module.modules()
        if type(part) in MMCV_RULES  # exactly these types, as the original
    ]
    try:
        yield total
    finally:
        for handle in handles:
            handle.remove()
