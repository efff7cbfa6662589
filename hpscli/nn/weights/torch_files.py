"""Checkpoints of other programs: the tensors come out, and nothing that the file names is run.

PyTorch's own safe loader is tried first. What it refuses because of a class (configurations of yacs
or omegaconf, callbacks of Lightning) is read by the pickle machine of the body files: such objects
become inert placeholders. Names that could do harm are refused even so, as an alarm.
"""

import io
import math
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpscli.body.official.archives import DAMAGED, TORCH_LEGACY
from hpscli.body.official.machine import DAMAGE, Maker, Named, PickleMachine, refusal
from hpscli.body.official.pickles import vocabulary
from hpscli.body.official.records import Resolver
from hpscli.body.official.torch_containers import (
    Begin,
    pointers,
    read_legacy,
    read_zip,
    tensor_makers,
)
from hpscli.errors import InvalidData, MissingError

STORAGES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
    "UntypedStorage": torch.uint8,
}
BODY_FILES = "Body models and their matrices have a command of their own: hps assets import FILE"
KNOWN_FORMS = (
    "Known: the zip format of torch 1.6 and later, the one before it (torch 0.4 to 1.5), and "
    "safetensors.\n" + BODY_FILES
)
MAX_EXPANDED = 1 << 26  # elements of a tensor that repeats its storage
# An alarm, not the wall: placeholders run nothing, whatever their name.
HARMFUL_MODULES = frozenset(
    [
        *("os", "posix", "nt", "subprocess", "commands", "pty", "shutil", "sys", "platform"),
        *("importlib", "runpy", "codeop", "marshal", "pickle", "_pickle", "operator", "types"),
        *("inspect", "pdb", "timeit", "ctypes", "multiprocessing", "threading", "asyncio"),
        *("socket", "urllib", "http", "requests", "ftplib", "smtplib", "webbrowser", "io", "_io"),
    ]
)
HARMLESS_BUILTINS = frozenset(
    [
        *("int", "float", "str", "bool", "complex", "type", "object", "slice", "range", "NoneType"),
        *("long", "unicode", "xrange"),  # as Python 2 called them, and protocol 2 still does
    ]
)


