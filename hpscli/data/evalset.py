"""Shards as an exact, keyed sequence: sample i is always the same person; evaluation reads each once."""

import mmap
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from threading import RLock
from typing import Any

from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.preparation import Preparation
from hpscli.data.remote import cache_folder, is_remote, local_copy
from hpscli.data.sample import decode_record, expected_shape
from hpscli.data.shards import ShardIndex, ShardTable, read_index, read_table
from hpscli.errors import InvalidData, UsageError
from hpscli.records import Batch, Sample

OPEN_SHARDS = 64  # memory maps and tables held at once


class BrokenSample(InvalidData):
    """One person's record is damaged, while the shard around it can be read."""


class EvalSet:
    """Random access to the people in a shard folder or URL; `limit` keeps the first N.

    Tables and tars are opened when first needed; a process that was forked opens its own. Threads
    may read at the same time.
    """

    def __init__(self, location: str | Path, limit: int = 0) -> None:
        self.index: ShardIndex = read_index(location)
        for name in self.index.arrays:
            _known_array(name, location)
        self.location = location
        # absolute, and asked now: a worker may have another current folder and environment
        self._root = location if is_remote(location) else Path(location).absolute()
        self._cache = cache_folder()
        self.size = min(limit, self.index.samples) if limit else self.index.samples
        self.starts = [0, *accumulate(shard.samples for shard in self.index.shards)]
        self._tables: OrderedDict[int, ShardTable] = OrderedDict()
        self._maps: OrderedDict[int, memoryview] = OrderedDict()
        self._process = os.getpid()
        self._lock = RLock()

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, position: int) -> Sample:
        table, tar, row = self._find(position)
        record_start, record_length = table.record[row]
        image_start, image_length = table.image[row]
        try:
            arrays, meta = decode_record(bytes(tar[record_start : record_start + record_length]))
        except InvalidData as error:
            raise BrokenSample(
                f"sample '{table.keys[row]}' in {self.location}/{table.file}: {error.problem}",
                f"hps datasets audit {self.location}",
            ) from None
        image = bytes(tar[image_start : image_start + image_length])
        return Sample(key=table.keys[row], image=image, arrays=arrays, meta=meta)

    def __iter__(self) -> Iterator[Sample]:
        return (self[position] for position in range(self.size))

    @property
    def keys(self) -> list[str]:
        """-> the keys in order."""
        found: list[str] = []
        for number in range(len(self.index.shards)):
            if len(found) < self.size:
                with self._lock:
                    found += self._table(number).keys
        return found[: self.size]

    def key(self, position: int) -> str:
        """-> the key of one sample, without reading it."""
        number = bisect_right(self.starts, position) - 1
        with self._lock:
            return self._table(number).keys[position - self.starts[number]]

    def __getstate__(self) -> dict[str, Any]:
        # memory maps do not travel, and big tables need not
        kept = {name: value for name, value in self.__dict__.items() if name != "_lock"}
        return {**kept, "_maps": OrderedDict(), "_tables": OrderedDict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = RLock()

    def _find(self, position: int) -> tuple[ShardTable, memoryview, int]:
        if not 0 <= position < self.size:
            raise IndexError(f"sample {position} of {self.size}")
        number = bisect_right(self.starts, position) - 1
        with self._lock:
            return self._table(number), self._tar(number), position - self.starts[number]

    def _table(self, number: int) -> ShardTable:
        if number not in self._tables:
            self._tables[number] = read_table(self._root, self.index.shards[number])
            if len(self._tables) > OPEN_SHARDS:
                self._tables.popitem(last=False)
        self._tables.move_to_end(number)
        return self._tables[number]

    def _tar(self, number: int) -> memoryview:
        if self._process != os.getpid():  # after a fork: the parent may drop its maps at any time
            self._maps, self._process = OrderedDict(), os.getpid()
        if number not in self._maps:
            shard = self.index.shards[number]
            path = local_copy(self._root, shard.file, shard.bytes, shard.sha256, self._cache)
            with path.open("rb") as stream:
                tar = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            self._maps[number] = memoryview(tar)
            if len(self._maps) > OPEN_SHARDS:
                self._maps.popitem(last=False)
        self._maps.move_to_end(number)
        return self._maps[number]


def _known_array(name: str, location: str | Path) -> None:
    """Stop before reading when these shards carry what this program has no meaning for."""
    if not name.startswith("extra."):
        try:
            expected_shape(name)
        except InvalidData as error:
            raise InvalidData(f"shards {location}: {error.problem}", error.fix) from None


def eval_batches(
    evalset: EvalSet,
    *,
    size: tuple[int, int],
    joints: str,
    crop_scale: float = 1.0,
    batch: int = 32,
    rank: int = 0,
    world: int = 1,
    preparation: Preparation | None = None,
    seen: float = 1.0,
) -> Iterator[Batch]:
    """-> batches of crops; over all ranks each key comes exactly once, nothing is padded or repeated.

    preparation: how the model's authors crop; None: our one warp. `seen`: `crop_box`.
    """
    for samples in chunks(evalset, batch=batch, rank=rank, world=world):
        yield prepared_batch(samples, size, joints, preparation, crop_scale=crop_scale, seen=seen)


def chunks(
    evalset: EvalSet, *, batch: int = 32, rank: int = 0, world: int = 1
) -> Iterator[list[Sample]]:
    """-> the people of one process, `batch` at once; over all ranks each key comes exactly once."""
    for mine in spans(len(evalset), batch=batch, rank=rank, world=world):
        yield [evalset[position] for position in mine]


def spans(count: int, *, batch: int = 32, rank: int = 0, world: int = 1) -> Iterator[range]:
    """-> the positions of one process's people, `batch` at once."""
    if not 0 <= rank < world:
        raise UsageError(f"rank {rank} of {world} processes.")
    mine = range(rank, count, world)
    for start in range(0, len(mine), batch):
        yield mine[start : start + batch]
