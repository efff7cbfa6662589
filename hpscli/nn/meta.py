"""Networks whose numbers come from elsewhere, or that need none: keys, shapes, counts in a second."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from hpscli.body.hierarchy import KINDS
from hpscli.body.kit import BodyKit
from hpscli.body.layer import load_body
from hpscli.errors import HpsError, UsageError, lacks_memory
from hpscli.hooks import ModelSpec
from hpscli.nn.options import adapted, title
from hpscli.registry import resolve

RANDOM = ("normal_", "uniform_", "trunc_normal_", "erfinv_", "exponential_", "bernoulli_")


class without_random_numbers(TorchFunctionMode):  # noqa: N801 - reads as a statement
    """Initialisations do nothing: every tensor is overwritten by a checkpoint right after.

    torch.nn.init is skipped; in-place draws, of which timm's initialisations are made, give zeros.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        given = kwargs or {}
        name, module = getattr(func, "__name__", ""), getattr(func, "__module__", "")
        if name in RANDOM and args:
            with torch.no_grad():  # torch draws again what is out of bounds, until nothing is
                return args[0].zero_()
        if module == "torch.nn.init":
            return args[0] if args else given["tensor"]  # torch.nn.init passes it by name
        return func(*args, **given)


def free_kit(kind: str) -> BodyKit:
    """-> the free body of a kind, read already: nothing of it is made on another device later."""
    kit = BodyKit(kind, body=load_body(kind, source="free"))
    if kind in KINDS:
        kit.hierarchy()
    return kit


def real_network(spec: ModelSpec, options: Mapping[str, Any]) -> nn.Module:
    """Record, complete options -> the network with random numbers, around the free body."""
    spec = adapted(spec, options)
    return _build(spec, options, free_kit(spec.body) if spec.takes_kit else None)


def meta_network(spec: ModelSpec, options: Mapping[str, Any]) -> nn.Module:
    """Record, complete options -> the network on the meta device, or HpsError when it cannot be."""
    spec = adapted(spec, options)
    kit = free_kit(spec.body) if spec.takes_kit else None
    with without_random_numbers(), torch.device("meta"):
        module = _build(spec, options, kit)
    return module.to("meta")  # what a kit brought is not there yet


def _build(spec: ModelSpec, options: Mapping[str, Any], kit: BodyKit | None) -> nn.Module:
    return constructed(spec, options, kit).eval()


def constructed(spec: ModelSpec, options: Mapping[str, Any], kit: BodyKit | None) -> nn.Module:
    """Record at these complete options -> the network; an error of its constructor is told."""
    build = resolve(spec.build)
    extra = {"kit": kit} if kit is not None else {}
    try:
        return build(**options, **extra)  # type: ignore[no-any-return]
    except HpsError:
        raise
    except Exception as error:
        if lacks_memory(error):
            raise
        raise UsageError(
            f"model '{title(spec, options)}' cannot be built: {type(error).__name__}: {error}",
            f"Other model.options: hps models show {spec.name}; of a plugin: hps plugins check "
            f"{spec.name}",
        ) from error
