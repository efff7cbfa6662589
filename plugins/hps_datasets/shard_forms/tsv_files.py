"""The files of METRO's data sets: a list of names in YAML, and tables with one row a line.

A table with pictures has many gigabytes, so rows are found by the offsets in NAME.lineidx. Those count
characters, which are bytes only for plain ASCII; an offset that begins no line makes us count for ourselves.
"""

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import BinaryIO

from hpscli.data.people import inside
from hpscli.errors import InvalidData, MissingError

LARGEST_TEXT = 1 << 28  # bytes of a list or an index; MuCo's has 10 million
LARGEST_ROW = 1 << 24  # bytes of a row without picture: labels of one person have 5 kB
LARGEST_PICTURE = 1 << 26
HEAD = 1 << 12  # bytes in which the columns before a picture end
CHUNK = 1 << 20
FILES = ("img", "hw", "label")
ENTRY = re.compile(r"(\w+)\s*:\s*(.*)")


@dataclass(frozen=True)
class Tables:
    """One source of a data set: the paths of its tables below the root; "" where there is none."""

    img: str
    hw: str
    label: str


@dataclass(frozen=True)
class Listing:
    """A data set: its sources, and source and row of every person; None: every row of the one source."""

    sources: tuple[Tables, ...]
    rows: tuple[Sequence[int], Sequence[int]] | None


def read_listing(root: Path, path: str) -> Listing:
    """The YAML of a data set, below the root -> its tables and rows."""
    entries = parse_entries(read_text(root, path), path)
    composite = str(entries.get("composite", "false")).lower() == "true"
    folder = PurePosixPath(path).parent.as_posix()
    named = {name: _names(root, folder, entries.get(name), composite) for name in FILES}
    if not named["img"] or not named["label"]:
        raise InvalidData(f"{path} names no img or no label table.")
    if not named["hw"]:
        named["hw"] = [""] * len(named["img"])
    lengths = {len(files) for files in named.values()}
    if len(lengths) != 1:
        raise InvalidData(f"{path} names tables of {sorted(lengths)} sources.")
    sources = tuple(Tables(*files) for files in zip(*(named[name] for name in FILES), strict=True))
    listed = entries.get("linelist")
    if listed is None:
        if composite:
            raise InvalidData(f"{path} is composite and names no linelist.")
        return Listing(sources, None)
    if not isinstance(listed, str):
        raise InvalidData(f"{path}: linelist is no name.")
    return Listing(sources, _rows(root, _below(folder, listed), composite, len(sources)))


def parse_entries(text: str, name: str) -> dict[str, str | list[str]]:
    """The YAML that these files use (names, and lists of names) -> {name: text or list}."""
    found: dict[str, str | list[str]] = {}
    last = ""
    for line in text.splitlines():
        words = line.partition(" #")[0].strip()
        entry = ENTRY.fullmatch(words)
        if not words or words.startswith(("#", "---")):
            continue
        if words.startswith("- ") and last:
            items = found[last]
            found[last] = [*(items if isinstance(items, list) else []), _plain(words[2:])]
        elif entry:
            last, value = entry.group(1), entry.group(2).strip()
            if value.startswith("[") and value.endswith("]"):
                found[last] = [_plain(item) for item in value[1:-1].split(",") if item.strip()]
            else:
                found[last] = _plain(value)
        else:
            raise InvalidData(f"{name} has a line that is no entry: '{words[:60]}'.")
    return found


