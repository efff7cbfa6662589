"""Rows of named values -> columns, in memory or on disk, and columns -> an .npz written block by block.

A file of a million people is written with the memory of one block: numbers wait in temporary files.
A value that a row lacks is zero, empty text, or an empty dictionary.
"""

import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from hpscli.errors import InvalidData

BLOCK_ROWS = 4096
PICKLE_PROTOCOL = 4  # of object arrays, as np.save writes them
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same people give the same bytes
Change = Callable[[np.ndarray], np.ndarray]


def stacked(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows -> {name: array (N, ...)}; what a row lacks is zero or empty."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        like = next(row[name] for row in rows if name in row)
        empty = _empty(like)
        values = [row.get(name, empty) for row in rows]
        if isinstance(like, Mapping):
            found[name] = np.empty(len(rows), object)
            found[name][:] = values
        else:
            found[name] = np.array(values) if isinstance(like, str) else _stack(name, values)
    return found


def _stack(name: str, values: Sequence[Any]) -> np.ndarray:
    try:
        return np.stack([np.asarray(value) for value in values])
    except ValueError:
        shapes = sorted({str(np.shape(value)) for value in values})
        raise InvalidData(f"'{name}' has rows of different shapes: {', '.join(shapes)}.") from None


def _empty(like: Any) -> Any:
    if isinstance(like, str):
        return ""
    return {} if isinstance(like, Mapping) else np.zeros_like(np.asarray(like))


@dataclass
class _Column:
    """One column on disk: numbers as raw rows, everything else as one line of JSON a row."""

    file: IO[bytes]
    shape: tuple[int, ...]
    dtype: np.dtype[Any] | None  # None: lines of JSON
    empty: Any
    rows: int = 0
    given: int = 0  # rows that had a value
    longest: int = 1  # characters of a text


@dataclass(frozen=True)
class Blocks:
    """A column that is read block by block."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    arrays: Callable[[], Iterator[np.ndarray]]


class Columns:
    """Rows appended one by one; their numbers lie in a temporary folder until `with` ends."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="hps-columns-")
        self._columns: dict[str, _Column] = {}
        self._rows = 0

    def __enter__(self) -> "Columns":
        return self

    def __exit__(self, *error: object) -> None:
        for column in self._columns.values():
            column.file.close()
        self._folder.cleanup()

    def __len__(self) -> int:
        return self._rows

    def names(self) -> list[str]:
        """-> the columns, in the order in which they came."""
        return list(self._columns)

    def given(self, name: str) -> int:
        """-> how many rows had this value; 0 for a column that nobody knows."""
        return self._columns[name].given if name in self._columns else 0

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; InvalidData when a value is shaped unlike those before it."""
        for name, value in row.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = self._new(value)
            _write(column, value, name, self._rows)
        self._rows += 1

    def whole(self, name: str) -> np.ndarray:
        """-> a column as one array (N, ...); dictionaries as objects."""
        parts = list(self.blocks(name).arrays())
        return np.concatenate(parts) if parts else np.empty(0)

    def blocks(self, name: str, change: Change = lambda rows: rows) -> Blocks:
        """-> a column to be written; `change` is done to each block (n, ...)."""
        column = self._columns[name]
        _pad(column, self._rows)
        column.file.flush()
        dtype = column.dtype or self._dtype(column)
        one = change(np.zeros((1, *column.shape), dtype))
        return Blocks(
            (self._rows, *one.shape[1:]), dtype, lambda: self._read(column, dtype, change)
        )

    def _new(self, value: Any) -> _Column:
        plain = isinstance(value, str | Mapping)
        like = None if plain else np.asarray(value)
        file = (Path(self._folder.name) / str(len(self._columns))).open("w+b")
        return _Column(
            file=file,
            shape=() if like is None else like.shape,
            dtype=None if like is None or like.dtype.kind not in "biuf" else like.dtype,
            empty=_empty(value),
        )

    def _dtype(self, column: _Column) -> np.dtype[Any]:
        if isinstance(column.empty, str):
            return np.dtype(f"<U{column.longest}")
        return np.dtype(object)

    def _read(self, column: _Column, dtype: np.dtype[Any], change: Change) -> Iterator[np.ndarray]:
        column.file.seek(0)
        for start in range(0, self._rows, BLOCK_ROWS):
            count = min(BLOCK_ROWS, self._rows - start)
            if column.dtype is None:
                values = [json.loads(line) for line in islice(column.file, count)]
                block = np.empty(count, dtype)
                block[:] = values
            else:
                size = count * int(np.prod(column.shape)) * dtype.itemsize
                block = np.frombuffer(column.file.read(size), dtype).reshape(count, *column.shape)
            yield change(block)


def _write(column: _Column, value: Any, name: str, row: int) -> None:
    _pad(column, row)
    if column.dtype is None:
        if isinstance(value, str) != isinstance(column.empty, str):
            raise InvalidData(f"'{name}' of row {row} is a {type(value).__name__}, others are not.")
        column.longest = max(column.longest, len(value))
        column.file.write(json.dumps(value).encode() + b"\n")
    else:
        array = np.asarray(value)
        if array.shape != column.shape or array.dtype.kind not in "biuf":
            raise InvalidData(
                f"'{name}' of row {row} is {array.dtype} {array.shape}, others are "
                f"{column.dtype} {column.shape}."
            )
        if array.dtype.kind == "f" and column.dtype.kind != "f":  # whole numbers until now
            _widen(column, array.dtype)
        column.file.write(array.astype(column.dtype).tobytes())
    column.rows += 1
    column.given += 1


def _widen(column: _Column, dtype: np.dtype[Any]) -> None:
    """Write the rows again, as numbers of this type."""
    column.file.seek(0)
    rows = np.frombuffer(column.file.read(), column.dtype).astype(dtype)
    column.file.seek(0)
    column.file.truncate()
    column.file.write(rows.tobytes())
    column.dtype = dtype


def _pad(column: _Column, rows: int) -> None:
    """Empty values for the rows that had none."""
    column.file.seek(0, 2)
    while column.rows < rows:
        if column.dtype is None:
            column.file.write(json.dumps(column.empty).encode() + b"\n")
        else:
            column.file.write(np.asarray(column.empty, column.dtype).tobytes())
        column.rows += 1


def write_columns(path: Path, document: Mapping[str, Any]) -> None:
    """{entry: array, Blocks or any object} -> a compressed .npz, whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
            for name, value in document.items():
                info = zipfile.ZipInfo(f"{name}.npy", ZIP_TIME)
                info.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(info, "w", force_zip64=True) as stream:
                    _write_entry(stream, value)
        part.replace(path)
    except OSError as error:
        raise InvalidData(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)


def _write_entry(stream: IO[bytes], value: Any) -> None:
    if not isinstance(value, np.ndarray | Blocks):
        wrapped = np.empty((), object)
        wrapped[()] = value
        value = wrapped
    header = {
        "descr": np.lib.format.dtype_to_descr(value.dtype),
        "fortran_order": False,
        "shape": tuple(value.shape),
    }
    np.lib.format.write_array_header_1_0(stream, header)
    if value.dtype.hasobject:
        array = np.concatenate(list(value.arrays())) if isinstance(value, Blocks) else value
        pickle.dump(array, stream, protocol=PICKLE_PROTOCOL)
        return
    arrays = value.arrays() if isinstance(value, Blocks) else (value,)
    for array in arrays:
        stream.write(np.ascontiguousarray(array).tobytes())
