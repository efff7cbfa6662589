"""Which file holds the people, and where the pictures are that it names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np

from hpscli.data.containers.archives import Archive, open_npz
from hpscli.errors import BAD_RECORD, InvalidData, MissingError, UsageError

# what a number or a word in a wrong place ends in
LONGEST_REASON = 160  # characters: some quote what they do not like
ROWS = 1024  # people in one block: a few megabytes of joints


def annotation_file(root: Path, name: str) -> Path:
    """Folder and option `annotations` -> the .npz; without a name the only one in the folder."""
    if name:
        given = Path(name).expanduser()
        found = [path for path in (root / given, given) if path.is_file()]
        if not found:
            raise MissingError(f"there is no {root / given}.", "annotations=FILE.npz")
        return found[0]
    files = sorted(root.glob("*.npz"))
    if len(files) != 1:
        what = f"{len(files)} .npz files" if files else "no .npz file"
        names = ", ".join(path.name for path in files[:5])
        raise MissingError(
            f"{root} has {what}{': ' * bool(names)}{names}.",
            "Name the one with the people: annotations=FILE.npz",
        )
    return files[0]


def as_text(stored: Any) -> str:
    """A name as stored, text or bytes -> the same as text."""
    return stored.decode("utf-8") if isinstance(stored, bytes) else str(stored)


@dataclass(frozen=True)
class Names:
    """How a name in the file becomes a path below the folder: `strip` goes, `images` comes before."""

    images: str = ""
    strip: str = ""

    def __post_init__(self) -> None:
        if PurePosixPath(self.images).is_absolute() or ".." in PurePosixPath(self.images).parts:
            raise UsageError(
                f"images={self.images} is not below the folder of --from.",
                "Let --from name a folder above the pictures; annotations=FILE may lie elsewhere.",
            )

    def name(self, stored: Any) -> str:
        """A name as stored (text or bytes) -> with slashes, without `strip`."""
        text = as_text(stored).replace("\\", "/").removeprefix(self.strip)
        if not text.strip("/"):
            raise ValueError("it names no picture")
        if PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute():
            raise ValueError(f"'{text}' is not below the folder (strip=BEGINNING takes it away)")
        return text

    def path(self, name: str) -> str:
        """-> the picture's path below the folder."""
        return f"{self.images.strip('/')}/{name}" if self.images.strip("/") else name


@contextmanager
def whole_file(path: Path) -> Iterator[None]:
    """Errors of a file that cannot be understood as a whole -> InvalidData with its name."""
    try:
        yield
    except BAD_RECORD as error:
        raise InvalidData(f"{path} cannot be understood: {_said(error)}.") from None


def broken_row(path: Path, number: int, error: Exception) -> InvalidData:
    """-> what is wrong with one person of a file."""
    return InvalidData(f"{path.name} row {number}: {_said(error)}.")


def _said(error: Exception) -> str:
    said = " ".join(str(error).split())[:LONGEST_REASON].rstrip(".") or type(error).__name__
    return f"no entry {said}" if isinstance(error, KeyError) else said


def open_annotations(path: Path, names: str) -> Archive:
    """-> the archive, which has an entry `names`; InvalidData says what it has instead."""
    archive = open_npz(path)
    if names not in archive:
        archive.close()
        known = ", ".join(sorted(archive)[:12]) or "nothing"
        raise InvalidData(
            f"{path} has no entry '{names}'; it has {known}.", "Is this the file with the people?"
        )
    return archive


def check_rows(path: Path, name: str, rows: int, expected: int) -> None:
    """InvalidData when an entry has other rows than there are people."""
    if rows != expected:
        raise InvalidData(
            f"{path} entry '{name}' has {rows} rows, its names are {expected}.",
            "The file is damaged, or was put together from others: write it again.",
        )


def column(archive: Archive, name: str, value: Any, rows: int) -> np.ndarray:
    """A value that was read whole -> an array with a row for each person."""
    array = np.asarray(value)
    check_rows(archive.path, name, len(array) if array.ndim else -1, rows)
    return array


def finite_confidence(points: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Joints (J,C) -> the same with confidence 0..1, and what was stored (J,) where it was not so."""
    stored = points[:, -1]
    if not np.isfinite(stored).all() or (stored.min() >= 0 and stored.max() <= 1):
        return points, None
    kept = np.array(points)
    kept[:, -1] = np.clip(stored, 0, 1)
    return kept, np.array(stored)
