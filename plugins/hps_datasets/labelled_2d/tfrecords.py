"""TFRecord files: records of `tf.train.Example`, a protobuf message of named lists, without TensorFlow.

Formats: "TFRecord and tf.train.Example" (tensorflow.org) and "Encoding" (protobuf.dev). Lists of bytes
stay places in the file, so that a clip's pictures are read when they are needed.
"""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hpscli.errors import InvalidData, MissingError

Place = tuple[int, int]  # where bytes begin in the file, and how many they are
Value = np.ndarray | list[Place]
LENGTH_BYTES, SUM_BYTES = 8, 4
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
BYTES_LIST, FLOAT_LIST, INT_LIST = 1, 2, 3  # fields of a Feature
LONGEST_VARINT = 10  # bytes
LARGEST_RECORD = 1 << 30  # bytes: a clip has some megabytes


def records(path: Path) -> Iterator[tuple[int, bytes]]:
    """A TFRecord file -> where each record begins, and its bytes; InvalidData where the frames break."""
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = 0
            while start < size:
                head = stream.read(LENGTH_BYTES + SUM_BYTES)
                length = struct.unpack("<Q", head[:LENGTH_BYTES].ljust(LENGTH_BYTES, b"\xff"))[0]
                start += LENGTH_BYTES + SUM_BYTES
                if length > min(size - start - SUM_BYTES, LARGEST_RECORD):
                    raise InvalidData(
                        f"{path.name}: the record at byte {start} goes beyond the end of the file.",
                        "Download it again.",
                    )
                yield start, stream.read(length)
                stream.seek(SUM_BYTES, 1)
                start += length + SUM_BYTES
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None


def example(data: bytes, start: int) -> dict[str, Value]:
    """A record and its place in the file -> {name: numbers, or places of bytes in the file}.

    ValueError when it is no Example.
    """
    found: dict[str, Value] = {}
    for field, kind, *features in _fields(data, 0, len(data)):
        if (field, kind) != (1, BYTES):
            continue
        for inner, inner_kind, *entry in _fields(data, *features):
            if (inner, inner_kind) == (1, BYTES):
                name, value = _entry(data, start, *entry)
                found[name] = value
    return found


def _entry(data: bytes, start: int, at: int, stop: int) -> tuple[str, Value]:
    """A key and its Feature -> name and value."""
    name, value = "", np.empty(0)
    found: Value = value
    for field, kind, first, last in _fields(data, at, stop):
        if (field, kind) == (1, BYTES):
            name = data[first:last].decode("utf-8", "replace")
        elif (field, kind) == (2, BYTES):
            for which, inner_kind, *content in _fields(data, first, last):
                if inner_kind == BYTES:
                    found = _list(data, start, which, *content)
    return name, found


def _list(data: bytes, start: int, which: int, at: int, stop: int) -> Value:
    """The content of a list -> its values, packed or one by one."""
    parts = [item for item in _fields(data, at, stop) if item[0] == 1]
    if which == BYTES_LIST:
        return [(start + first, last - first) for _, kind, first, last in parts if kind == BYTES]
    if which == FLOAT_LIST:
        return np.concatenate(
            [
                np.frombuffer(data, "<f4", (last - first) // 4, first)
                for _, kind, first, last in parts
                if kind in (BYTES, FIXED32)
            ]
            or [np.empty(0, np.float32)]
        )
    numbers: list[int] = []
    for _, kind, first, last in parts:
        while kind in (BYTES, VARINT) and first < last:
            number, first = _varint(data, first, last)
            numbers.append(number - (1 << 64) if number >> 63 else number)
    return np.array(numbers, np.int64)


def _fields(data: bytes, at: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
    """A message -> number, wire type, and place of the content of each field."""
    while at < stop:
        tag, at = _varint(data, at, stop)
        field, kind = tag >> 3, tag & 7
        if kind == VARINT:
            first, (_, at) = at, _varint(data, at, stop)
        elif kind == BYTES:
            length, first = _varint(data, at, stop)
            at = first + length
        elif kind in (FIXED32, FIXED64):
            first = at
            at += 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        if at > stop:
            raise ValueError(f"a field ends beyond byte {stop}")
        yield field, kind, first, at


def _varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """-> the number that begins here, and where it ends."""
    number = 0
    for position in range(LONGEST_VARINT):
        if at >= stop:
            break
        byte, at = data[at], at + 1
        number |= (byte & 127) << 7 * position
        if byte < 128:
            return number & ((1 << 64) - 1), at
    raise ValueError(f"a number without end at byte {at}")
