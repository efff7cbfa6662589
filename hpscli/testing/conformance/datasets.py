"""Conformance of a data set plugin: what preparing shards relies on."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.sample import complaints
from hpscli.data.sources import Source
from hpscli.errors import HpsError
from hpscli.hooks import DatasetSpec
from hpscli.records import Sample
from hpscli.registry import get_registry, resolve
from hpscli.testing.conformance.checks import Check, Checks, option_complaint

POSITIONAL = 2  # root and split


def check_dataset(
    dataset: str | DatasetSpec,
    *,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    count: int = 3,
) -> list[Check]:
    """A data set, by name or as its record -> what holds of it; reads `count` people of each split."""
    spec = get_registry().dataset(dataset) if isinstance(dataset, str) else dataset
    checks = Checks(f"dataset {spec.name}")
    target = spec.people or spec.samples or spec.poses
    missing = [n for n in ("licence", "homepage") if not getattr(spec, n).strip()]
    checks.add("licence", f"{missing[0]} is not stated" if missing else "", spec.licence)
    checks.run(
        "options",
        lambda: (option_complaint(target, spec.options, POSITIONAL), ""),
    )
    if spec.needs_root and root is None:
        checks.skip("reads", "not read: give the original files with --from DIR")
        return list(checks)
    if spec.poses:
        checks.skip("reads", f"motions: hps prepare {spec.name} --check reads them")
        return list(checks)
    where = root or Path()
    lacking = [glob for glob in spec.files if root and not any(root.glob(glob))]
    if not checks.add("files", f"nothing below {root} matches '{lacking[0]}'" if lacking else ""):
        return list(checks)
    for split in spec.splits:
        _check_split(checks, spec, where, split, {**spec.options, **(options or {})}, count)
    return list(checks)


def _check_split(
    checks: Checks, spec: DatasetSpec, root: Path, split: str, options: dict[str, Any], count: int
) -> None:
    """The first people of a split, twice."""
    people: list[Sample] = []

    source = Source(spec=spec, root=root, split=split, options=options)

    def read() -> Iterator[Sample]:
        for record in islice(source.open_records(), count):
            yield record if isinstance(record, HpsError) else source.finish(record)  # type: ignore[misc]

    def first() -> tuple[str, str]:
        people.extend(read())
        return ("" if people else "the split is empty", f"{len(people)} people read")

    if not checks.run(f"{split}: reads", first):
        return
    if not checks.run(f"{split}: schema", lambda: (sample_complaint(people), "")):
        return
    checks.run(f"{split}: keys", lambda: (_key_complaint(people), people[0].key))
    checks.run(f"{split}: determinism", lambda: (_difference(people, list(read())), ""))
    if spec.parallel:
        checks.run(
            f"{split}: parallel",
            lambda: _parallel(resolve(spec.parallel)(root, split, **options), people),
        )


def sample_complaint(people: list[Sample]) -> str:
    """-> the first thing that the shard format refuses, with the key of the person."""
    for sample in people:
        if isinstance(sample, HpsError):  # how a reader reports a person that it cannot read
            return str(sample)
        if not isinstance(sample, Sample):
            return f"yields {type(sample).__name__}, not hpscli.records.Sample"
        if found := complaints(sample):
            return f"{sample.key}: {found[0]}"
    return ""


def _key_complaint(people: list[Sample]) -> str:
    keys = [sample.key for sample in people]
    double = [key for key in keys if keys.count(key) > 1]
    return f"key '{double[0]}' is given to two people" if double else ""


def _difference(first: list[Sample], second: list[Sample]) -> str:
    """-> how two readings differ."""
    if [s.key for s in first] != [s.key for s in second]:
        return "a second reading gives other people, or another order"
    for a, b in zip(first, second, strict=True):
        if bytes(a.image) != bytes(b.image):
            return f"{a.key}: a second reading gives another picture"
        if set(a.arrays) != set(b.arrays):
            return f"{a.key}: a second reading gives other arrays"
        for name, value in a.arrays.items():
            if not np.array_equal(value, b.arrays[name]):
                return f"{a.key}: a second reading gives another {name}"
    return ""


def _parallel(answer: Any, people: list[Sample]) -> tuple[str, str]:
    """Reading by index gives the same people as reading in order."""
    total, read = answer
    if total < len(people):
        return f"says {total} people, but {len(people)} were read in order", ""
    return _difference(people, [read(index) for index in range(len(people))]), f"{total} people"
