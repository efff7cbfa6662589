"""Goldens named as a known one but for the number at the end: freihand_25 is read as freihand_40 is."""

import dataclasses
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from hpscli.errors import MissingError
from hpscli.hooks import GoldenSpec
from hpscli.testing.goldens import locate

NUMBER = re.compile(r"_\d+$")
STANDS_FOR = "stands_for"  # in a spec's case: (file that the replay asks for, file that is here)


def numbered(folder: Path, files: Iterable[Path], known: Iterable[GoldenSpec]) -> list[GoldenSpec]:
    """Reference folder, files that no spec names -> specs of those that differ by a number alone."""
    found = []
    specs = list(known)
    for file in sorted(files):
        alike = [
            s for s in specs if _bare(s.files[0]) == _bare(file.name) and file.suffix == ".npz"
        ]
        for spec in alike[:1]:
            stem = PurePosixPath(spec.files[0]).stem
            pairs = tuple((name, _renamed(name, stem, file.stem)) for name in spec.files)
            if all(_is_here(folder, here) for _, here in pairs):
                found.append(
                    dataclasses.replace(
                        spec,
                        name=f"{spec.name}:{file.stem}",
                        files=tuple(here for _, here in pairs),
                        case={**spec.case, STANDS_FOR: pairs},
                    )
                )
    return found


@contextmanager
def as_known(spec: GoldenSpec, folder: Path) -> Iterator[Path]:
    """-> the folder; for a numbered golden one that holds its files under the known names."""
    pairs = spec.case.get(STANDS_FOR)
    if not pairs:
        yield folder
        return
    with TemporaryDirectory(prefix="hps-golden-") as place:
        for known, here in pairs:
            link = Path(place) / known
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(locate(folder, here).resolve())
        yield Path(place)


def _bare(name: str) -> str:
    """ "goldens/freihand_40.npz" -> "freihand"."""
    return NUMBER.sub("", PurePosixPath(name).stem)


def _renamed(name: str, stem: str, other: str) -> str:
    path = PurePosixPath(name)
    return str(path.with_name(other + path.suffix)) if path.stem == stem else name


def _is_here(folder: Path, name: str) -> bool:
    try:
        return locate(folder, name).is_file()
    except MissingError:
        return False
