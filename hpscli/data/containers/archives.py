"""Arrays out of .npz and .npy files of any origin, without running anything that they hold.

Entries are read when they are asked for; long ones also block by block, so that files of many
gigabytes need the memory of one block. Dictionaries and lists inside object arrays come through the
reader of pickles (hpscli/data/containers/pickles.py), which runs nothing.
"""

import ast
import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from hpscli.body.official.machine import DAMAGE
from hpscli.data.containers.pickles import loads_pickle
from hpscli.errors import InvalidData, MissingError

NPY_MAGIC = b"\x93NUMPY"
NUMBER_TYPE = re.compile(r"[<>=|]?([biufcSU]\d{1,7}|[bO?])")  # no structures, dates, raw memory
LONG_NUMBER = re.compile(r"(\d)L\b")  # Python 2 wrote shapes as (3L, 4L)
MAX_HEADER_BYTES = 10_000  # as NumPy itself
MAX_PICKLE_BYTES = 4 << 30
MAX_RATIO = 500  # deflate reaches 1032, on zeros alone
RATIO_FROM_BYTES = 512 << 20  # below, zeros are believed: joints that nobody detected are zeros
MAX_ENTRIES = 10_000
MAX_EMPTY = 1 << 24  # rows of an entry without any number
LONGEST_REASON = 160  # characters: some quote the bytes that they do not like
CHUNK_BYTES = 16 << 20
BROKEN = (
    *DAMAGE,
    SyntaxError,  # of a header
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # zipfile, for entries under a password and unknown compressions
)


def load_npz(path: Path | str) -> dict[str, Any]:
    """An .npz -> {entry: array, or the Python object in it}; an .npy -> the same with one entry, ""."""
    with open_npz(path) as archive:
        return dict(archive)


def open_npz(path: Path | str) -> "Archive":
    """-> the entries of an .npz or .npy, read when they are asked for; close it, or use `with`."""
    path = Path(path)
    try:
        stream = path.open("rb")
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None
    try:
        return Archive(path, stream)
    except BaseException:
        stream.close()
        raise


