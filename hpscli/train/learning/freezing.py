"""What does not learn: frozen parameters, and batch norms whose statistics stay as they are."""

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from hpscli.errors import UsageError

NEAREST = 3  # names that an error shows
Mode = Literal["plain", "sync", "frozen"]


def matched(globs: Iterable[str], names: Collection[str], key: str) -> set[str]:
    """Globs, parameter names -> the names that any of them matches; one without a match is an error.

    key: where the globs stand in the recipe, for the error.
    """
    found: set[str] = set()
    for pattern in globs:
        hits = {name for name in names if fnmatchcase(name, pattern)}
        if not hits:
            raise UsageError(
                f"{key}: no parameter of the model matches '{pattern}'.",
                f"The nearest: {', '.join(nearest(pattern, names))}",
            )
        found |= hits
    return found


def nearest(pattern: str, names: Collection[str]) -> list[str]:
    """-> globs of whole parts of the model, and names, that look like a pattern."""
    parts = {name[:dot] + ".*" for name in names for dot in _dots(name)}
    words = [pattern, pattern.rstrip("*.") + ".*"]
    close = [
        found
        for word in words
        for known in (sorted(parts), sorted(names))
        for found in get_close_matches(word, known, NEAREST, 0.5)
    ]
    largest = sorted(
        (part for part in parts if part.count(".") == 1),
        key=lambda part: -sum(fnmatchcase(name, part) for name in names),
    )
    return list(dict.fromkeys([*close, *largest]))[:NEAREST] or sorted(names)[:NEAREST]


def _dots(name: str) -> list[int]:
    return [place for place, letter in enumerate(name) if letter == "."]


def freeze(
    module: nn.Module,
    globs: Sequence[str],
    batch_norm: Mode = "plain",
    fixed_statistics: Sequence[str] = (),
) -> list[nn.Module]:
    """Stop the gradients of matching parameters -> the batch norms whose statistics stay fixed.

    Those are norms all of whose parameters are frozen, and norms with a parameter that is named in
    `fixed_statistics`; with batch_norm = "frozen" every norm.
    """
    in_norms = [f"{n}.weight" for n, part in module.named_modules() if isinstance(part, BatchNorm)]
    kept = matched(fixed_statistics, in_norms, "train.fixed_statistics")
    names = [name for name, _ in module.named_parameters()]
    frozen = matched(globs, names, "train.freeze")
    for name, parameter in module.named_parameters():
        if name in frozen:
            parameter.requires_grad_(False)
    fixed: list[nn.Module] = []
    for name, part in module.named_modules():
        if not isinstance(part, BatchNorm):
            continue
        if batch_norm == "frozen":
            part.requires_grad_(False)
        own = list(part.parameters(recurse=False))
        still = not any(p.requires_grad for p in own) if own else _bare_norm(name, globs)
        if batch_norm == "frozen" or (frozen and still) or f"{name}.weight" in kept:
            fixed.append(part)
    if not any(p.requires_grad for p in module.parameters()):
        raise UsageError(
            "train.freeze leaves nothing that learns: it matches every parameter of the model.",
            f"Name a part of the model: {', '.join(nearest('', names))}",
        )
    return fixed


def _bare_norm(name: str, globs: Sequence[str]) -> bool:
    """-> whether a norm without parameters of its own lies in a frozen part."""
    return any(fnmatchcase(f"{name}.weight", pattern) for pattern in globs)


def learning_mode(network: nn.Module, fixed: Iterable[nn.Module]) -> None:
    """Training mode, but for the norms whose statistics stay."""
    network.train()
    for norm in fixed:
        norm.eval()


def synchronised(module: nn.Module) -> nn.Module:
    """-> the module whose batch norms see the batches of all processes as one."""
    from timm.layers import convert_sync_batchnorm  # torch's own drops timm's fused activations

    converted: nn.Module = convert_sync_batchnorm(module)
    return converted


def norms(module: nn.Module) -> int:
    """-> how many batch norms a module has."""
    return sum(isinstance(part, BatchNorm) for part in module.modules())
