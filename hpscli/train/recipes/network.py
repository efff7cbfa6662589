"""The network of a recipe without numbers in it: names of parameters, how many there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from hpscli.errors import HpsError
from hpscli.hooks import ModelSpec
from hpscli.nn.meta import meta_network, real_network
from hpscli.nn.options import adapted, complete_options
from hpscli.recipe import Recipe
from hpscli.registry import get_registry


@dataclass(frozen=True, kw_only=True)
class Network:
    """What is known of a network without numbers in it."""

    spec: ModelSpec
    options: Mapping[str, Any]
    names: tuple[str, ...]  # of parameters
    parameters: int


def spec_of(recipe: Recipe) -> ModelSpec:
    """-> the model's record at the recipe's options; unknown presets and options are errors."""
    spec = get_registry().model(recipe.model.name)
    return adapted(spec, complete_options(spec, recipe.model.preset, recipe.model.options))


def network_of(recipe: Recipe) -> Network:
    """-> the recipe's network; unknown presets and options are errors."""
    spec = get_registry().model(recipe.model.name)
    options = complete_options(spec, recipe.model.preset, recipe.model.options)
    names, count = _counted(spec.name, repr(sorted(options.items())), _Options(options))
    return Network(spec=adapted(spec, options), options=options, names=names, parameters=count)


class _Options(dict[str, Any]):
    """Options that do not take part in the name of what is remembered: their text does."""

    def __hash__(self) -> int:  # type: ignore[override]
        return 0

    def __eq__(self, other: object) -> bool:
        return True


@lru_cache(maxsize=256)
def _counted(name: str, text: str, options: _Options) -> tuple[tuple[str, ...], int]:
    spec = get_registry().model(name)
    try:
        module = meta_network(spec, dict(options))
    except HpsError:  # a constructor may look at its numbers
        module = real_network(spec, dict(options))
    named = dict(module.named_parameters())
    return tuple(named), sum(p.numel() for p in named.values())


def matching(globs: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    """-> the names that any of the globs means."""
    return [name for name in names if any(fnmatchcase(name, glob) for glob in globs)]
