"""A protocol by a name that somebody typed, whole or short."""

from hpscli.errors import UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.protocols import places, short_names
from hpscli.registry import Registry


def protocol_named(registry: Registry, name: str) -> ProtocolSpec:
    """-> a protocol by its whole name, or a shorter one that means only it: 3dpw@spin, 3dpw/test@spin."""
    specs: list[ProtocolSpec] = registry.all("protocol")
    if name in {spec.name for spec in specs}:
        return registry.protocol(name)
    short = [
        spec
        for spec in specs
        if name in {f"{place}@{rule}" for place in places(spec) for rule in short_names(spec)}
    ]
    if len(short) == 1:
        return short[0]
    of_testset = [spec for spec in specs if name in places(spec)]
    of_rule = [spec for spec in specs if name in short_names(spec)]
    if meant := short or of_testset or of_rule:
        kind = "is a test set" if meant is of_testset else "is the name of several protocols"
        one_of = "\n       ".join(spec.name for spec in meant)
        raise UsageError(f"'{name}' {kind}.", f"One of: {one_of}")
    return registry.protocol(name)  # raises with the nearest name
