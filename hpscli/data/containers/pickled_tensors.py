"""PyTorch's tensors in pickles as plain arrays: on whatever device they were, and without PyTorch.

Three containers hold their numbers: the zip of torch 1.6 and later, the file before it, and, inside an
ordinary pickle, that older file as bytes of `torch.storage._load_from_bytes`.
"""

import io
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpscli.body.official.archives import DAMAGED, TORCH_LEGACY
from hpscli.body.official.machine import DAMAGE, Maker, Named, PickleMachine
from hpscli.body.official.records import Resolver
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
MAX_GROWTH = 4  # a torch archive is stored, not compressed
MAX_EXPANDED = 1 << 24  # elements of a tensor that repeats its storage
PARTS_OF_LEGACY = 5  # magic number, protocol, machine, the object, the keys of its storages


@dataclass(eq=False)
class StorageRecord:
    """Raw numbers of one or more tensors; filled when its bytes have been found."""

    name: str
    shift: int = 0
    root: "StorageRecord | None" = None
    data: np.ndarray | None = None

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
    try:
        if is_torch_zip(data):
            return _read_zip(data, source, vocabulary)
        if is_torch_legacy(data):
            return _read_legacy(data, source, vocabulary)
    except (*DAMAGED, *DAMAGE) as error:
        raise InvalidData(
            f"{source} is damaged ({error}).", "Download or copy the file again."
        ) from None
    raise InvalidData(f"{source} holds numbers in no form that torch writes.")


def tensor_names(source: str) -> dict[tuple[str, str], Maker]:
    """-> what pickles with tensors name; `source` is what errors call the file."""
    names: dict[tuple[str, str], Maker] = {
        ("torch._utils", "_rebuild_tensor"): _tensor,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_parameter"): _first,
        ("torch._utils", "_rebuild_parameter_with_state"): _first,
        ("torch", "Size"): _first,
        ("torch", "device"): lambda *arguments: ":".join(map(str, arguments)),
    }
    for module in MODULES:
        names.update({(module, name): _storage_type for name in STORAGES})
    inner = dict(names)  # storages hold no storages as bytes
    inner["collections", "OrderedDict"] = lambda *arguments: {}

    def load_from_bytes(data: Any) -> Any:
        return read_torch(bytes(data), source, inner)

    names["torch.storage", "_load_from_bytes"] = load_from_bytes
    return names


def _read_zip(data: bytes, source: str, vocabulary: Mapping[tuple[str, str], Maker]) -> Any:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        if sum(info.file_size for info in infos.values()) > MAX_GROWTH * len(data):
            raise ValueError("it would grow on reading, as no torch file does")
        folder = next((n.removesuffix("data.pkl") for n in infos if n.endswith("/data.pkl")), None)
        if folder is None:
            raise ValueError("an archive without data.pkl")
        order = infos.get(f"{folder}byteorder")
        if order and archive.read(order) != b"little":
            raise ValueError("numbers in the byte order of another machine")
        storages: dict[str, StorageRecord] = {}
        pickled = archive.read(f"{folder}data.pkl")
        pointed = _persistent(storages)
        content = PickleMachine(pickled, source, vocabulary, persistent=pointed).read()
        for key, storage in storages.items():
            storage.fill(archive.read(f"{folder}data/{key}"))
    return content


def _read_legacy(data: bytes, source: str, vocabulary: Mapping[tuple[str, str], Maker]) -> Any:
    storages: dict[str, StorageRecord] = {}
    position, parts = 0, []
    for _ in range(PARTS_OF_LEGACY):
        pointed = _persistent(storages)
        machine = PickleMachine(data, source, vocabulary, persistent=pointed, position=position)
        parts.append(machine.read())
        position = machine.position
    _, _, system, content, keys = parts
    if not system.get("little_endian", True):
        raise ValueError("numbers in the byte order of another machine")
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(data[position : position + 8], "little", signed=True)
        end = position + 8 + count * np.dtype(STORAGES[storage.name]).itemsize
        if count < 0 or end > len(data):
            raise ValueError("it ends inside a tensor")
        storage.fill(data[position + 8 : end])
        position = end
    return content


def _persistent(storages: dict[str, StorageRecord]) -> Callable[[Any], Any]:
    """-> what turns ("storage", type, key, place, count[, view]) into a record by its key."""

    def find(identity: Any) -> StorageRecord:
        kind, named, key, *rest = identity
        if kind != "storage" or not isinstance(named, Named) or named.name not in STORAGES:
            raise ValueError(f"a pointer to {kind} {named}")
        storage = storages.setdefault(str(key), StorageRecord(named.name))
        view = rest[2] if len(rest) > 2 else None
        return StorageRecord(storage.name, int(view[1]), storage) if view else storage

    return find


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> TensorRecord:
    return TensorRecord(storage, offset, size, stride)


def _first(value: Any, *rest: Any) -> Any:
    return value


def _storage_type(*arguments: Any) -> Any:
    raise ValueError("a type of storage is called that is only ever named")
