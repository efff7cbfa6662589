"""Original files -> shards: in parallel, in order, resumable, the same bytes every time.

Shard k holds the people at positions k*N .. (k+1)*N - 1 of the source, minus the bad ones, so what a
shard holds depends on nothing but the source. A shard whose table is on disk is done; a run that was
killed starts again at the first one that is not. index.json is written when all are there; a shard
that breaks later is made again alone.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hpscli import __version__
from hpscli.cards import required_files
from hpscli.data.people import Layout
from hpscli.data.shards import (
    INDEX,
    PARTIAL,
    PLAN,
    ShardIndex,
    ShardInfo,
    ShardTable,
    ShardWriter,
    parse_table,
    read_index,
    table_name,
    write_index,
    write_json,
)
from hpscli.data.sources import Bad, Encoded, Source, encoded
from hpscli.errors import InvalidData, MissingError, UsageError, did_you_mean
from hpscli.hooks import DatasetSpec

SHARD_SAMPLES = 1000
PLAN_SCHEMA = "hps/prepare/1"
NAMED = 20  # bad records named one by one in the story; all of them are in the index


@dataclass
class Report:
    """What a preparation did."""

    out: Path
    index: ShardIndex | None = None
    samples: int = 0
    bad: list[Bad] = field(default_factory=list)
    resumed: int = 0  # positions of the source that were done before this run
    remade: int = 0  # shards of a finished folder that were broken or missing
    already_complete: bool = False
    seconds: float = 0.0


def prepare(
    spec: DatasetSpec,
    root: Path,
    split: str,
    out: Path,
    *,
    options: Mapping[str, Any] | None = None,
    workers: int = 1,
    limit: int = 0,
    shard_samples: int = SHARD_SAMPLES,
    force: bool = False,
    layout: Layout | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Report:
    """A data set plugin and its files -> a shard folder, complete, or an error; see Report."""
    source = checked_source(spec, root, split, options, layout)
    plan = {
        "dataset": spec.name,
        "split": split,
        "layout": asdict(source.layout) if source.layout.kind else None,
        "program": f"hps {__version__}",
        "options": dict(source.options),
        "limit": limit,
        "samples_per_shard": shard_samples,
    }
    plan = json.loads(json.dumps(plan))
    if force:
        clear(out)
    start = time.monotonic()
    write = partial(
        _write_shards, source, out, workers=workers, shard_samples=shard_samples, advance=advance
    )
    if (out / INDEX).is_file():
        return _mend(out, _finished_before(out, plan), write, limit, shard_samples)
    done = _begin(out, plan, root)
    report = Report(out, resumed=done[-1].source[1] if done else 0)
    advance(report.resumed)
    tables = [*done, *write(done, limit or None)]
    for table in tables:
        report.bad += [Bad(**dict(record)) for record in table.bad]
    report.samples = sum(len(table.keys) for table in tables)
    _refuse_empty(report, spec, root)
    about = {
        "dataset": spec.name,
        "split": split,
        "licence": spec.licence,
        "body": str(source.options.get("body") or spec.body),
        "made_by": {k: v for k, v in plan.items() if k not in ("dataset", "split")},
    }
    report.index = write_index(out, tables, about)
    (out / PLAN).unlink()
    report.seconds = time.monotonic() - start
    return report


def check(
    spec: DatasetSpec,
    root: Path,
    split: str,
    *,
    options: Mapping[str, Any] | None = None,
    workers: int = 1,
    limit: int = 0,
    advance: Callable[[int], None] = lambda count: None,
) -> Report:
    """Read and check every person, write nothing."""
    source = checked_source(spec, root, split, options)
    report, start, keys = Report(Path()), time.monotonic(), set[str]()
    for item in encoded(source, 0, limit or None, workers):
        item = _unless_repeated(item, keys)
        if isinstance(item, Bad):
            report.bad.append(item)
        else:
            report.samples += 1
        advance(1)
    _refuse_empty(report, spec, root)
    report.seconds = time.monotonic() - start
    return report


def checked_source(
    spec: DatasetSpec,
    root: Path,
    split: str,
    options: Mapping[str, Any] | None = None,
    layout: Layout | None = None,
) -> Source:
    """-> the source, after its split, its folder and the files that it declares were looked for."""
    if split not in spec.splits:
        raise UsageError(
            f"data set '{spec.name}' has no split '{split}'.",
            did_you_mean(split, spec.splits) or f"Its splits: {', '.join(spec.splits)}",
        )
    if spec.needs_root:
        if not root.is_dir():
            raise MissingError(f"no folder {root}.", f"hps prepare {spec.name} --from DIR")
        for pattern, what in required_files(spec, split).items():
            if next(root.glob(pattern), None) is None:
                raise MissingError(
                    f"{root} has no {pattern} ({what}).",
                    f"Is this the folder of {spec.name}? See: hps datasets show {spec.name}",
                )
    options = {**spec.options, **(options or {})}
    if (reference := options.get("reference")) and reference not in spec.references:
        known = ", ".join(spec.references)
        raise UsageError(f"'{spec.name}' cannot be read as '{reference}'.", f"It can as: {known}")
    layout = layout or Layout(kind=_usual_layout(split) if spec.people else "")
    return Source(spec=spec, root=root.absolute(), split=split, options=options, layout=layout)


def _usual_layout(split: str) -> str:
    """-> crops for training, whole pictures for what is measured on."""
    return "crop" if "train" in split else "full"


def expected_samples(source: Source, limit: int) -> int:
    """-> how many people will be read, as far as that is known before reading; else 0."""
    if not source.spec.parallel:
        return limit
    count, _ = source.open_parallel()
    return min(count, limit) if limit else count


def clear(out: Path) -> None:
    """Remove the shards in a folder, and nothing else that lies there."""
    names = ("[0-9]" * 6 + ".tar", "[0-9]" * 6 + ".json", INDEX, PLAN, f".*{PARTIAL}")
    for path in (path for name in names for path in out.glob(name)):
        path.unlink()


def _finished_before(out: Path, plan: Mapping[str, Any]) -> ShardIndex:
    """-> the index of a finished folder, if it was made from the same with the same options."""
    index = read_index(out)
    made = {"dataset": index.dataset, "split": index.split, **index.made_by}
    if made != plan:
        differs = [name for name in plan if made.get(name) != plan[name]]
        raise UsageError(
            f"{out} holds finished shards that differ in: {', '.join(differs)}.",
            "Choose another --out, or replace them: --force",
        )
    return index


def _mend(
    out: Path,
    index: ShardIndex,
    write: Callable[[list[ShardTable], int], Iterator[ShardTable]],
    limit: int,
    shard_samples: int,
) -> Report:
    """Make the shards of a finished folder again that are not as large as its index says, or gone."""
    start, listed = time.monotonic(), {shard.file: shard for shard in index.shards}
    bad = [Bad(**record) for record in index.bad.get("records", [])]
    report, tables = Report(out, index, index.samples, bad), list[ShardTable]()
    for number in range(int(Path(max(listed)).stem) + 1):
        file = f"{number:06d}.tar"
        table = _whole_shard(out, number)
        if table is None or _listing(table) != listed.get(file):
            end = (number + 1) * shard_samples
            made = list(write(tables, min(end, limit or end)))
            if [_listing(table) for table in made] != [listed.get(file)]:
                raise InvalidData(
                    f"{out / file} was broken, and made again it is not what {INDEX} says: "
                    "the original files or the program changed.",
                    "Make all shards again: --force",
                )
            table, report.remade = made[0], report.remade + 1
        tables.append(table)
    report.already_complete = not report.remade
    report.seconds = time.monotonic() - start
    return report


def _listing(table: ShardTable) -> ShardInfo | None:
    """-> what the index says about this shard; nothing when all its records were bad."""
    return table.info if table.keys else None


def _begin(out: Path, plan: Mapping[str, Any], root: Path) -> list[ShardTable]:
    """Note what is being made, or find what a killed run of the same made -> its whole shards."""
    out.mkdir(parents=True, exist_ok=True)
    document = {"schema": PLAN_SCHEMA, **plan, "root": str(root.resolve())}
    path = out / PLAN
    if path.is_file():
        try:
            before = json.loads(path.read_text())
        except ValueError:
            before = None
        if before != document:
            raise UsageError(
                f"{out} holds an unfinished preparation of something else.",
                "Choose another --out, or start anew: --force",
            )
        for leftover in out.glob(f".*{PARTIAL}"):
            leftover.unlink()
        return _whole_shards(out)
    if next(out.glob("*.tar"), None) is not None:
        raise UsageError(
            f"{out} holds tars that hps did not begin here.", "Choose another --out, or --force"
        )
    write_json(path, document)
    return []


def _whole_shards(out: Path) -> list[ShardTable]:
    """-> tables of the shards that are done, from the first on without a gap."""
    tables: list[ShardTable] = []
    while (table := _whole_shard(out, len(tables))) is not None:
        tables.append(table)
    return tables


def _whole_shard(out: Path, number: int) -> ShardTable | None:
    """-> the table of a shard, if it can be read and its tar is as large as it says."""
    path = out / table_name(f"{number:06d}.tar")
    if not path.is_file():
        return None
    try:
        table = parse_table(path.read_bytes(), str(path))
    except InvalidData:  # broken like a tar that lost bytes: made again
        return None
    tar = out / table.file
    if table.keys and not (tar.is_file() and tar.stat().st_size == table.bytes):
        return None
    return table


def _write_shards(
    source: Source,
    out: Path,
    done: list[ShardTable],
    stop: int | None,
    *,
    workers: int,
    shard_samples: int,
    advance: Callable[[int], None],
) -> Iterator[ShardTable]:
    """Write the shards after those that are done, up to position `stop` -> their tables."""
    keys = {key for table in done for key in table.keys}
    position = done[-1].source[1] if done else 0
    if done and position < len(done) * shard_samples:
        return  # the last shard was short: the source had ended
    writer: ShardWriter | None = None
    try:
        for item in encoded(source, position, stop, workers):
            if writer is None:
                writer = ShardWriter(out, position // shard_samples, position)
            _put(writer, _unless_repeated(item, keys))
            position += 1
            advance(1)
            if position % shard_samples == 0:
                yield writer.close(position)
                writer = None
        if writer is not None:
            yield writer.close(position)
            writer = None
    finally:
        if writer is not None:
            writer.abandon()


def _unless_repeated(item: Encoded | Bad, keys: set[str]) -> Encoded | Bad:
    if isinstance(item, Bad):
        return item
    if item.key in keys:
        return Bad(item.position, item.key, "this key came before")
    keys.add(item.key)
    return item


def _put(writer: ShardWriter, item: Encoded | Bad) -> None:
    if isinstance(item, Bad):
        writer.bad.append({"position": item.position, "key": item.key, "problem": item.problem})
        return
    writer.body_source = writer.body_source or item.body_source
    writer.add(item.key, item.extension, item.image, item.record, list(item.names))


def _refuse_empty(report: Report, spec: DatasetSpec, root: Path) -> None:
    if report.samples:
        return
    if report.out != Path():
        clear(report.out)
    if report.bad:
        first = report.bad[0]
        raise InvalidData(
            f"all {len(report.bad)} records of '{spec.name}' are bad; the first "
            f"({first.key or first.position}): {first.problem}.",
            f"Look at the files in {root}; nothing was kept." if spec.needs_root else "",
        )
    where = f" in {root}" if spec.needs_root else ""
    raise InvalidData(
        f"data set '{spec.name}' is empty: no person{where}.", "Is it the right folder?"
    )
