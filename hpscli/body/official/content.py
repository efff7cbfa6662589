"""The bytes of one member as arrays: npy, npz, pickle and small torch files, all read safely."""

import io
import tokenize
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hpscli.body.official.archives import DAMAGED, MAX_MEMBER_BYTES, Member
from hpscli.body.official.machine import DAMAGE
from hpscli.body.official.pickles import safe_loads
from hpscli.errors import InvalidData

MAX_HEADER_BYTES = 10_000
SHOWN_KEYS = 8


class LazyArchive(Mapping[str, Any]):
    """An .npz whose members are read when asked for, so that what nobody asks for is never read."""

    def __init__(self, data: bytes, where: str) -> None:
        self.where = where
        try:
            self.archive = zipfile.ZipFile(io.BytesIO(data))
        except DAMAGED as error:
            raise _damaged(where, error) from error
        self.infos = {info.filename.removesuffix(".npy"): info for info in self.archive.infolist()}

    def __getitem__(self, key: str) -> Any:
        info = self.infos[key]
        where = f"{self.where}: {key}"
        if info.file_size > MAX_MEMBER_BYTES:
            raise InvalidData(f"{where} has {info.file_size} bytes; no official array is so large.")
        try:
            return read_npy(self.archive.read(info), where)
        except DAMAGED as error:
            raise _damaged(where, error) from error

    def __iter__(self) -> Iterator[str]:
        return iter(self.infos)

    def __len__(self) -> int:
        return len(self.infos)


def read_content(member: Member) -> Any:
    """-> a mapping, an array, a torch tensor as array, or a list, as the file holds it."""
    if member.form == "npy":
        return read_npy(member.data, member.where)
    if member.form == "npz":
        return LazyArchive(member.data, member.where)
    if member.form == "torch":
        return _read_torch(member)
    return safe_loads(member.data, member.where)


def read_npy(data: bytes, where: str) -> Any:
    """-> the array of an .npy; object arrays are pickles and go the safe way."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(stream, max_header_size=MAX_HEADER_BYTES)
        if dtype.hasobject:
            found = safe_loads(data[stream.tell() :], where)
            return found.item() if isinstance(found, np.ndarray) and found.ndim == 0 else found
        stream.seek(0)
        return np.load(stream, allow_pickle=False)
    except (*DAMAGE, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise _damaged(where, error) from error


def describe(content: Any) -> str:
    """-> what a file holds, in a few words, for messages about files that nobody knows."""
    if isinstance(content, Mapping):
        keys = [str(key) for key in content]
        more = f" and {len(keys) - SHOWN_KEYS} more" if len(keys) > SHOWN_KEYS else ""
        return f"{len(keys)} entries named {', '.join(keys[:SHOWN_KEYS])}{more}"
    if isinstance(content, np.ndarray):
        return f"one array of {'x'.join(map(str, content.shape)) or 'one number'} {content.dtype}"
    if content is None:
        return "nothing"
    return f"one {type(content).__name__}"


def _read_torch(member: Member) -> Any:
    import pickle

    import torch

    try:
        found = torch.load(io.BytesIO(member.data), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, *DAMAGED, *DAMAGE) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InvalidData(
            f"{member.where} is not a plain torch file ({first}).",
            "Only tensors are read, and nothing in the file was run.",
        ) from error
    if isinstance(found, torch.Size):
        return list(found)
    return found.numpy() if isinstance(found, torch.Tensor) and not found.is_sparse else found


def _damaged(where: str, error: Exception) -> InvalidData:
    return InvalidData(f"{where} cannot be read ({error}).", "It is damaged: download it again.")
