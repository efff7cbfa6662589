"""Original files -> shards: in parallel, in order, resumable, the same bytes every time.

Shard k holds the people at positions k*N .. (k+1)*N - 1 of the source, minus the bad ones, so what a
shard holds depends on nothing but the source. A shard whose table is there is done; a run that was
killed makes those that are not. index.json is written when all are there; a shard that breaks later
is made again alone.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hpscli import __version__
from hpscli.data.people import Layout
from hpscli.data.preparing.files import refuse_missing
from hpscli.data.preparing.keys import Keys
from hpscli.data.preparing.making import Making, shards_in_order, whole_shard
from hpscli.data.preparing.places import Place, clear, numbers_of_tables, place_of
from hpscli.data.shards import (
    INDEX,
    PARTIAL,
    PLAN,
    IndexBuilder,
    ShardIndex,
    ShardInfo,
    ShardTable,
    read_index,
    write_json,
)
from hpscli.data.sources import Bad, Source
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError, did_you_mean
from hpscli.hooks import DatasetSpec

SHARD_SAMPLES = 1000
PLAN_SCHEMA = "hps/prepare/1"


@dataclass
class Report:
    """What a preparation did."""

    out: str | Path
    index: ShardIndex | None = None
    samples: int = 0
    bad: list[Bad] = field(default_factory=list)  # the first of them; the tables name all
    bad_count: int = 0
    resumed: int = 0  # positions of the source that were done before this run
    remade: int = 0  # shards of a finished folder that were broken or missing
    already_complete: bool = False
    seconds: float = 0.0

    @property
    def bad_share(self) -> float:
        """-> the part of all records that is bad."""
        return self.bad_count / max(self.bad_count + self.samples, 1)

    @property
    def lost_files(self) -> list[str]:
        """-> files that could not be read at all, in words."""
        return [bad.problem for bad in self.bad if bad.whole_file]


def prepare(
    spec: DatasetSpec,
    root: Path,
    split: str,
    out: str | Path,
    *,
    options: Mapping[str, Any] | None = None,
    workers: int = 1,
    limit: int = 0,
    shard_samples: int = SHARD_SAMPLES,
    force: bool = False,
    layout: Layout | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Report:
    """A data set plugin and its files -> shards in a folder or URL, complete, or an error."""
    source = checked_source(spec, root, split, options, layout)
    place = place_of(out)
    try:
        making = Making(
            source=source,
            place=place,
            shard_samples=shard_samples,
            limit=limit,
            workers=workers,
            advance=advance,
            ready=partial(whole_shard, place),
        )
        start = time.monotonic()
        report = _prepared(making, force)
        report.seconds = time.monotonic() - start
        return report
    finally:
        place.close()


def _prepared(making: Making, force: bool) -> Report:
    place, plan = making.place, plan_of(making)
    if force:
        clear(place)
    if place.size(INDEX) >= 0:
        return _mend(making, _finished_before(place, plan))
    begin(making)
    place.remove(n for n in place.names() if n.startswith(".") and n.endswith(PARTIAL))
    report, building = Report(place.location), IndexBuilder()
    try:
        with Keys(place.work) as keys:
            for table, made in shards_in_order(making, keys):
                building.add(table)
                report.resumed += 0 if made else table.source[1] - table.source[0]
    except (HpsError, KeyboardInterrupt):
        _forget_if_empty(place)
        raise
    report.bad = [Bad(**dict(record)) for record in building.bad]
    report.bad_count, report.samples = building.bad_count, building.samples
    _refuse_empty(report, making)
    spec = making.source.spec
    about = {
        "dataset": spec.name,
        "split": making.source.split,
        "licence": spec.licence,
        "body": str(making.source.options.get("body") or spec.body),
        "made_by": {k: v for k, v in plan.items() if k not in ("dataset", "split")},
    }
    report.index = building.write(place.work, about, place.location)
    place.keep(INDEX)
    place.remove([PLAN])
    return report


def plan_of(making: Making) -> dict[str, Any]:
    """-> what decides about the bytes of the shards; two runs with the same plan make the same."""
    source = making.source
    plan = {
        "dataset": source.spec.name,
        "split": source.split,
        "layout": asdict(source.layout) if source.layout.kind else None,
        "program": f"hps {__version__}",
        "options": dict(source.options),
        "limit": making.limit,
        "samples_per_shard": making.shard_samples,
    }
    return json.loads(json.dumps(plan))  # type: ignore[no-any-return]


def checked_source(
    spec: DatasetSpec,
    root: Path,
    split: str,
    options: Mapping[str, Any] | None = None,
    layout: Layout | None = None,
) -> Source:
    """-> the source, after its split, its folder and the files that it declares were looked for."""
    check_split(spec, split)
    if spec.needs_root:
        if not root.is_dir():
            raise MissingError(f"no folder {root}.", f"hps prepare {spec.name} --from DIR")
        refuse_missing(spec, root, split)
    options = {**spec.options, **(options or {})}
    if (reference := options.get("reference")) and reference not in spec.references:
        known = ", ".join(spec.references)
        raise UsageError(f"'{spec.name}' cannot be read as '{reference}'.", f"It can as: {known}")
    layout = layout or Layout()
    if spec.people and not layout.kind:
        layout = replace(layout, kind=_usual_layout(split))
    return Source(spec=spec, root=root.absolute(), split=split, options=options, layout=layout)


def check_split(spec: DatasetSpec, split: str) -> None:
    """Refuse a split that the data set does not have."""
    if split not in spec.splits:
        raise UsageError(
            f"data set '{spec.name}' has no split '{split}'.",
            did_you_mean(split, spec.splits) or f"Its splits: {', '.join(spec.splits)}",
        )


def _usual_layout(split: str) -> str:
    """-> crops for training, whole pictures for what is measured on."""
    return "crop" if "train" in split else "full"


def expected_samples(source: Source, limit: int) -> int:
    """-> how many people will be read, as far as that is known before reading; else 0."""
    if not source.spec.parallel:
        return limit
    count, _ = source.open_parallel()
    return min(count, limit) if limit else count


def _finished_before(place: Place, plan: Mapping[str, Any]) -> ShardIndex:
    """-> the index of finished shards, if they were made from the same with the same options."""
    index = read_index(place.location)
    made = {"dataset": index.dataset, "split": index.split, **index.made_by}
    if made != plan:
        differs = [name for name in plan if made.get(name) != plan[name]]
        raise UsageError(
            f"{place.location} holds finished shards that differ in: {', '.join(differs)}.",
            "Choose another --out, or replace them: --force",
        )
    return index


def _mend(making: Making, index: ShardIndex) -> Report:
    """Make the shards of a finished folder again that are not as large as its index says, or gone."""
    listed = {shard.file: shard for shard in index.shards}
    end = int(Path(max(listed)).stem) + 1

    def sound(number: int) -> ShardTable | None:
        table = whole_shard(making.place, number)
        as_listed = table is not None and _listing(table) == listed.get(f"{number:06d}.tar")
        return table if as_listed else None

    bad = [Bad(**record) for record in index.bad.get("records", [])]
    count = int(index.bad.get("count", len(bad)))
    report = Report(making.place.location, index, index.samples, bad, count)
    if all(sound(number) for number in range(end)):
        report.already_complete = True
        return report
    with Keys(making.place.work) as keys:
        for table, made in shards_in_order(replace(making, ready=sound, end=end), keys):
            if made and _listing(table) != listed.get(table.file):
                raise InvalidData(
                    f"{making.place.location}/{table.file} was broken, and made again it is not "
                    f"what {INDEX} says: the original files or the program changed.",
                    "Make all shards again: --force",
                )
            report.remade += made
    return report


def _listing(table: ShardTable) -> ShardInfo | None:
    """-> what the index says about this shard; nothing when all its records were bad."""
    return table.info if table.keys else None


def begin(making: Making) -> None:
    """Note what is being made, or see that it is what an earlier run began."""
    place = making.place
    root = making.source.root.resolve()
    document = {"schema": PLAN_SCHEMA, **plan_of(making), "root": str(root)}
    before = place.read(PLAN)
    if before is not None:
        if _parsed(before) != document:
            raise UsageError(
                f"{place.location} holds an unfinished preparation of something else.",
                "Choose another --out, or start anew: --force",
            )
        return
    if any(name.endswith(".tar") for name in place.names()):
        raise UsageError(
            f"{place.location} holds tars that hps did not begin here.",
            "Choose another --out, or --force",
        )
    write_json(place.work / PLAN, document)
    place.keep(PLAN)


def _forget_if_empty(place: Place) -> None:
    """A run that ended before its first shard claims no folder: mended options may be typed next."""
    if not numbers_of_tables(place) and not any(n.endswith(".tar") for n in place.names()):
        place.remove([PLAN])


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _refuse_empty(report: Report, making: Making) -> None:
    spec, root = making.source.spec, making.source.root
    if report.samples:
        return
    clear(making.place)
    if report.bad_count:
        first = report.bad[0]
        raise InvalidData(
            f"all {report.bad_count} records of '{spec.name}' are bad; the first "
            f"({first.key or first.position}): {first.problem}.",
            f"Look at the files in {root}; nothing was kept." if spec.needs_root else "",
        )
    where = f" in {root}" if spec.needs_root else ""
    raise InvalidData(
        f"data set '{spec.name}' is empty: no person{where}.", "Is it the right folder?"
    )
