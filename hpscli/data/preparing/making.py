"""Shards one after the other: read where they are whole, made where they are not, in one pass.

What is held at once is one shard's table and a few people, whatever the size of the data set.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hpscli.data.preparing.keys import Keys
from hpscli.data.preparing.places import Place, numbers_of_tables
from hpscli.data.preparing.workers import encoded
from hpscli.data.shards import ShardTable, ShardWriter, parse_table, table_name
from hpscli.data.sources import Bad, Encoded, Source
from hpscli.errors import InvalidData


@dataclass(frozen=True, kw_only=True)
class Making:
    """What is made, where, and in which portions."""

    source: Source
    place: Place
    shard_samples: int
    limit: int = 0  # people of the source; 0: all
    first: int = 0  # shard
    end: int = 0  # shard after the last; 0: to the end of the source
    workers: int = 1
    advance: Callable[[int], None] = lambda count: None
    ready: Callable[[int], ShardTable | None] = field(default=lambda number: None)

    @property
    def stop(self) -> int | None:
        """-> the position of the source after the last that is wanted; None: to its end."""
        bounds = [bound for bound in (self.limit, self.end * self.shard_samples) if bound]
        return min(bounds, default=None)


def whole_shard(place: Place, number: int) -> ShardTable | None:
    """-> the table of a shard, if it can be read and its tar is as large as it says."""
    name = table_name(f"{number:06d}.tar")
    text = place.read(name)
    if text is None:
        return None
    try:
        table = parse_table(text, f"{place.location}/{name}")
    except InvalidData:  # broken like a tar that lost bytes: made again
        return None
    if table.keys and place.size(table.file) != table.bytes:
        return None
    return table


def shards_in_order(making: Making, keys: Keys) -> Iterator[tuple[ShardTable, bool]]:
    """-> tables of the wanted shards, and whether they were made now."""
    number = making.first
    while number != making.end or not making.end:
        table = making.ready(number)
        if table is None:
            break
        yield _without_repetition(making, table, number, keys)
        number += 1
        if table.source[1] < number * making.shard_samples:
            return  # it is short: the source had ended
    making.advance(0)  # rates are of what is made from here on
    yield from _missing(making, number, keys)


def _missing(making: Making, number: int, keys: Keys) -> Iterator[tuple[ShardTable, bool]]:
    """The same from the first shard that is not whole, in one pass through the source."""
    size, stop = making.shard_samples, making.stop
    if stop is not None and number * size >= stop:
        return
    beyond = (n for n in numbers_of_tables(making.place) if n > number)
    later = {n for n in beyond if (not making.end or n < making.end) and making.ready(n)}
    if later and (last := making.ready(max(later))) and last.source[1] % size:
        stop = last.source[1]  # it is short: the source ends there

    def done(position: int) -> bool:
        return position // size in later

    items = encoded(making.source, number * size, stop, making.workers, done)
    writing = Writing(making, keys)
    try:
        for item in items:
            while number < item.position // size:
                yield from _ready(making, number, keys)
                number += 1
            if table := writing.put(item):
                yield table, True
                number += 1
        if table := writing.close():
            yield table, True
            number += 1
    finally:
        writing.abandon()
    while number in later:
        yield from _ready(making, number, keys)
        number += 1


def _ready(making: Making, number: int, keys: Keys) -> Iterator[tuple[ShardTable, bool]]:
    table = making.ready(number)
    if table is None:
        raise InvalidData(
            f"{making.place.location}/{number:06d}.tar changed while shards were made.",
            "Repeat the same command when nothing else writes there.",
        )
    yield _without_repetition(making, table, number, keys)


def _without_repetition(
    making: Making, table: ShardTable, number: int, keys: Keys
) -> tuple[ShardTable, bool]:
    """A whole shard that was made without knowing those before it -> the same, or made again."""
    if keys.take_all(table.keys):
        making.advance(table.source[1] - table.source[0])
        return table, False
    writing = Writing(making, keys)
    try:
        for item in encoded(making.source, *table.source, making.workers):
            if made := writing.put(item):
                return made, True
        made = writing.close()
    finally:
        writing.abandon()
    if made is None:
        raise InvalidData(
            f"the records of {making.place.location}/{table.file} are no longer in the source.",
            "Make all shards again: --force",
        )
    return made, True


class Writing:
    """Takes people in order; the shard that is open goes to its place when it is full."""

    def __init__(self, making: Making, keys: Keys) -> None:
        self.making, self.keys = making, keys
        self.writer: ShardWriter | None = None
        self.position = 0

    def put(self, item: Encoded | Bad) -> ShardTable | None:
        """Add a person, or what was bad about one -> the table when that filled the shard."""
        size = self.making.shard_samples
        if self.writer is None:
            number = item.position // size
            self.writer = ShardWriter(self.making.place.work, number, number * size)
        _put(self.writer, _unless_repeated(item, self.keys))
        self.position = item.position + 1
        self.making.advance(1)
        return None if self.position % size else self.close()

    def close(self) -> ShardTable | None:
        """Finish the open shard -> its table; nothing when none is open."""
        if self.writer is None:
            return None
        table = self.writer.close(self.position)
        self.writer = None
        self.making.place.keep(table.file, table_name(table.file))
        return table

    def abandon(self) -> None:
        """Throw away a shard that is not finished."""
        if self.writer is not None:
            self.writer.abandon()


def _unless_repeated(item: Encoded | Bad, keys: Keys) -> Encoded | Bad:
    if isinstance(item, Bad) or keys.take(item.key):
        return item
    return Bad(item.position, item.key, "this key came before")


def _put(writer: ShardWriter, item: Encoded | Bad) -> None:
    if isinstance(item, Bad):
        record = {"position": item.position, "key": item.key, "problem": item.problem}
        writer.bad.append({**record, "whole_file": True} if item.whole_file else record)
        return
    writer.body_source = writer.body_source or item.body_source
    writer.add(item.key, item.extension, item.image, item.record, list(item.names))
