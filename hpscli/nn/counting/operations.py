"""Counting the operations of a network while it runs, by the module that asks for them."""

from collections import Counter
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

EVERYTHING = "Global"  # torch's name of what is outside of every module, and so around all
ATEN = torch.ops.aten
BATCH_NORM = ATEN.native_batch_norm.default
# What they return is like their first argument. Torch finds that out in some hundred steps of
# Python for each call, which is most of the time that an HRNet of 300 layers takes.
LIKE_FIRST = {ATEN.relu.default, ATEN.gelu.default, ATEN.silu.default, ATEN.sigmoid.default}
IS_FIRST = {ATEN.relu_.default, ATEN.silu_.default}
LIKE_BOTH = {ATEN.add.Tensor, ATEN.mul.Tensor}
IS_FIRST_OF_BOTH = {ATEN.add_.Tensor, ATEN.mul_.Tensor}


class OperationCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Floating-point operations by module, by torch's formulas; activations they write."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops: Counter[str] = Counter()
        self.activations = 0
        self._tracker = ModuleTracker()

    def __enter__(self) -> Self:
        self._tracker.__enter__()  # type: ignore[no-untyped-call]
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._tracker.__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        given = kwargs or {}
        if (known := _shape_alone(func, args)) is not None:
            return known
        out = func(*args, **given)
        if formula := flop_registry.get(func._overloadpacket):
            count = formula(*args, **given, out_val=out)
            for module in self._tracker.parents:
                self.flops[module] += count
            first = out[0] if isinstance(out, tuple) else out
            self.activations += first.numel()
        return out


def _shape_alone(func: Any, args: Any) -> object:
    """-> the result on the meta device of an operation whose shape needs no calculation, or None."""
    first = args[0] if args else None
    if not isinstance(first, Tensor) or not first.is_meta:
        return None
    if func is BATCH_NORM:
        return torch.empty_like(first), first.new_empty(0), first.new_empty(0)
    if func in LIKE_FIRST or (func in LIKE_BOTH and _alike(first, args[1])):
        return torch.empty_like(first)
    if func in IS_FIRST or (func in IS_FIRST_OF_BOTH and _alike(first, args[1])):
        return first
    return None


def _alike(first: Tensor, second: object) -> bool:
    return (
        isinstance(second, Tensor)
        and second.is_meta
        and (first.shape, first.dtype) == (second.shape, second.dtype)
    )