@dataclass(frozen=True)
class Header:
    """What an entry says of itself before its numbers."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    bytes: int  # of the header with its magic

    @property
    def rows(self) -> int:
        """-> how many rows it has; -1 for a single value."""
        return self.shape[0] if self.shape else -1


class Archive(Mapping[str, Any]):
    """The entries of one file by name; made by `open_npz`."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self.path, self._stream = path, stream
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        head = stream.read(len(NPY_MAGIC))
        if head == NPY_MAGIC:
            return
        try:
            self._zip = zipfile.ZipFile(stream)
            infos = self._zip.infolist()
        except BROKEN as error:
            what = "is empty" if not head else f"is no .npz and no .npy ({error})"
            raise InvalidData(f"{path} {what}.", "Download or copy the file again.") from None
        self._check(infos)
        self._members = {info.filename.removesuffix(".npy"): info for info in infos}

    def __enter__(self) -> "Archive":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._zip is not None:
            self._zip.close()
        self._stream.close()

    def __iter__(self) -> Iterator[str]:
        return iter(self._members) if self._zip is not None else iter(("",))

    def __len__(self) -> int:
        return len(self._members) if self._zip is not None else 1

    def __contains__(self, name: object) -> bool:
        return name in self._members if self._zip is not None else name == ""

    def __getitem__(self, name: str) -> Any:
        """-> the array of an entry, or the object that it wraps; KeyError without such an entry."""
        with self._open(name) as stream:
            try:
                header = self._header(name, stream)
                if header.dtype.hasobject:
                    return self._unpickled(name, stream)
                array = _read(stream, math.prod(header.shape), header.dtype)
                if stream.read(1):
                    raise ValueError("it is longer than its header says")
                if header.fortran:
                    return array.reshape(header.shape[::-1]).T
                return array.reshape(header.shape)
            except BROKEN as error:
                raise self._damaged(name, error) from None

    def header(self, name: str) -> Header:
        """-> shape and number type of an entry; its numbers are not read."""
        with self._open(name) as stream:
            try:
                return self._header(name, stream)
            except BROKEN as error:
                raise self._damaged(name, error) from None

    def blocks(self, names: Iterable[str], rows: int) -> Iterator[dict[str, np.ndarray]]:
        """-> {entry: its next rows (at most `rows`, ...)}, until the shortest entry ends."""
        streams: dict[str, IO[bytes]] = {}
        headers: dict[str, Header] = {}
        whole: dict[str, np.ndarray] = {}
        try:
            for name in names:
                header = self.header(name)
                if header.fortran or header.dtype.hasobject:
                    whole[name] = self[name]
                    continue
                headers[name], streams[name] = header, self._open(name)
                streams[name].read(header.bytes)
            lengths = [h.rows for h in headers.values()] + [len(a) for a in whole.values()]
            for start in range(0, min(lengths, default=0), rows):
                count = min(rows, min(lengths) - start)
                block = {name: array[start : start + count] for name, array in whole.items()}
                for name, stream in streams.items():
                    block[name] = self._rows(name, stream, headers[name], count)
                yield block
            for name, stream in streams.items():
                self._ended(name, stream)
        finally:
            for stream in streams.values():
                stream.close()

    def _ended(self, name: str, stream: IO[bytes]) -> None:
        """Read behind the last number: there the archive's checksum is compared."""
        try:
            stream.read(1)
        except BROKEN as error:
            raise self._damaged(name, error) from None

    def _rows(self, name: str, stream: IO[bytes], header: Header, count: int) -> np.ndarray:
        shape = (count, *header.shape[1:])
        try:
            return _read(stream, math.prod(shape), header.dtype).reshape(shape)
        except BROKEN as error:
            raise self._damaged(name, error) from None

    def _open(self, name: str) -> IO[bytes]:
        if name not in self:
            raise KeyError(name)
        try:
            if self._zip is None:
                return self.path.open("rb")
            return self._zip.open(self._members[name])
        except BROKEN as error:
            raise self._damaged(name, error) from None

    def _size(self, name: str) -> int:
        if self._zip is None:
            return self.path.stat().st_size
        return self._members[name].file_size

    def _header(self, name: str, stream: IO[bytes]) -> Header:
        raw = stream.read(12)
        version = tuple(raw[6:8])
        if raw[:6] != NPY_MAGIC or version not in ((1, 0), (2, 0)):
            raise ValueError("it does not begin as an array does")
        lead = 10 if version == (1, 0) else 12
        length = int.from_bytes(raw[8:lead], "little")
        if length > MAX_HEADER_BYTES:
            raise ValueError(f"its header would have {length} bytes")
        text = raw[lead:] + stream.read(length + lead - 12)
        shape, fortran, dtype = _stated(text[:length].decode("latin1"))
        empty = math.prod(shape) == 0 and max(shape, default=0) > MAX_EMPTY
        if min(shape, default=0) < 0 or empty or not dtype.itemsize:
            raise ValueError(f"its shape is {shape} of {dtype}")
        announced = math.prod(shape) * dtype.itemsize + lead + length
        if not dtype.hasobject and announced != self._size(name):
            raise ValueError(f"{shape} of {dtype} announced, {self._size(name)} bytes there")
        return Header(tuple(shape), dtype, fortran, lead + length)

    def _unpickled(self, name: str, stream: IO[bytes]) -> Any:
        if self._size(name) > MAX_PICKLE_BYTES:
            raise ValueError(f"its objects have {self._size(name)} bytes")
        value = loads_pickle(stream.read(), self._called(name))
        return value.item() if isinstance(value, np.ndarray) and value.shape == () else value

    def _check(self, infos: list[zipfile.ZipInfo]) -> None:
        """Refuse archives that would grow without end."""
        stored = sum(info.compress_size for info in infos)
        if len(infos) > MAX_ENTRIES or stored > self.path.stat().st_size:
            raise InvalidData(
                f"{self.path} announces {len(infos)} entries of {stored} bytes in all.",
                "The file is damaged or hostile: download it again from its owner.",
            )
        for info in infos:
            ratio = info.file_size / max(info.compress_size, 1)
            if info.file_size > RATIO_FROM_BYTES and ratio > MAX_RATIO:
                raise InvalidData(
                    f"{self.path} entry '{info.filename}' would grow {ratio:.0f}-fold to "
                    f"{info.file_size} bytes.",
                    "That is no data file. Download it again from its owner.",
                )

    def _called(self, name: str) -> str:
        return f"{self.path} entry '{name}'" if name else str(self.path)

    def _damaged(self, name: str, error: BaseException) -> InvalidData:
        said = " ".join(str(error).split()) or type(error).__name__
        return InvalidData(
            f"{self._called(name)} cannot be read: {said[:LONGEST_REASON].rstrip('.')}.",
            "The file is damaged or cut short: download or copy it again.",
        )


def _stated(text: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The text of a header -> shape, order, number type; nothing in it is run."""
    found = ast.literal_eval(LONG_NUMBER.sub(r"\1", text.strip()))
    if not isinstance(found, dict) or set(found) != {"descr", "fortran_order", "shape"}:
        raise ValueError("its header is none of NumPy's")
    descr, fortran, shape = found["descr"], found["fortran_order"], found["shape"]
    if not isinstance(descr, str) or not NUMBER_TYPE.fullmatch(descr):
        raise ValueError(f"numbers of type {descr!r} are not read")
    if not isinstance(shape, tuple) or not all(type(size) is int for size in shape):
        raise ValueError(f"its shape is {shape!r}")
    return shape, bool(fortran), np.dtype(descr)


def _read(stream: IO[bytes], count: int, dtype: np.dtype[Any]) -> np.ndarray:
    """-> (count,) numbers of the stream, in one piece of memory."""
    raw = np.empty(count * dtype.itemsize, np.uint8)
    position = 0
    while position < len(raw):
        chunk = stream.read(min(CHUNK_BYTES, len(raw) - position))
        if not chunk:
            raise EOFError("it ends too early")
        raw[position : position + len(chunk)] = np.frombuffer(chunk, np.uint8)
        position += len(chunk)
    return raw.view(dtype)
