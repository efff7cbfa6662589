"""A data set before it is prepared: every person read, every picture decoded, nothing written."""

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from hpscli.data.preparing.files import FileGroup, file_groups
from hpscli.data.preparing.keys import Keys
from hpscli.data.preparing.tars import BLOCK
from hpscli.data.preparing.workers import encoded
from hpscli.data.remote import is_remote
from hpscli.data.shards import LISTED
from hpscli.data.sources import Bad, Source

HEADERS = 3 * BLOCK  # of a person's two members in a tar, with half a block of padding each
KINDS = 100  # different problems that are counted apart


@dataclass
class Check:
    """What is known about a data set without having prepared it."""

    files: list[FileGroup] = field(default_factory=list)
    samples: int = 0
    bad: list[Bad] = field(default_factory=list)  # the first of them
    bad_count: int = 0
    problems: dict[str, int] = field(default_factory=dict)  # without names and numbers -> records
    bytes: int = 0  # of the shards that would be written
    free_bytes: int = -1  # where they would be; -1: nobody knows

    @property
    def room(self) -> bool:
        """Whether the shards would find room, as far as that is known."""
        return self.free_bytes < 0 or self.bytes < self.free_bytes

    def add_bad(self, bad: Bad) -> None:
        """Count a bad record, and keep it when it is among the first."""
        self.bad_count += 1
        if len(self.bad) < LISTED:
            self.bad.append(bad)
        kind = re.sub(r"\S*[\d/]\S*", "*", bad.problem)
        if kind in self.problems or len(self.problems) < KINDS:
            self.problems[kind] = self.problems.get(kind, 0) + 1


def check_people(
    source: Source,
    out: str | Path,
    *,
    workers: int = 1,
    limit: int = 0,
    advance: Callable[[int], None] = lambda count: None,
) -> Check:
    """Read every person and decode every picture -> what is wrong, and how much room is needed."""
    found = Check(free_bytes=free_bytes(out))
    if source.spec.needs_root:
        found.files = file_groups(source.spec, source.root, source.split)
    with tempfile.TemporaryDirectory(prefix="hps-check-") as folder, Keys(Path(folder)) as keys:
        for item in encoded(replace(source, decode=True), 0, limit or None, workers):
            if isinstance(item, Bad):
                found.add_bad(item)
            elif not keys.take(item.key):
                found.add_bad(Bad(item.position, item.key, "this key came before"))
            else:
                found.samples += 1
                found.bytes += len(item.image) + len(item.record) + HEADERS
            advance(1)
    return found


def free_bytes(out: str | Path) -> int:
    """-> room on the disk where a folder is, or would be; -1 for a URL."""
    if is_remote(out):
        return -1
    path = Path(out).absolute()
    place = next(place for place in (path, *path.parents) if place.exists())
    return shutil.disk_usage(place).free
