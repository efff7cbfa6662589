"""Replaying a folder of goldens: which kinds are there, what does each array say."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from hpscli.errors import HpsError, MissingError, UsageError
from hpscli.hooks import GoldenSpec
from hpscli.registry import get_registry, resolve
from hpscli.testing.numbered_goldens import as_known, numbered

if TYPE_CHECKING:
    from hpscli.testing.goldens import ArrayCheck, ReplayOptions

GOLDENS = "goldens"  # the folder of goldens inside a reference folder
EXPECTED = "expected"  # or this, where official converters ran on tiny downloads
SUFFIXES = (".npz", ".json", ".csv", ".zip")


@dataclass(frozen=True)
class Found:
    """The goldens of a folder: those that a plugin can replay, and the files that none can."""

    folder: Path
    specs: tuple[GoldenSpec, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True)
class Replayed:
    """What one golden said."""

    spec: GoldenSpec
    checks: tuple["ArrayCheck", ...]

    @property
    def ok(self) -> bool:
        """Every array within its tolerance, and at least one array."""
        return bool(self.checks) and all(check.ok for check in self.checks)


def find(path: Path, only: Iterable[str] = ()) -> Found:
    """A reference folder, its folder of goldens, or one golden -> what can be replayed there.

    only: patterns of kinds ("hmr/*", "hmr/spin") or of files ("rotations*").
    """
    if not path.exists():
        raise MissingError(f"there is no {path}.", "Give a folder with goldens/*.npz in it.")
    folder = _reference_folder(path)
    known: list[GoldenSpec] = get_registry().all("golden")
    others = numbered(folder, _unknown(path if path.is_file() else folder, known), known)
    specs = [*(spec for spec in known if _present(folder, spec)), *others]
    if path.is_file():
        specs = [spec for spec in specs if Path(spec.files[0]).name == path.name]
    if not specs:
        names = ", ".join(sorted({Path(spec.files[0]).name for spec in known})) or "none"
        raise MissingError(
            f"no plugin can replay a golden in {path}.", f"Files that can be replayed: {names}"
        )
    patterns = list(only)
    chosen = [spec for spec in specs if not patterns or _matches(spec, patterns)]
    if not chosen:
        raise UsageError(
            f"--only {' '.join(patterns)} matches no golden in {path}.",
            "There are: " + ", ".join(spec.name for spec in specs),
        )
    left = () if path.is_file() else _unknown(folder, [*known, *others])
    return Found(folder, tuple(chosen), tuple(sorted({file.name for file in left})))


def replay(spec: GoldenSpec, folder: Path, options: "ReplayOptions") -> Replayed:
    """Run one kind of golden; an error on the way is a failed check, and the next kind goes on."""
    from hpscli.testing.goldens import ArrayCheck

    checks: list[ArrayCheck] = []
    try:
        with as_known(spec, folder) as place:
            checks.extend(resolve(spec.replay)(place, dataclasses.replace(options, case=spec.case)))
    except HpsError as error:
        checks.append(_failure(str(error)))
    except Exception as error:  # a replay runs a plugin's network: anything may happen
        said = " ".join(f"{type(error).__name__}: {error}".split())
        checks.append(_failure(f"the replay stopped; do the stored shapes fit together? {said}"))
    return Replayed(spec, tuple(checks))


def _failure(note: str) -> "ArrayCheck":
    from hpscli.testing.goldens import ArrayCheck

    return ArrayCheck(
        name="(could not finish)", worst=float("inf"), tolerance=0.0, unit="", ok=False, note=note
    )


def _reference_folder(path: Path) -> Path:
    """-> the folder whose goldens/ this is about (or the path itself, when it is flat)."""
    folder = path.parent if path.is_file() else path
    if folder.parent.name == EXPECTED:  # which has one folder for each converter
        folder = folder.parent
    return folder.parent if folder.name in (GOLDENS, EXPECTED) else folder


def _present(folder: Path, spec: GoldenSpec) -> bool:
    first = spec.files[0]
    return (folder / first).is_file() or (folder / Path(first).name).is_file()


def _matches(spec: GoldenSpec, patterns: list[str]) -> bool:
    names = (spec.name, Path(spec.files[0]).name, Path(spec.files[0]).stem)
    return any(fnmatch(name, pattern) for name in names for pattern in patterns)


def _unknown(folder: Path, known: list[GoldenSpec]) -> list[Path]:
    """A folder, or one file -> files beside the goldens that no registered kind names."""
    named = {Path(file).name for spec in known for file in spec.files}
    places = [folder / name for name in (GOLDENS, EXPECTED) if (folder / name).is_dir()]
    files = [file for place in places or [folder] for file in place.rglob("*")]
    files = [folder] if folder.is_file() else files
    return sorted(f for f in files if f.suffix in SUFFIXES and f.name not in named)
