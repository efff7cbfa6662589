"""Zips for leaderboards: the same content gives the same bytes; a stranger's is read with care."""

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from hpscli.atomic import write_atomically
from hpscli.records import Finding

DATE = (1980, 1, 1, 0, 0, 0)  # of every member, so that equal predictions make equal files
MODE = 0o644 << 16
LINK = 0o120000  # kind of a member that is a symbolic link
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError)
MAX_RATIO, RATIO_FROM_BYTES = 200, 16 << 20  # numbers shrink at most tenfold
AGAIN = "Pack it again: zip -r FILE.zip MEMBERS"


def write_zip(file: Path, members: Iterable[tuple[str, bytes]]) -> None:
    """(name, content) in order -> a zip."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            member = zipfile.ZipInfo(name, DATE)
            member.external_attr = MODE
            archive.writestr(member, data, zipfile.ZIP_DEFLATED)
    write_atomically(file, content.getvalue())


@dataclass
class Opened:
    """A zip whose members are safe to read one by one; `findings` say which are not."""

    file: Path
    names: tuple[str, ...] = ()  # of the members that can be read, in order
    findings: list[Finding] = field(default_factory=list)

    def read(self, name: str) -> bytes | Finding:
        """-> a member's content, or why there is none."""
        return next(self._each([name]))[1]

    def contents(self, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """-> name and content of those that can be unpacked; the others become findings."""
        for name, found in self._each(names):
            if isinstance(found, Finding):
                self.findings.append(found)
            else:
                yield name, found

    def _each(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | Finding]]:
        """-> each member's content, or why there is none; the archive is opened once."""
        wanted = list(names)
        if not wanted:  # of an archive that could not be opened
            return
        with zipfile.ZipFile(self.file) as archive:
            for name in wanted:
                try:
                    yield name, archive.read(name)
                except (*DAMAGED, KeyError) as error:
                    words = " ".join(str(error).split())
                    problem = f"it cannot be unpacked ({words})."
                    yield name, Finding(problem=problem, fix=AGAIN, place=name)


def open_zip(file: Path, *, largest_bytes: int, members: int) -> Opened:
    """A zip -> its members, without those that lead outside of it, repeat, or are too large."""
    opened = Opened(file)
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except DAMAGED as error:
        words = " ".join(str(error).split())
        opened.findings.append(
            Finding(problem=f"{file.name} is no readable zip ({words}).", fix=AGAIN)
        )
        return opened
    if len(infos) > members:
        problem = f"{file.name} has {len(infos)} members, more than the {members} there can be."
        opened.findings.append(Finding(problem=problem, fix="Pack only the files of predictions."))
        return opened
    names: dict[str, None] = {}
    total = 0
    for info in infos:
        if info.is_dir():
            continue
        total += info.file_size
        problem = _unsafe(info, total, largest_bytes) or (
            "it is there twice; which one counts depends on who unpacks it."
            if info.filename in names
            else ""
        )
        if problem:
            opened.findings.append(Finding(problem=problem, fix=AGAIN, place=info.filename))
        else:
            names[info.filename] = None
    opened.names = tuple(names)
    return opened


def _unsafe(info: zipfile.ZipInfo, total: int, largest_bytes: int) -> str:
    """-> why a member must not be unpacked, "" when it may be."""
    name = info.filename
    outside = ".." in PurePosixPath(name.replace("\\", "/")).parts
    if outside or name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "its path leads out of the archive: refused."
    if info.external_attr >> 16 & 0o170000 == LINK:
        return "it is a symbolic link: refused."
    if info.flag_bits & 0x1:
        return "it is encrypted, no server knows the password."
    if total > largest_bytes:
        return f"the archive unpacks to more than {largest_bytes >> 20} MB: refused."
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > RATIO_FROM_BYTES and ratio > MAX_RATIO:
        return f"it would grow {ratio:.0f}-fold to {info.file_size >> 20} MB: refused."
    return ""
