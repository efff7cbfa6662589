"""The two containers of PyTorch's files: a pickle, and the bytes of the storages that it points to.

What names in the pickle mean is the caller's business: `begin` gives the machine that reads it from a
position, and `storages` has what the machine found by key, to be filled here.
"""

import io
import zipfile
from collections.abc import Callable, Container, Mapping
from typing import Any, Protocol, TypeVar

from hpscli.body.official.machine import Maker, Named, PickleMachine

MAX_GROWTH = 4  # a torch archive is stored, not compressed
PARTS_OF_LEGACY = 5  # magic number, protocol, machine, the object, the keys of its storages
OTHER_MACHINE = "numbers in the byte order of another machine"


class Storage(Protocol):
    """Numbers of one or more tensors, whose bytes come later."""

    @property
    def itemsize(self) -> int:
        """-> bytes of a number."""

    def fill(self, raw: bytes) -> None:
        """Take the bytes of the file for this storage."""


Kept = TypeVar("Kept", bound=Storage)
Begin = Callable[[bytes, int], PickleMachine]


def read_zip(data: bytes, begin: Begin, storages: Mapping[str, Storage]) -> Any:
    """The zip of torch 1.6 and later -> its object."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = {info.filename: info for info in archive.infolist()}
        if sum(info.file_size for info in infos.values()) > MAX_GROWTH * len(data):
            raise ValueError("it would grow on reading, as no torch file does")
        folder = next((n.removesuffix("data.pkl") for n in infos if n.endswith("/data.pkl")), None)
        if folder is None:
            raise ValueError("an archive without data.pkl")
        order = infos.get(f"{folder}byteorder")
        if order and archive.read(order) != b"little":
            raise ValueError(OTHER_MACHINE)
        content = begin(archive.read(f"{folder}data.pkl"), 0).read()
        for key, storage in storages.items():
            storage.fill(archive.read(f"{folder}data/{key}"))
    return content


def read_legacy(data: bytes, begin: Begin, storages: Mapping[str, Storage]) -> Any:
    """The file of torch 0.4 to 1.5 -> its object."""
    position, parts = 0, []
    for _ in range(PARTS_OF_LEGACY):
        machine = begin(data, position)
        parts.append(machine.read())
        position = machine.position
    _, _, system, content, keys = parts
    if not system.get("little_endian", True):
        raise ValueError(OTHER_MACHINE)
    for key in keys:
        storage = storages[key]
        count = int.from_bytes(data[position : position + 8], "little", signed=True)
        end = position + 8 + count * storage.itemsize
        if count < 0 or end > len(data):
            raise ValueError("it ends inside a tensor")
        storage.fill(data[position + 8 : end])
        position = end
    return content


def pointers(
    storages: dict[str, Kept], known: Container[str], make: Callable[[str, int, Kept | None], Kept]
) -> Callable[[Any], Kept]:
    """-> what turns ("storage", type, key, place, count[, view]) into a storage, kept by its key.

    `make`: name of the type, where a view begins, what it is a view of.
    """

    def find(identity: Any) -> Kept:
        kind, named, key, *rest = identity
        if kind != "storage" or not isinstance(named, Named) or named.name not in known:
            raise ValueError(f"a pointer to {kind} {named}")
        storage = storages.setdefault(str(key), make(named.name, 0, None))
        view = rest[2] if len(rest) > 2 else None
        return make(named.name, int(view[1]), storage) if view else storage

    return find


def tensor_makers(tensor: Callable[[Any, Any, Any, Any], Any]) -> dict[tuple[str, str], Maker]:
    """A function of storage, offset, size and stride -> what the pickles of tensors name."""

    def made(storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Any:
        return tensor(storage, offset, size, stride)

    return {
        ("torch._utils", "_rebuild_tensor"): made,
        ("torch._utils", "_rebuild_tensor_v2"): made,
        ("torch._utils", "_rebuild_parameter"): _first,
        ("torch._utils", "_rebuild_parameter_with_state"): _first,
        ("torch", "Size"): _first,
        ("torch", "device"): lambda *arguments: ":".join(map(str, arguments)),
    }


def _first(value: Any, *rest: Any) -> Any:
    return value
