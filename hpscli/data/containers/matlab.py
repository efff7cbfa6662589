"""MATLAB's files of both kinds: .mat up to version 7 (mat5.py), and 7.3, which is HDF5 (h5py)."""

import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.containers.mat5 import read_mat5
from hpscli.errors import InvalidData, MissingError

LARGEST_BYTES = 4 << 30  # of one array; MPI-INF-3DHP's have 0.1 GB
TRY = "The file is damaged or cut short: download or copy it again."
BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    RuntimeError,
    struct.error,
    TypeError,
    ValueError,
    zlib.error,
)


def read_mat(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """A .mat up to version 7 and names of variables -> those of them that it has; others are not read.

    Arrays are as SciPy makes them. SciPy itself crashes the process on some damaged files.
    """
    return read_mat5(path, optional=names, shaped=True)


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """A .mat of version 7.3 -> its h5py.File; read arrays out of it with `hdf5_array`."""
    import h5py

    if not path.is_file():
        raise MissingError(f"there is no file {path}.", "Check the path.")
    try:
        file = h5py.File(path, "r")
    except BROKEN as error:
        raise damaged(path, error) from None
    try:
        yield file
    finally:
        file.close()


def hdf5_array(file: Any, name: Any) -> np.ndarray:
    """An open HDF5 and the name or reference of an array -> its numbers; InvalidData names the file."""
    try:
        dataset = file[name]
        size = math.prod(dataset.shape) * dataset.dtype.itemsize
        if size > LARGEST_BYTES:
            raise ValueError(f"shape {dataset.shape} announced")
        return np.asarray(dataset[()])
    except BROKEN as error:
        called = f"'{name}': " if isinstance(name, str) else ""
        raise damaged(Path(str(getattr(file, "filename", ""))), error, called) from None


def damaged(path: Path, error: BaseException, where: str = "") -> InvalidData:
    """-> what to say of a file that a library could not read."""
    said = " ".join(str(error).split()) or type(error).__name__
    return InvalidData(f"{path} cannot be read: {where}{said[:200].rstrip('.')}.", TRY)