class Placeholder(dict[Any, Any]):
    """An object of a class that is not here: what it held, without what it did."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        super().__init__()
        self.name, self.arguments = name, arguments
        self.state: Any = None
        self.elements: list[Any] = []

    @property
    def is_network(self) -> bool:
        """-> True for a torch.nn.Module, whatever its class."""
        return isinstance(self.state, Mapping) and "_parameters" in self.state

    def build(self, state: Any) -> None:
        self.state = state

    def extend(self, items: list[Any]) -> None:
        self.elements.extend(items)

    def resolve(self, resolver: Resolver) -> "Placeholder":
        resolver.done[id(self)] = self  # configurations point back to their parents
        self.arguments = resolver.value(self.arguments)
        self.state = resolver.value(self.state)
        self.elements = resolver.value(self.elements)
        for key in list(self):
            self[key] = resolver.value(self[key])
        return self

    def __repr__(self) -> str:
        return f"<{self.name}, not loaded>"


@dataclass(eq=False)
class StorageRecord:
    """Raw numbers of one or more tensors; filled when its bytes have been found."""

    name: str
    shift: int = 0
    root: "StorageRecord | None" = None
    data: Tensor | None = None

    @property
    def itemsize(self) -> int:
        """-> bytes of a number."""
        return STORAGES[self.name].itemsize

    def fill(self, raw: bytes) -> None:
        """Take the bytes of the file for this storage."""
        self.data = _numbers(raw, STORAGES[self.name])

    def numbers(self) -> Tensor:
        data = self.root.data if self.root else self.data
        if data is None:
            raise ValueError("the numbers of a tensor are missing")
        return data


@dataclass(eq=False)
class TensorRecord:
    """A tensor on its way: storage, offset, size, stride."""

    storage: Any
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def resolve(self, resolver: Resolver) -> Tensor:
        if not isinstance(self.storage, StorageRecord):
            raise ValueError("a tensor without storage")
        numbers = self.storage.numbers()
        size, stride = tuple(resolver.value(self.size)), tuple(self.stride)
        if math.prod(size) > max(numbers.numel(), MAX_EXPANDED):
            raise ValueError(f"a tensor of {size} on {numbers.numel()} numbers")
        return numbers.as_strided(size, stride, int(self.offset) + self.storage.shift)


def load_torch_file(path: Path | str) -> dict[str, Any]:
    """-> the dictionary in a torch file, zip or older; tensors on the CPU, no code of the file run."""
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"there is no file {path}.", "Check the path.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, *DAMAGED, *DAMAGE):
        content = _read_restricted(path)
    if not isinstance(content, Mapping) or isinstance(content, Placeholder):
        if isinstance(content, Placeholder) and content.is_network:
            raise whole_object(str(path), content.name)
        what = content.name if isinstance(content, Placeholder) else type(content).__name__
        raise InvalidData(
            f"{path} holds one {what}, not a dictionary of weights.",
            "Give the file that training saved: a state dict, or a dictionary with one.\n"
            + BODY_FILES,
        )
    return dict(content)


def whole_object(origin: str, name: str) -> InvalidData:
    """-> the error for a network that was pickled with its code instead of its weights."""
    return InvalidData(
        f"{origin} holds a whole pickled network ({name}) instead of weights by name; the code that "
        "it wants is not run.",
        "Where that code is trusted and installed: torch.save(network.state_dict(), NEW_FILE); "
        "then give that file.",
    )


def _read_restricted(path: Path) -> Any:
    data = path.read_bytes()
    try:
        if data.startswith(b"PK"):
            _refuse_arrays(data, str(path))
            return _read(data, str(path), read_zip)
        if data.startswith(TORCH_LEGACY):
            return _read(data, str(path), read_legacy)
    except (*DAMAGED, *DAMAGE) as error:
        raise InvalidData(
            f"{path} is damaged ({error}).", "Download or copy the file again."
        ) from error
    if not data:
        raise InvalidData(f"{path} is empty.", "Download or copy the file again.")
    raise InvalidData(f"{path} is not a torch file.", KNOWN_FORMS)


def _read(data: bytes, source: str, read: Callable[[bytes, Begin, Mapping[str, Any]], Any]) -> Any:
    storages: dict[str, StorageRecord] = {}
    pointed = pointers(storages, STORAGES, StorageRecord)

    def begin(pickled: bytes, position: int) -> PickleMachine:
        return _machine(pickled, source, pointed, position)

    return Resolver().value(read(data, begin, storages))


def _refuse_arrays(data: bytes, source: str) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if all(name.endswith(".npy") for name in archive.namelist()):
            raise InvalidData(f"{source} holds arrays of NumPy, no checkpoint.", BODY_FILES)


def _machine(
    data: bytes, source: str, persistent: Callable[[Any], Any], position: int
) -> PickleMachine:
    table = vocabulary()
    table.update(tensor_makers(TensorRecord))

    def unknown(named: Named) -> Maker:
        if _harmful(named):
            raise refusal(source, named)
        return lambda *arguments, **keywords: Placeholder(str(named), arguments)

    return PickleMachine(
        data, source, table, unknown=unknown, persistent=persistent, position=position
    )


def _harmful(named: Named) -> bool:
    module = named.module.split(".")[0]
    if module in ("builtins", "__builtin__"):
        return named.name not in HARMLESS_BUILTINS
    return module in HARMFUL_MODULES or named.name.split(".")[0] in HARMFUL_MODULES


def _numbers(raw: bytes, dtype: torch.dtype) -> Tensor:
    if len(raw) % dtype.itemsize:
        raise ValueError(f"{len(raw)} bytes are no whole number of {dtype}")
    return torch.frombuffer(bytearray(raw), dtype=dtype) if raw else torch.empty(0, dtype=dtype)
