"""Files of joblib.dump: a pickle with the numbers of each array in between, perhaps compressed.

The layout was read in joblib/numpy_pickle.py: a NumpyArrayWrapper (shape, order, dtype) stands where an
array was; its bytes follow in the file, after padding that the first of them counts. Nothing that a
file names is run (hpscli/body/official/machine.py).
"""

import bz2
import lzma
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.official.machine import DAMAGE, PickleMachine
from hpscli.body.official.pickles import vocabulary
from hpscli.body.official.records import Resolver
from hpscli.errors import InvalidData, MissingError

MAX_BYTES = 8 << 30  # unpacked: the meshes of 35 515 people have 3 GB
MODULES = ("joblib.numpy_pickle", "sklearn.externals.joblib.numpy_pickle")
UNPACKERS: dict[bytes, Callable[[], Any]] = {  # first bytes: what takes them apart
    b"\x78": zlib.decompressobj,
    b"\x1f\x8b": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    b"BZ": bz2.BZ2Decompressor,
    b"\xfd7zXZ": lzma.LZMADecompressor,
}
PIECE = 16 << 20


def load_joblib(path: Path | str) -> Any:
    """A file of joblib.dump, or any pickle -> plain Python and NumPy objects."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None
    return loads_joblib(unpacked(data, str(path)), str(path))


def unpacked(data: bytes, source: str, limit: int = MAX_BYTES) -> bytes:
    """-> the bytes without their compression, if they have one; never more than `limit`."""
    make = next((make for head, make in UNPACKERS.items() if data.startswith(head)), None)
    if make is None:
        return data
    unpacker: Any = make()
    pieces: list[bytes] = []
    total, rest = 0, data
    try:
        while not unpacker.eof:
            piece = unpacker.decompress(rest, PIECE)
            rest = getattr(unpacker, "unconsumed_tail", b"")
            total += len(piece)
            pieces.append(piece)
            if total > limit:
                raise InvalidData(f"{source} unpacks to more than {limit} bytes: refused.")
            if not piece and not rest and not unpacker.eof:
                raise EOFError("it is cut short")
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise InvalidData(
            f"{source} cannot be unpacked ({error}).", "The file is damaged: copy it again."
        ) from None
    return b"".join(pieces)


def loads_joblib(data: bytes, source: str) -> Any:
    """-> the same from bytes without compression; `source` is what errors call them."""
    table = vocabulary()
    machine = PickleMachine(data, source, table)
    for module in MODULES:
        table[module, "NumpyArrayWrapper"] = lambda: WrapperRecord(machine)
    table["numpy", "memmap"] = table["numpy", "ndarray"]
    value = machine.read()
    try:
        return Resolver().value(value)
    except DAMAGE as error:
        raise InvalidData(
            f"{source} holds something that does not fit together ({error}).",
            "The file is damaged: copy it again.",
        ) from None


class WrapperRecord:
    """An array on its way, whose numbers stand in the file behind its state."""

    def __init__(self, machine: PickleMachine) -> None:
        self.machine = machine
        self.array: Any = None

    def build(self, state: Any) -> None:
        machine, resolver = self.machine, Resolver()
        kind = resolver.value(state["dtype"])
        if not isinstance(kind, np.dtype):
            raise ValueError("an array without a number type")
        if kind.hasobject:
            inner = PickleMachine(
                machine.data, machine.source, machine.vocabulary, position=machine.position
            )
            self.array = inner.read()
            machine.position = inner.position
            return
        shape = tuple(int(size) for size in state["shape"])
        if any(size < 0 for size in shape):
            raise ValueError(f"an array of the shape {shape}")
        if state.get("numpy_array_alignment_bytes") is not None:
            machine.bytes(machine.number("<B"))
        raw = machine.bytes(math.prod(shape) * kind.itemsize)
        flat = np.frombuffer(raw, kind)
        turned = state.get("order") == "F"
        self.array = flat.reshape(shape[::-1]).T if turned else flat.reshape(shape)

    def resolve(self, resolver: Resolver) -> Any:
        return resolver.value(self.array)
