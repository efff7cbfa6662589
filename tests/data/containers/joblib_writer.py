"""Writes files as joblib.dump does, for tests: joblib itself is no dependency, and reads them all."""

import io
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np

ALIGNMENT = 16


class NumpyArrayWrapper:
    """Stands where an array was."""


NumpyArrayWrapper.__module__ = "joblib.numpy_pickle"


class _Pickler(pickle._Pickler):
    def __init__(self, stream: io.BytesIO, protocol: int, aligned: bool) -> None:
        self.stream, self.aligned = stream, aligned
        super().__init__(stream, protocol)

    def save(self, value: Any, save_persistent_id: bool = True) -> None:
        if type(value) is not np.ndarray:
            super().save(value, save_persistent_id)
            return
        wrapper = NumpyArrayWrapper()
        turned = value.flags.f_contiguous and not value.flags.c_contiguous
        wrapper.__dict__ = {
            "subclass": np.ndarray,
            "shape": value.shape,
            "order": "F" if turned else "C",
            "dtype": value.dtype,
            "allow_mmap": False,
        }
        if self.aligned:
            wrapper.__dict__["numpy_array_alignment_bytes"] = ALIGNMENT
        super().save(wrapper)
        if self.proto >= 4:
            self.framer.commit_frame(force=True)
        if value.dtype.hasobject:
            pickle.dump(value, self.stream, protocol=2)
            return
        if self.aligned:
            padding = ALIGNMENT - (self.stream.tell() + 1) % ALIGNMENT
            self.stream.write(bytes([padding]) + b"\xff" * padding)
        self.stream.write(value.tobytes("F" if turned else "C"))

    def save_global(self, value: Any, name: str | None = None) -> None:
        if value is NumpyArrayWrapper:  # by name: there is no such module here
            words = b"cjoblib.numpy_pickle\nNumpyArrayWrapper\n"
            self.write(words)
            self.memoize(value)
            return
        super().save_global(value, name)

    dispatch = {**pickle._Pickler.dispatch, type: save_global}  # noqa: RUF012


def joblib_bytes(
    value: Any, *, protocol: int = 4, aligned: bool = True, compressed: bool = False
) -> bytes:
    """-> the bytes of joblib.dump(value, file, compress=3 or not)."""
    stream = io.BytesIO()
    _Pickler(stream, protocol, aligned).dump(value)
    content = stream.getvalue()
    return zlib.compress(content, 3) if compressed else content


def joblib_dump(value: Any, path: Path, **options: Any) -> Path:
    """Write that file -> path."""
    path.write_bytes(joblib_bytes(value, **options))
    return path
