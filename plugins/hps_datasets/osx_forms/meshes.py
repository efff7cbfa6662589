"""Vertices of PLY files, as scanners and SMPL-X's fits write them: text or binary."""

from pathlib import Path
from typing import Any

import numpy as np

from hpscli.errors import InvalidData, MissingError

Array = np.ndarray[Any, np.dtype[Any]]
TYPES = {  # of the PLY format, both spellings
    "char": "i1",
    "int8": "i1",
    "uchar": "u1",
    "uint8": "u1",
    "short": "i2",
    "int16": "i2",
    "ushort": "u2",
    "uint16": "u2",
    "int": "i4",
    "int32": "i4",
    "uint": "u4",
    "uint32": "u4",
    "float": "f4",
    "float32": "f4",
    "double": "f8",
    "float64": "f8",
}
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
HEADER_BYTES = 1 << 16
MOST_BYTES = 1 << 30


def ply_vertices(path: Path) -> Array:
    """A PLY file whose first element is its vertices -> (V,3) float64."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InvalidData(f"{path.name} is too large for a mesh.")
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return _vertices(data)
    except (ValueError, KeyError, IndexError, OverflowError, TypeError) as error:
        raise InvalidData(f"{path.name} is no PLY with vertices: {error}.") from None


def _vertices(data: bytes) -> Array:
    head, mark, body = data[:HEADER_BYTES].partition(b"end_header")
    if not mark or not head.startswith(b"ply"):
        raise ValueError("there is no header")
    order, count, fields = _header(head.decode("ascii", "replace").splitlines())
    start = len(head) + len(mark)
    start += 2 if data[start : start + 2] == b"\r\n" else 1
    body = data[start:]
    if order:
        kind = np.dtype([(name, order + TYPES[word]) for name, word in fields])
        if count * kind.itemsize > len(body):
            raise ValueError(f"it ends before vertex {count}")
        table = np.frombuffer(body, kind, count)
        points = np.stack([table[axis].astype(np.float64) for axis in "xyz"], axis=1)
    else:
        width = len(fields)
        lines = body.split(b"\n", count)[:count]
        if len(lines) < count:
            raise ValueError(f"it ends before vertex {count}")
        values = np.array([line.split() for line in lines]).astype(np.float64)
        columns = [[name for name, _ in fields].index(axis) for axis in "xyz"]
        points = values.reshape(count, width)[:, columns]
    if not np.isfinite(points).all():
        raise ValueError("vertices are not finite")
    return points


def _header(lines: list[str]) -> tuple[str, int, list[tuple[str, str]]]:
    """-> byte order, number of vertices, (name, type) of what each vertex has."""
    order, count, fields, reading = "", -1, [], False
    for line in lines[1:]:
        words = line.split()
        if words[:1] == ["format"]:
            order = ORDERS[words[1]]
        elif words[:1] == ["element"]:
            reading = words[1] == "vertex"
            if not reading and count < 0:
                raise ValueError("vertices are not its first element")
            count = int(words[2]) if reading else count
        elif words[:1] == ["property"] and reading:
            fields.append((words[2], words[1]))
    if count < 1:
        raise ValueError("there are no vertices")
    return order, count, fields
