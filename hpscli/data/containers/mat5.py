"""Variables of MATLAB files (version 5): the labels of LSP, MPII, Penn Action and others.

Every size that a file states is held against the bytes that are there, so that a broken file ends in a
sentence; SciPy's reader can end in a crash of the process. Format: "MAT-File Format", The MathWorks.
"""

import math
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hpscli.errors import InvalidData, MissingError, in_words

HDF5_MAGIC = b"\x89HDF"  # MATLAB writes 7.3 files as HDF5 behind 512 bytes of text
HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15  # kinds of elements
STORED = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
TEXT = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
CELL, STRUCT, CHAR = 1, 2, 4  # classes of arrays
NUMERIC = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8"}
NUMERIC[15] = "u8"
COMPLEX_FLAG = 0x08
MAX_BYTES = 2 << 30  # of a variable, by the format
MAX_DEPTH = 32
NAME_WINDOW = 512  # bytes of a compressed variable in which its name stands


def read_mat5(
    path: Path, *names: str, optional: Sequence[str] = (), shaped: bool = False
) -> dict[str, Any]:
    """A .mat file and names of variables -> {name: value}; those not optional must be there.

    Numbers are arrays in MATLAB's shape, a single number is a float or int. Text is str, a cell array
    a list, a structure array a list of {field: value}, both in MATLAB's order. `shaped`: everything
    is an array as SciPy makes it, cells and fields of dtype object.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None
    if HDF5_MAGIC in (data[:4], data[512:516]):
        raise InvalidData(
            f"{path.name} is a MATLAB 7.3 file; version 5 is expected.",
            "Take the owner's file, or save it again: save('FILE', '-v7')",
        )
    try:
        found = dict(_variables(data, (*names, *optional), shaped))
    except (struct.error, zlib.error, ValueError, IndexError, OverflowError, MemoryError) as error:
        raise InvalidData(f"{path.name} is no readable MATLAB file: {in_words(error)}.") from None
    for name in names:
        if name not in found:
            raise InvalidData(f"{path.name} has no variable '{name}'.")
    return found


def numbers(path: Path, name: str, value: Any) -> np.ndarray:
    """-> a variable as an array of numbers, float64."""
    array = np.asarray(value) if isinstance(value, np.ndarray | int | float) else np.array("")
    if array.dtype.kind not in "biuf":
        raise InvalidData(f"{path.name}: '{name}' is no array of numbers.")
    return array.astype(np.float64)


class Header(NamedTuple):
    """What stands before the values of an array."""

    kind: int
    is_complex: bool
    shape: tuple[int, ...]
    name: str


def _variables(data: bytes, names: tuple[str, ...], shaped: bool) -> Iterator[tuple[str, Any]]:
    """-> the variables with these names; others are not even decompressed."""
    if data[126:128] not in (b"IM", b"MI"):
        raise ValueError("it does not begin as one")
    order = "<" if data[126:128] == b"IM" else ">"
    reader = _Reader(data, order, HEADER_BYTES)
    while len(data) - reader.at >= 8:
        kind, start, stop = reader.tag()
        reader.at = stop if kind == COMPRESSED else reader.at
        if kind == COMPRESSED:
            inner = _Reader(_inflate(data[start:stop], NAME_WINDOW), order)
            inner.at = 8
            if inner.header().name not in names:
                continue
            inner = _Reader(_inflate(data[start:stop], MAX_BYTES), order, shaped=shaped)
            yield inner.named()
        elif kind == MATRIX:
            inside = _Reader(data, order, start)
            if inside.header().name in names:
                yield _Reader(data[:stop], order, start - 8, shaped).named()


def _inflate(data: bytes, limit: int) -> bytes:
    return zlib.decompressobj().decompress(data, limit)


class _Reader:
    """A place in bytes that holds elements one after the other."""

    def __init__(self, data: bytes, order: str, at: int = 0, shaped: bool = False) -> None:
        self.data, self.order, self.at, self.shaped = data, order, at, shaped
        self.pair = struct.Struct(f"{order}II")

    def tag(self) -> tuple[int, int, int]:
        """-> kind of the next element, and where its bytes begin and end; `at` moves behind it."""
        kind, size = self.pair.unpack_from(self.data, self.at)
        if kind >> 16:  # up to 4 bytes lie in the tag itself
            kind, size = kind & 0xFFFF, kind >> 16
            start, self.at = self.at + 4, self.at + 8
            if size > 4:
                raise ValueError(f"a small element of {size} bytes at byte {start}")
        else:
            start = self.at + 8
            self.at = start + size + (-size % 8)
        if start + size > len(self.data):
            raise ValueError(f"it ends before byte {start + size}")
        return kind, start, start + size

    def header(self) -> Header:
        """-> flags, shape and name of the array whose bytes begin here."""
        _, start, stop = self.tag()
        flags = struct.unpack_from(f"{self.order}I", self.data[start:stop])[0]
        shape = tuple(int(size) for size in self.stored())
        name = self.text()
        if len(shape) < 2 or min(shape) < 0:
            raise ValueError(f"an array of shape {shape}")
        return Header(flags & 0xFF, bool(flags >> 8 & COMPLEX_FLAG), shape, name)

    def named(self) -> tuple[str, Any]:
        """-> name and value of the array that begins here with its tag."""
        place = self.at
        self.at += 8
        name = self.header().name
        self.at = place
        return name, self.array(0)

    def stored(self) -> np.ndarray:
        """-> the numbers of the next element."""
        kind, start, stop = self.tag()
        if kind not in STORED:
            raise ValueError(f"numbers of unknown kind {kind} at byte {start}")
        dtype = np.dtype(f"{self.order}{STORED[kind]}")
        return np.frombuffer(self.data, dtype, (stop - start) // dtype.itemsize, start)

    def text(self) -> str:
        """-> the letters of the next element."""
        kind, start, stop = self.tag()
        encoding = TEXT.get(kind, "latin-1")
        if encoding in ("utf-16", "utf-32"):
            encoding += "-le" if self.order == "<" else "-be"
        return self.data[start:stop].decode(encoding, "replace")

    def array(self, depth: int) -> Any:
        """-> the value of the next element, which is an array."""
        kind, start, stop = self.tag()
        if kind != MATRIX or depth > MAX_DEPTH:
            raise ValueError(f"no array at byte {start}")
        behind, self.at = self.at, start
        if start == stop:  # an empty array is a tag alone
            return np.empty((0, 0))
        head = self.header()
        if head.kind in NUMERIC:
            value: Any = self.number(head)
        elif head.kind in READERS:
            value = READERS[head.kind](self, head, stop, depth + 1)
        else:
            raise ValueError(f"an array of unknown class {head.kind} at byte {start}")
        self.at = behind
        return value

    def number(self, head: Header) -> Any:
        """-> an array of numbers, or one number."""
        values = self.stored()
        if head.is_complex or len(values) != math.prod(head.shape):
            raise ValueError(f"{len(values)} numbers for an array of shape {head.shape}")
        if head.shape == (1, 1) and not self.shaped:
            return values[0].item()
        dtype = np.dtype(NUMERIC[head.kind])
        return values.astype(dtype).reshape(head.shape, order="F")

    def cells(self, head: Header, stop: int, depth: int) -> Any:
        """-> the values of a cell array."""
        values = [self.array(depth) for _ in range(self.count(head, 1, stop))]
        return filled(head.shape, np.dtype(object), values) if self.shaped else values

    def structures(self, head: Header, stop: int, depth: int) -> Any:
        """-> the values of a structure array by fields."""
        (length,) = (int(number) for number in self.stored())
        _, start, end = self.tag()
        if not 0 < length <= 1024:
            raise ValueError(f"names of fields are {length} bytes long")
        raw = self.data[start:end]
        fields = [
            raw[i : i + length].partition(b"\0")[0].decode("latin-1")
            for i in range(0, len(raw), length)
        ]
        count = self.count(head, max(len(fields), 1), stop)
        values = [{name: self.array(depth) for name in fields} for _ in range(count)]
        if not self.shaped:
            return values
        dtype = np.dtype([(name, object) for name in fields])
        return filled(head.shape, dtype, [tuple(value.values()) for value in values])

    def letters(self, head: Header, stop: int, depth: int) -> Any:
        """-> text; the rows of a table of letters are not told apart."""
        text = self.text() if math.prod(head.shape) else ""
        return np.array([text]) if self.shaped else text

    def count(self, head: Header, fields: int, stop: int) -> int:
        """-> how many elements there are: each needs at least the 8 bytes of its tag."""
        count = math.prod(head.shape)
        if count * fields * 8 > stop - self.at:
            raise ValueError(f"too few bytes for an array of shape {head.shape}")
        return count


def filled(shape: tuple[int, ...], dtype: np.dtype[Any], values: list[Any]) -> np.ndarray:
    """Values in MATLAB's order -> an array of objects in its shape."""
    made = np.empty(len(values), dtype)
    for index, value in enumerate(values):
        made[index] = value
    return made.reshape(shape, order="F")


READERS: dict[int, Callable[[_Reader, Header, int, int], Any]] = {
    CELL: _Reader.cells,
    STRUCT: _Reader.structures,
    CHAR: _Reader.letters,
}
