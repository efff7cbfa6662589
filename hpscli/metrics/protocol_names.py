"""A protocol by what somebody typed: its whole name, a short one, or a test set and a model."""

from hpscli.errors import UsageError, did_you_mean
from hpscli.hooks import ProtocolSpec
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


def find_protocol(
    registry: Registry,
    *,
    name: str = "",
    testset: str = "",
    split: str = "",
    body: str = "",
    model: str = "",
) -> ProtocolSpec:
    """A protocol by its own name, or of a test set the one for a model or its body.

    `name`: the whole, "3dpw/test@spin-v1", or of this test set what stands after the @.
    `model`: "metro" or "hmr.pare": a protocol that names it comes before the default one.
    """
    specs: list[ProtocolSpec] = registry.all("protocol")
    known = {spec.name for spec in specs}
    if name and testset and name not in known:
        short = [s for s in specs if testset in places(s) and name in short_names(s)]
        name = short[0].name if short else name
    if name:
        found = protocol_named(registry, name)
        if body and found.body != body:
            raise UsageError(
                f"protocol '{name}' is for {found.body}, this model predicts {body}.",
                "See: hps protocols list",
            )
        return found
    named = [p for p in specs if testset in places(p)]
    if not named:
        sets = sorted({p.testset for p in specs})
        fix = did_you_mean(testset, sets) or "See: hps protocols list"
        raise UsageError(f"no test set '{testset}'.", fix)
    fitting = [p for p in named if body in ("", p.body) and split in ("", p.split)]
    own = [p for p in fitting if model and any(belongs(model, owner) for owner in p.models)]
    if own:
        return own[0]
    fitting = [p for p in fitting if p.default or split] or fitting
    if not fitting:
        others = sorted({p.body for p in named})
        raise UsageError(
            f"test set '{testset}' has no protocol for {body} (it has: {', '.join(others)}).",
            "See: hps protocols list",
        )
    return sorted(fitting, key=lambda p: not p.default)[0]


def places(spec: ProtocolSpec) -> tuple[str, ...]:
    """-> what `--testset` may call it: "3dpw", "3dpw/test", its whole name; else its own data set."""
    before = spec.name.partition("@")[0]
    return spec.testset, before, before.partition("/")[0], spec.name


def short_names(spec: ProtocolSpec) -> tuple[str, str]:
    """-> "spin-v1" and "spin" of 3dpw/test@spin-v1."""
    rule = spec.name.partition("@")[2]
    return rule, rule.rpartition("-v")[0]


def belongs(model: str, owner: str) -> bool:
    """ "metro.hrnet-w64" -> whether it is, or is a preset of, "metro"."""
    return model == owner or model.startswith(f"{owner}.")
