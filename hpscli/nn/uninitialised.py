"""Building a network whose numbers come from elsewhere: its own initialisation is skipped."""

from typing import Any

from torch.overrides import TorchFunctionMode

RANDOM = ("normal_", "uniform_", "trunc_normal_", "erfinv_", "exponential_", "bernoulli_")


class without_random_numbers(TorchFunctionMode):  # noqa: N801 - reads as a statement
    """Initialisations do nothing: every tensor is overwritten by a checkpoint right after.

    In-place draws and torch.nn.init are skipped; so are those of timm, which are made of them.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        name = getattr(func, "__name__", "")
        if (name in RANDOM or getattr(func, "__module__", "") == "torch.nn.init") and args:
            return args[0]
        return func(*args, **(kwargs or {}))