def read_text(root: Path, path: str) -> str:
    """-> the text of a small file; MissingError and InvalidData name it."""
    try:
        with inside(root, path).open("rb") as stream:
            data = stream.read(LARGEST_TEXT + 1)
    except OSError as error:
        raise MissingError(f"{root / path} cannot be read: {error.strerror}.") from None
    if len(data) > LARGEST_TEXT:
        raise InvalidData(f"{path} has more than {LARGEST_TEXT} bytes.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidData(f"{path} is no text: {error.reason}.") from None


class Table:
    """A table whose rows are read one by one, in any order."""

    def __init__(self, root: Path, path: str) -> None:
        self.path = path
        try:
            self.stream: BinaryIO = inside(root, path).open("rb")
            self.size = inside(root, path).stat().st_size
        except OSError as error:
            raise MissingError(f"{root / path} cannot be read: {error.strerror}.") from None
        self.counted = False
        self.offsets = self._indexed(inside(root, path).with_suffix(".lineidx"))

    def __len__(self) -> int:
        return len(self.offsets)

    def span(self, row: int) -> tuple[int, int]:
        """-> first byte of a row and the one behind it, without the end of the line."""
        if not self.counted and not (self._begins(row) and self._begins(row + 1)):
            self._count()
        if not 0 <= row < len(self.offsets):
            raise InvalidData(f"{self.path} has {len(self.offsets)} rows, none with number {row}.")
        start = self.offsets[row]
        end = self.offsets[row + 1] if row + 1 < len(self.offsets) else self.size
        self.stream.seek(max(start, end - 2))
        tail = self.stream.read(end - max(start, end - 2))
        return start, end - (len(tail) - len(tail.rstrip(b"\r\n")))

    def cells(self, row: int) -> list[str]:
        """-> the columns of a row of text."""
        start, end = self.span(row)
        if end - start > LARGEST_ROW:
            raise InvalidData(f"{self.path} row {row} has {end - start} bytes.")
        self.stream.seek(start)
        return self.stream.read(end - start).decode("utf-8").split("\t")

    def last_cell(self, row: int) -> tuple[str, int, int]:
        """-> the key of a row, and offset and length of its last column, which is not read."""
        start, end = self.span(row)
        self.stream.seek(start)
        head = self.stream.read(min(HEAD, end - start))
        if b"\t" not in head:
            raise InvalidData(f"{self.path} row {row} has one column.")
        offset = start + head.rindex(b"\t") + 1
        return head.partition(b"\t")[0].decode("utf-8"), offset, end - offset

    def close(self) -> None:
        """Close the file."""
        self.stream.close()

    def _indexed(self, path: Path) -> Sequence[int]:
        try:
            if path.stat().st_size > LARGEST_TEXT:
                raise ValueError
            offsets = array("q", map(int, path.read_bytes().split()))
            self.stream.seek(offsets[-1])
            self.stream.readline(LARGEST_PICTURE)
            if self.stream.tell() != self.size:  # counted in characters, or rows are missing
                raise ValueError
        except (OSError, ValueError, OverflowError, IndexError):  # absent or wrong: not needed
            return self._count()
        return offsets

    def _begins(self, row: int) -> bool:
        """-> True if the index is right that a row begins there."""
        if row == len(self.offsets):
            return True
        if not 0 <= row < len(self.offsets) or not 0 <= self.offsets[row] < self.size:
            return False
        if self.offsets[row] == 0:
            return row == 0
        self.stream.seek(self.offsets[row] - 1)
        return self.stream.read(1) == b"\n"

    def _count(self) -> Sequence[int]:
        """Find the rows by reading the whole table once."""
        self.counted, self.offsets = True, array("q", [0] if self.size else [])
        self.stream.seek(0)
        base = 0
        while chunk := self.stream.read(CHUNK):
            at = chunk.find(b"\n")
            while at >= 0:
                if base + at + 1 < self.size:
                    self.offsets.append(base + at + 1)
                at = chunk.find(b"\n", at + 1)
            base += len(chunk)
        return self.offsets


def _rows(
    root: Path, path: str, composite: bool, sources: int
) -> tuple[Sequence[int], Sequence[int]]:
    """A line list -> source of each person, row of each person."""
    found = array("q"), array("q")
    for number, line in enumerate(read_text(root, path).splitlines()):
        if not line.strip():
            continue
        try:
            parts = [int(word) for word in line.split()]
            source, row = parts if composite else (0, parts[0])
            found[1].append(row)
        except (ValueError, OverflowError):
            raise InvalidData(f"{path} line {number + 1} is '{line[:40]}', no row.") from None
        if not 0 <= source < sources:
            raise InvalidData(f"{path} line {number + 1} names source {source} of {sources}.")
        found[0].append(source)
    return found


def _names(root: Path, folder: str, value: str | list[str] | None, composite: bool) -> list[str]:
    """An entry -> paths below the root; in composite sets a name is a file with a list of names."""
    if value is None or value == "":
        return []
    if isinstance(value, str) and composite:
        listed = _below(folder, value)
        lines = read_text(root, listed).splitlines()
        inner = PurePosixPath(listed).parent.as_posix()
        return [_below(inner, line.strip()) for line in lines if line.strip()]
    return [_below(folder, name) for name in ([value] if isinstance(value, str) else value)]


def _below(folder: str, name: str) -> str:
    path = normpath(f"{folder}/{name}")
    if path.startswith(("..", "/")) or "\0" in path:
        raise InvalidData(
            f"'{name}' lies outside of the folder.",
            "Give the folder that holds all sets, and the list in it: yaml=SET/train.yaml",
        )
    return path


def _plain(text: str) -> str:
    text = text.strip()
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text
