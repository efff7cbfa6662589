"""What protocols differ in, and by how much: measured on the example."""

from collections.abc import Sequence
from dataclasses import dataclass

from hpscli.errors import HpsError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.protocols import sentences
from hpscli.run.explaining.example import changed, example_values, has_example

FIGURES = ("mpjpe", "pa_mpjpe", "pve")  # in the table of differences
FIELDS = ("gender", "joints", "root", "joints_from", "body")  # besides options and words


@dataclass(frozen=True, kw_only=True)
class Effect:
    """One way in which two protocols differ: in words, and what it changes in the example."""

    field: str  # "gender", "options.root"
    here: str
    there: str
    mm: dict[str, float | None]  # {figure: value with this changed, minus value}; None: not alone


@dataclass(frozen=True, kw_only=True)
class Row:
    """A protocol's figures on the example, mm; None where it does not give one."""

    name: str
    values: dict[str, float | None]


def rows(specs: Sequence[ProtocolSpec]) -> list[Row]:
    """Protocols -> the figures of the example under each that it says something about."""
    return [Row(name=spec.name, values=values(spec)) for spec in specs if has_example(spec)]


def values(spec: ProtocolSpec) -> dict[str, float | None]:
    """-> MPJPE, PA-MPJPE and PVE of the example under a protocol, mm."""
    try:
        found = example_values(spec)
    except HpsError:  # it wants what the example does not have
        found = {}
    return {name: found[name].value if name in found else None for name in FIGURES}


def effects(spec: ProtocolSpec, other: ProtocolSpec) -> list[Effect]:
    """Two protocols of one rule -> each field in which they differ, and what it alone changes.

    Rules of their own share no fields: nothing of one can be put into the other.
    """
    base, found = values(spec), []
    if spec.rule != other.rule:
        return []
    for field in differing(spec, other):
        alone = values(changed(spec, field, other))
        difference: dict[str, float | None] = {}
        for name in FIGURES:
            before, after = base.get(name), alone.get(name)
            difference[name] = None if before is None or after is None else after - before
        found.append(
            Effect(field=field, here=_said(spec, field), there=_said(other, field), mm=difference)
        )
    return found


def differing(spec: ProtocolSpec, other: ProtocolSpec) -> list[str]:
    """-> the fields and options in which two protocols differ."""
    found = [name for name in FIELDS if getattr(spec, name) != getattr(other, name)]
    names = dict.fromkeys([*spec.options, *other.options])
    options = [n for n in names if spec.options.get(n, "") != other.options.get(n, "")]
    if "root" in names and "root" in found:  # the names of what the option says
        found.remove("root")
    return found + [f"options.{name}" for name in options]


def in_words(spec: ProtocolSpec, other: ProtocolSpec) -> dict[str, tuple[str, str]]:
    """-> the sentences that differ, {topic: (here, there)}."""
    first, second = sentences(spec), sentences(other)
    return {
        topic: (first.get(topic, "-"), second.get(topic, "-"))
        for topic in dict.fromkeys([*first, *second])
        if first.get(topic, "-") != second.get(topic, "-")
    }


def siblings(spec: ProtocolSpec, specs: Sequence[ProtocolSpec]) -> list[ProtocolSpec]:
    """-> the other protocols of the same people and body."""
    place = spec.testset, spec.split, spec.body
    return [s for s in specs if (s.testset, s.split, s.body) == place and s.name != spec.name]


def _said(spec: ProtocolSpec, field: str) -> str:
    group, _, option = field.partition(".")
    value = spec.options.get(option, "as usual") if option else getattr(spec, group)
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def markdown_table(found: Sequence[Row]) -> str:
    """-> the rows as a table of Markdown, mm."""
    lines = ["| protocol | MPJPE | PA-MPJPE | PVE |", "|---|---|---|---|"]
    for row in found:
        cells = ["-" if value is None else f"{value:.1f}" for value in row.values.values()]
        lines.append(f"| `{row.name}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
