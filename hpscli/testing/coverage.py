"""What a replay leaves out: the arrays of a golden that were compared, given as inputs, or neither."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from hpscli.errors import MissingError
from hpscli.testing.goldens import locate

if TYPE_CHECKING:
    from hpscli.testing.selfcheck import Replayed

MEMBER = ".npy"  # an .npz is a zip of one .npy for each array
REMARK = ", "  # the name of a check may say after it what was done with the array


@dataclass(frozen=True)
class Coverage:
    """The arrays of one golden."""

    file: str
    compared: tuple[str, ...]
    inputs: tuple[str, ...]  # by the patterns of the GoldenSpec
    left_out: tuple[str, ...]  # nobody looked at these numbers


def coverage(folder: Path, done: Iterable[Replayed]) -> tuple[Coverage, ...]:
    """Replays of a folder -> for each .npz that one of them is about, which of its arrays were compared."""
    replays = list(done)
    files = dict.fromkeys(r.spec.files[0] for r in replays if r.spec.files[0].endswith(".npz"))
    return tuple(_of_file(folder, file, replays) for file in files)


def _of_file(folder: Path, file: str, replays: list[Replayed]) -> Coverage:
    users = [replayed for replayed in replays if file in replayed.spec.files]
    checked = {check.name.split(REMARK)[0] for replayed in users for check in replayed.checks}
    patterns = [p for replayed in users for p in replayed.spec.inputs]
    compared: list[str] = []
    inputs: list[str] = []
    left_out: list[str] = []
    for name in array_names(folder, file):
        if name in checked:
            compared.append(name)
        elif any(fnmatchcase(name, pattern) for pattern in patterns):
            inputs.append(name)
        else:
            left_out.append(name)
    return Coverage(file, tuple(compared), tuple(inputs), tuple(left_out))


def array_names(folder: Path, file: str) -> list[str]:
    """-> the names of the arrays in a golden; none when it cannot be read, which its replay says."""
    try:
        with zipfile.ZipFile(locate(folder, file)) as archive:
            return [name.removesuffix(MEMBER) for name in archive.namelist()]
    except (MissingError, OSError, zipfile.BadZipFile):
        return []
