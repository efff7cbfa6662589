"""The audit of a shard folder: measures of its people, findings, and what other shards share with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from hpscli.data.audit.duplicates import look, near_pairs
from hpscli.data.audit.frames import missing_frames
from hpscli.data.audit.measures import measure
from hpscli.data.audit.verdicts import LOOK, OK, SHOWN, UNKNOWN, WRONG, Finding, Measured, judge
from hpscli.data.evalset import EvalSet
from hpscli.errors import HpsError

SCHEMA = "hps/audit/1"
MOST = 20_000  # people measured, spread over the set
MOST_BODIES = 500  # of them, through their parameters' body


@dataclass(frozen=True)
class Audit:
    """What was found in one shard folder."""

    shards: str
    samples: int
    measured: int
    findings: tuple[Finding, ...]
    places: Mapping[str, int] = field(default_factory=dict)  # of the examples, by key

    @property
    def wrong(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict == WRONG]

    def document(self) -> dict[str, Any]:
        """-> as JSON."""
        found = asdict(self)
        found.pop("places")
        return {"schema": SCHEMA, **found}


def audit(
    people: EvalSet,
    against: Sequence[EvalSet] = (),
    *,
    most: int = MOST,
    complaints: Sequence[str] = (),
    advance: Callable[[int], None] = lambda count: None,
) -> Audit:
    """A shard folder, and others that must share nobody with it -> findings.

    `complaints`: what its verification said; they come first.
    """
    chosen = spread(len(people), most)
    bodies = set(spread(len(chosen), MOST_BODIES))
    keys, rows, hashes, paths = [], [], list[int](), list[str]()
    for number, position in enumerate(chosen):
        sample = people[position]
        keys.append(sample.key)
        rows.append(measure(sample, with_body=number in bodies))
        paths.append(str(sample.meta.get("image_path", "")))
        if against:
            hashes.append(_look(sample))
        advance(1)
    findings = [_files(complaints), *judge(Measured(keys, rows)), _frames(paths)]
    for other in against:
        findings.append(_shared(keys, hashes, other, most, advance))
    shown = {key for finding in findings for key in finding.examples}
    places = {key: at for key, at in zip(keys, chosen, strict=True) if key in shown}
    return Audit(str(people.location), len(people), len(chosen), tuple(findings), places)


def spread(count: int, most: int) -> list[int]:
    """-> at most `most` of the numbers 0 .. count - 1, evenly spread."""
    if count <= most:
        return list(range(count))
    return sorted({int(i) for i in np.linspace(0, count - 1, most)})


def _files(complaints: Sequence[str]) -> Finding:
    if not complaints:
        return Finding("files", OK, "checksums, schema and every sample are sound")
    return Finding("files", WRONG, f"{len(complaints)} complaints; the first: {complaints[0]}")


def _frames(paths: Sequence[str]) -> Finding:
    gaps = missing_frames(path for path in paths if path)
    if not gaps:
        return Finding("frames", OK if any(paths) else UNKNOWN, "no gap in numbered pictures")
    count = sum(len(lacking) for lacking in gaps.values())
    name, lacking = max(gaps.items(), key=lambda item: len(item[1]))
    first = ", ".join(map(str, lacking[:3]))
    text = f"{count} numbers are left out in {len(gaps)} sequences; most in {name}: {first} ..."
    return Finding("frames", LOOK, text, len(paths))


def _shared(
    keys: Sequence[str],
    hashes: Sequence[int],
    other: EvalSet,
    most: int,
    advance: Callable[[int], None],
) -> Finding:
    """-> people who look the same in both."""
    positions = spread(len(other), most)
    known: list[int] = []
    for position in positions:
        known.append(_look(other[position]))
        advance(1)
    pairs = list(near_pairs(hashes, known))
    name = f"shared with {other.location}"
    if not pairs:
        return Finding(name, OK, "nobody looks the same in both", len(keys))
    examples = tuple(keys[mine] for mine, _ in pairs[:SHOWN])
    twin = other[positions[pairs[0][1]]].key
    text = f"{len(pairs)} of {len(keys)} people look the same in both; {examples[0]} and {twin}"
    return Finding(name, LOOK, text, len(keys), examples)


def _look(sample: Any) -> int:
    try:
        return look(sample)
    except HpsError:  # a picture that cannot be decoded is among the complaints
        return 0
