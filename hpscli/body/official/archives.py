"""Files, zips and tars as one stream of members; nothing is ever unpacked to disk."""

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from hpscli.errors import InvalidData, MissingError

MAX_MEMBER_BYTES = 2 << 30  # the largest official member, SMPL-X as a pickle, has 0.55 GB
MAX_TORCH_BYTES = 16 << 20  # adjacency files have 50 kB; larger ones are checkpoints, left alone
MAX_TOTAL_BYTES = 16 << 30
MAX_LOOSE_BYTES = 64 << 20  # of an array in a zip of arrays: regressors, vertex lists, templates
MAX_MEMBERS = 100_000
MAX_RATIO, RATIO_FROM_BYTES = 500, 64 << 20  # deflate reaches 1032 on zeros alone
MAX_NESTING = 2  # models_smplx_v1_1.zip holds a zip of its own
HEAD_BYTES = 300
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    tarfile.TarError,
    EOFError,
    OSError,
    RuntimeError,  # zipfile, for members under a password and unknown compressions
    ValueError,  # zipfile, for names and places that cannot be
)
# First lines of a pickle in the text protocol: a global and its name, or an empty dict or list.
TEXT_PICKLE = re.compile(rb"c[A-Za-z_][\w.]*\n[A-Za-z_]\w*\n|\([dl]p\d+\n|\(i[A-Za-z_][\w.]*\n")
# First member of a torch zip: 26 bytes of a local header after the signature, then its name.
TORCH_ZIP = re.compile(rb"PK\x03\x04.{26}[^/\x00]+/data\.pkl", re.DOTALL)
TORCH_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # torch before 1.6


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file, wherever it lies: `where` is what messages call it, `name` its own path."""

    where: str
    name: str
    form: str  # npy | npz | pickle | torch
    data: bytes


def form_of(head: bytes) -> str:
    """First bytes of a file -> npy | zip | torch | pickle | tar | "" (nothing that we read)."""
    if head.startswith(b"\x93NUMPY"):
        return "npy"
    if head.startswith(TORCH_LEGACY) or TORCH_ZIP.match(head):
        return "torch"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if len(head) > 1 and head[0] == 0x80 and 1 <= head[1] <= 5:
        return "pickle"
    if TEXT_PICKLE.match(head):
        return "pickle"
    if head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")) or head[257:262] == b"ustar":
        return "tar"
    return ""


def members(path: Path) -> Iterator[Member]:
    """-> every readable file in the file `path`: itself, or what it holds if it is an archive."""
    if not path.is_file():
        raise MissingError(f"there is no file {path}.", "Check the path.")
    with path.open("rb") as file:
        form = form_of(file.read(HEAD_BYTES))
        if path.stat().st_size > MAX_MEMBER_BYTES and form in ("npy", "pickle", "torch"):
            raise _too_large(str(path), path.stat().st_size)
        file.seek(0)
        if form == "zip":
            yield from _zip(file, str(path), path.name, 0)
        elif form == "tar":
            yield from _tar(file, str(path), 0)
        elif form == "torch" and path.stat().st_size > MAX_TORCH_BYTES:
            return
        elif form:
            yield Member(where=str(path), name=path.name, form=form, data=file.read())


def arrays_of(member: Member) -> Iterator[Member]:
    """-> the arrays of an .npz one by one: a zip of .npy files looks the same from outside."""
    try:
        with zipfile.ZipFile(io.BytesIO(member.data)) as archive:
            for info in archive.infolist():
                if info.file_size <= MAX_LOOSE_BYTES:
                    where = f"{member.where}: {info.filename}"
                    yield Member(
                        where=where, name=info.filename, form="npy", data=archive.read(info)
                    )
    except DAMAGED as error:
        raise _unreadable(member.where, error) from error


def _zip(file: IO[bytes], where: str, name: str, depth: int) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(file) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            names = [info.filename for info in infos]
            for inner in names:
                _check_name(where, inner)
            form = "npz" if names and all(n.endswith(".npy") for n in names) else ""
            if form:
                file.seek(0)
                yield Member(where=where, name=name, form=form, data=file.read())
                return
            _check_infos(where, infos)
            for info in infos:
                with archive.open(info) as member:
                    yield from _inside(member, info.file_size, where, info.filename, depth)
    except DAMAGED as error:
        raise _unreadable(where, error) from error


def _tar(file: IO[bytes], where: str, depth: int) -> Iterator[Member]:
    total = 0
    try:
        with tarfile.open(fileobj=file, mode="r|*") as archive:
            for count, info in enumerate(archive):
                _check_name(where, info.name)
                total += info.size
                if total > MAX_TOTAL_BYTES or count >= MAX_MEMBERS:
                    raise _too_large(where, total)
                member = archive.extractfile(info) if info.isfile() else None
                if member is not None:
                    yield from _inside(member, info.size, where, info.name, depth)
    except DAMAGED as error:
        raise _unreadable(where, error) from error


def _inside(member: IO[bytes], size: int, where: str, name: str, depth: int) -> Iterator[Member]:
    """One member of an archive; read only when its first bytes are of a kind that we know."""
    head = member.read(HEAD_BYTES)
    form, inner = form_of(head), f"{where}: {name}"
    if not form or PurePosixPath(name).name.startswith("._"):  # what macOS adds to archives
        return
    if form == "torch" and size > MAX_TORCH_BYTES:
        return
    if size > MAX_MEMBER_BYTES:
        raise _too_large(inner, size)
    data = head + member.read(size - len(head) + 1)
    if len(data) > size:
        raise InvalidData(f"{inner} is longer than its archive says.", "Download it again.")
    if form not in ("zip", "tar"):
        yield Member(where=inner, name=name, form=form, data=data)
    elif depth >= MAX_NESTING:
        raise InvalidData(f"{inner} is an archive in an archive in an archive.", "Unpack it first.")
    elif form == "zip":
        yield from _zip(io.BytesIO(data), inner, name, depth + 1)
    else:
        yield from _tar(io.BytesIO(data), inner, depth + 1)


def _check_infos(where: str, infos: list[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_MEMBERS:
        raise InvalidData(f"{where} has {len(infos)} members.", "No official download has so many.")
    for info in infos:
        ratio = info.file_size / max(info.compress_size, 1)
        if info.file_size > RATIO_FROM_BYTES and ratio > MAX_RATIO:
            raise InvalidData(
                f"{where}: {info.filename} would grow {ratio:.0f}-fold to {info.file_size} bytes.",
                "That is no data file. Download the archive again from its owner.",
            )
    total = sum(info.file_size for info in infos)
    if total > MAX_TOTAL_BYTES:
        raise _too_large(where, total)


def _check_name(where: str, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    absolute = name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) is not None
    if absolute or ".." in parts:
        raise InvalidData(
            f"{where} has a member '{name}' that points outside the archive: refused.",
            "Official downloads have no such member. Download it again from its owner.",
        )


def _too_large(where: str, size: int) -> InvalidData:
    return InvalidData(
        f"{where} has {size} bytes; no official file is so large.", "Check the file."
    )


def _unreadable(where: str, error: Exception) -> InvalidData:
    return InvalidData(
        f"{where} cannot be read as an archive ({error}).", "It is damaged: download it again."
    )
