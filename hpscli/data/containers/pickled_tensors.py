"""PyTorch's tensors in pickles as plain arrays: on whatever device they were, and without PyTorch.

Three containers hold their numbers: the zip of torch 1.6 and later, the file before it, and, inside an
ordinary pickle, that older file as bytes of `torch.storage._load_from_bytes`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpscli.body.official.archives import DAMAGED, TORCH_LEGACY
from hpscli.body.official.machine import DAMAGE, Maker, PickleMachine
from hpscli.body.official.records import Resolver
from hpscli.body.official.torch_containers import pointers, read_legacy, read_zip, tensor_makers
from hpscli.errors import InvalidData

STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",  # widened to float32 when it is read
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
    "ComplexFloatStorage": "<c8",
    "ComplexDoubleStorage": "<c16",
    "UntypedStorage": "u1",
}
MODULES = ("torch", "torch.cuda", "torch.storage")
MAX_EXPANDED = 1 << 24  # elements of a tensor that repeats its storage


@dataclass(eq=False)
class StorageRecord:
    """Raw numbers of one or more tensors; filled when its bytes have been found."""

    name: str
    shift: int = 0
    root: "StorageRecord | None" = None
    data: np.ndarray | None = None

    @property
    def itemsize(self) -> int:
        """-> bytes of a number in the file."""
        return int(np.dtype(STORAGES[self.name]).itemsize)

    def fill(self, raw: bytes) -> None:
        """Take the bytes of the file for this storage."""
        values = np.frombuffer(raw, STORAGES[self.name])
        if self.name == "BFloat16Storage":  # the upper half of a float32
            values = (values.astype(np.uint32) << 16).view(np.float32)
        self.data = values

    def numbers(self) -> np.ndarray:
        data = self.root.data if self.root else self.data
        if data is None:
            raise ValueError("the numbers of a tensor are missing")
        return data

    def resolve(self, resolver: Resolver) -> np.ndarray:
        return self.numbers()


@dataclass(eq=False)
class TensorRecord:
    """A tensor on its way: storage, offset, size, stride; its gradient and hooks are of no interest."""

    storage: Any
    offset: Any
    size: Any
    stride: Any

    def build(self, state: Any) -> None:
        """Attributes that somebody hung on a tensor are left out."""

    def resolve(self, resolver: Resolver) -> np.ndarray:
        if not isinstance(self.storage, StorageRecord):
            raise ValueError("a tensor without storage")
        numbers = self.storage.numbers()
        size = tuple(int(n) for n in resolver.value(self.size))
        stride = tuple(int(n) for n in self.stride)
        start = int(self.offset) + self.storage.shift
        if len(size) != len(stride) or min((*size, *stride, start), default=0) < 0:
            raise ValueError(f"a tensor of size {size}, stride {stride}, offset {start}")
        if 0 in size:
            if any(size):
                size = tuple(min(n, numbers.size) for n in size)
            return np.zeros(size, numbers.dtype)
        last = start + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
        if last >= numbers.size or math.prod(size) > max(numbers.size, MAX_EXPANDED):
            raise ValueError(f"a tensor of {size} on {numbers.size} numbers")
        steps = tuple(s * numbers.itemsize for s in stride)
        return np.lib.stride_tricks.as_strided(numbers[start:], size, steps, writeable=False)


def is_torch_zip(data: Any) -> bool:
    """-> True for the first bytes of a zip; whether torch wrote it shows inside."""
    return bool(data[:4] == b"PK\x03\x04")


def is_torch_legacy(data: Any) -> bool:
    """-> True for the first bytes of a file of torch 0.4 to 1.5."""
    return bool(data[: len(TORCH_LEGACY)] == TORCH_LEGACY)


def read_torch(data: bytes, source: str, vocabulary: Mapping[tuple[str, str], Maker]) -> Any:
    """The bytes of a zip or older file of torch -> its object, tensors still to be resolved."""
    storages: dict[str, StorageRecord] = {}
    pointed = pointers(storages, STORAGES, StorageRecord)

    def begin(pickled: bytes, position: int) -> PickleMachine:
        return PickleMachine(pickled, source, vocabulary, persistent=pointed, position=position)

    try:
        if is_torch_zip(data):
            return read_zip(data, begin, storages)
        if is_torch_legacy(data):
            return read_legacy(data, begin, storages)
    except (*DAMAGED, *DAMAGE) as error:
        raise InvalidData(
            f"{source} is damaged ({error}).", "Download or copy the file again."
        ) from None
    raise InvalidData(f"{source} holds numbers in no form that torch writes.")


def tensor_names(source: str) -> dict[tuple[str, str], Maker]:
    """-> what pickles with tensors name; `source` is what errors call the file."""
    names = tensor_makers(TensorRecord)
    for module in MODULES:
        names.update({(module, name): _storage_type for name in STORAGES})
    inner = dict(names)  # storages hold no storages as bytes
    inner["collections", "OrderedDict"] = lambda *arguments: {}

    def load_from_bytes(data: Any) -> Any:
        return read_torch(bytes(data), source, inner)

    names["torch.storage", "_load_from_bytes"] = load_from_bytes
    return names


def _storage_type(*arguments: Any) -> Any:
    raise ValueError("a type of storage is called that is only ever named")
