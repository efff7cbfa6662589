"""The vertices of a PLY file, text or binary. Format: Greg Turk, "The PLY Polygon File Format"."""

from pathlib import Path

import numpy as np

from hpscli.errors import BAD_RECORD, InvalidData, MissingError, in_words

END = b"end_header"
LONGEST_HEADER = 1 << 16  # bytes
NUMBERS = {  # names of types, old and new
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}


def ply_vertices(path: Path) -> np.ndarray:
    """A PLY file whose first elements are vertices -> (V,3) float64 in its own frame and unit."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return _vertices(data)
    except BAD_RECORD as error:
        raise InvalidData(f"{path.name} is no mesh that can be read: {in_words(error)}.") from None


def _vertices(data: bytes) -> np.ndarray:
    end = data.find(b"\n", data.find(END, 0, LONGEST_HEADER))
    if not data.startswith(b"ply") or END not in data[:LONGEST_HEADER] or end < 0:
        raise ValueError("it has no header of a PLY file")
    order, count, fields = _header(data[:end].decode("ascii", "replace").splitlines())
    body = data[end + 1 :]
    if order:
        dtype = np.dtype([(name, order + kind) for name, kind in fields])
        if count * dtype.itemsize > len(body):
            raise ValueError(f"it ends before its {count} vertices do")
        rows = np.frombuffer(body, dtype, count)
        with np.errstate(invalid="ignore"):  # signalling NaN in broken files
            return np.stack([rows[axis].astype(np.float64) for axis in "xyz"], axis=1)
    names = [name for name, _ in fields]
    lines = body.decode("ascii", "replace").splitlines()[:count]
    if len(lines) < count:
        raise ValueError(f"it ends before its {count} vertices do")
    table = np.array([line.split()[: len(names)] for line in lines], np.float64)
    return table.reshape(count, len(names))[:, [names.index(axis) for axis in "xyz"]]


def _header(lines: list[str]) -> tuple[str, int, list[tuple[str, str]]]:
    """-> byte order ("" for text), number of vertices, and their properties."""
    order, count, fields, element = "?", -1, list[tuple[str, str]](), ""
    for words in (line.split() for line in lines[1:]):
        if words[:1] == ["format"]:
            order = ORDERS[words[1]]
        elif words[:1] == ["element"]:
            element = words[1] if not element or count >= 0 else ""
            if element != "vertex" and count < 0:
                raise ValueError("its first elements are no vertices")
            count = int(words[2]) if element == "vertex" else count
        elif words[:1] == ["property"] and element == "vertex":
            fields.append((words[2], NUMBERS[words[1]]))
    if order == "?" or count < 0 or not {"x", "y", "z"} <= {name for name, _ in fields}:
        raise ValueError("its header has no vertices with x, y and z")
    return order, count, fields
