"""What depends on parameters alone: computed once, and again when one of them has changed."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Results = tuple[Tensor, ...]


class Remembered:
    """The last result of a computation without gradients, and what it was made from.

    A tensor that is written to has another version, one that was moved another address. Copies and
    files of a network do not take results along.
    """

    def __init__(self) -> None:
        # One pair, so that threads that share a network never see halves of two.
        self._kept: tuple[tuple[object, ...], Results] = ((), ())

    def __reduce__(self) -> tuple[type["Remembered"], tuple[()]]:
        return Remembered, ()

    def forget(self) -> None:
        """Compute anew next time."""
        self._kept = ((), ())

    def __call__(
        self, compute: Callable[[int], Results], parameters: Sequence[Tensor], batch: int
    ) -> Results:
        """What `compute(1)` gives from these parameters, or gave when they were the same.

        The result is of one image and fits any number; `batch`, how many there are, is for those
        who measure what computing all of them would cost.
        """
        if not _can_wait(parameters):
            return compute(1)
        state, (made_from, results) = _state(parameters), self._kept
        if state != made_from:
            results = compute(1)
            self._kept = (state, results)
        return results


def _can_wait(parameters: Sequence[Tensor]) -> bool:
    """Not while a program is traced or gradients are wanted, nor for tensors without versions."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return False
    return not any(p.is_inference() or p.device.type == "meta" for p in parameters)


def _state(parameters: Sequence[Tensor]) -> tuple[object, ...]:
    device = parameters[0].device.type
    mixed = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
    return (mixed, *((p.data_ptr(), p._version, p.dtype, p.device) for p in parameters))
