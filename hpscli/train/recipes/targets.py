"""The numbers that a recipe is to reach: what its authors published, as protocols list it."""

from dataclasses import dataclass

from hpscli.errors import UsageError, did_you_mean
from hpscli.hooks import ProtocolSpec, Published
from hpscli.metrics.protocol_names import protocol_named
from hpscli.recipe import Recipe, Target
from hpscli.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One published number, and the protocol that it was measured by."""

    protocol: ProtocolSpec
    published: Published


def goals(recipe: Recipe, registry: Registry) -> list[Goal]:
    """-> every published number that `about.targets` names."""
    return [goal for target in recipe.about.targets for goal in _goals(target, registry)]


def _goals(target: Target, registry: Registry) -> list[Goal]:
    protocol = protocol_named(registry, target.protocol)
    found = [
        Goal(protocol=protocol, published=entry)
        for entry in protocol.published
        if target.label in ("", entry.label)
        and target.metric in ("", entry.metric)
        and target.model in ("", entry.model)
    ]
    if not found:
        raise _nothing(target, protocol)
    return found


def _nothing(target: Target, protocol: ProtocolSpec) -> UsageError:
    """-> the error for a target that nobody published."""
    asked = [
        f"{name} '{value}'"
        for name in ("label", "metric", "model")
        if (value := getattr(target, name))
    ]
    problem = f"nothing is published under '{protocol.name}'"
    problem += f" with {', '.join(asked)}." if asked else "."
    known = {"label": target.label, "metric": target.metric, "model": target.model}
    for name, value in known.items():
        there = {getattr(entry, name) for entry in protocol.published}
        if value and value not in there and (near := did_you_mean(value, there)):
            return UsageError(problem, near)
    return UsageError(problem, f"See: hps protocols show {protocol.name}")
