"""Tars in WebDataset's manner: files with the same name before the first dot are one sample."""

import itertools
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpscli.data.people import inside
from hpscli.errors import InvalidData, LostFile, MissingError, UsageError, in_words

MOST_PARTS = 1000  # files of one sample
MOST_TARS = 100_000
LARGEST_LABELS = 1 << 26  # bytes of a pickle or npz that is read; a picture's people have some kB
GROUP = re.compile(r"\{(?:(\d{1,18})\.\.(\d{1,18})|([^{}]*,[^{}]*))\}")  # {000..012}, {a,b}


@dataclass
class Entry:
    """One sample of a tar: where each of its files lies, by what follows the first dot."""

    tar: str
    key: str
    parts: dict[str, tuple[int, int]] = field(default_factory=dict)  # offset, length

    def read(self, root: Path, part: str) -> bytes:
        """-> the bytes of one file."""
        offset, length = self.parts[part]
        if length > LARGEST_LABELS:
            raise InvalidData(f"{self.tar}: {self.key}.{part} has {length} bytes.")
        with inside(root, self.tar).open("rb") as stream:
            stream.seek(offset)
            data = stream.read(length)
        if len(data) < length:
            raise InvalidData(f"{self.tar} ends inside {self.key}.{part}.")
        return data


def expanded(patterns: str) -> list[str]:
    """Names with {000..012} and {a,b}, separated by spaces -> every name, in order."""
    names = [name for pattern in patterns.split() for name in _expanded(pattern)]
    if len(names) > MOST_TARS:
        raise UsageError(f"'{patterns[:80]}' stands for more than {MOST_TARS} tars.")
    return names


def _expanded(pattern: str) -> Iterator[str]:
    found = GROUP.search(pattern)
    if found is None:
        yield pattern
        return
    first, last, listed = found.groups()
    if listed is not None:
        choices = listed.split(",")
    else:
        # released patterns mix widths ({000000..00006}): the wider one counts
        padded = any(len(word) > 1 and word[0] == "0" for word in (first, last))
        width = max(len(first), len(last)) if padded else 0
        start, stop = int(first), int(last)
        if abs(stop - start) >= MOST_TARS:
            raise UsageError(f"'{pattern[:80]}' stands for more than {MOST_TARS} tars.")
        step = 1 if stop >= start else -1
        choices = [f"{number:0{width}d}" for number in range(start, stop + step, step)]
    head, tail = pattern[: found.start()], pattern[found.end() :]
    rest = list(itertools.islice(_expanded(tail), MOST_TARS + 1))
    if len(rest) * len(choices) > MOST_TARS:
        raise UsageError(f"'{pattern[:80]}' stands for more than {MOST_TARS} tars.")
    for choice in choices:
        yield from (head + choice + end for end in rest)


def found_tars(root: Path, patterns: str) -> list[str]:
    """-> paths of tars below the root: those that the patterns name, without any all, sorted."""
    if patterns:
        names = expanded(patterns)
        for name in names:
            if not inside(root, name).is_file():
                raise MissingError(f"there is no tar {root / name}.")
        return names
    names = sorted(path.relative_to(root).as_posix() for path in root.glob("**/*.tar"))
    if not names:
        raise MissingError(
            f"{root} holds no .tar.", "Name them: tars='h36m-train/{000000..000312}.tar'"
        )
    return names


def entries(root: Path, tar: str) -> Iterator[Entry | InvalidData]:
    """One tar -> its samples; an error in their place where it breaks off."""
    entry: Entry | None = None
    try:
        with tarfile.open(inside(root, tar), "r:") as archive:
            reading: Any = archive
            while member := archive.next():
                reading.members = []  # or a tar of a million files stays in memory
                if not member.isfile():
                    continue
                folder, _, name = member.name.rpartition("/")
                stem, _, part = name.partition(".")
                key = f"{folder}/{stem}" if folder else stem
                if entry is None or key != entry.key:
                    if entry is not None:
                        yield entry
                    entry = Entry(tar, key)
                if len(entry.parts) < MOST_PARTS:
                    entry.parts[part.lower()] = (member.offset_data, member.size)
    except (tarfile.TarError, OSError, ValueError, OverflowError) as error:
        said = error.strerror if isinstance(error, OSError) else in_words(error)
        yield LostFile(f"{tar} is no readable tar: {said}.")
        return
    if entry is not None:
        yield entry
