"""AGORA's predictions.zip, or the folder in it, as one PredictionSet."""

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from hps_benchmarks.agora.submission.people import Entry, predictions_of, track_of
from hpscli.data.containers.pickles import loads_pickle
from hpscli.data.leaderboard.zips import Opened, open_zip
from hpscli.errors import InvalidData
from hpscli.records import PredictionSet

NAME = re.compile(r"^(?P<stem>.+)_personId_(?P<number>\d+)\.pkl$")
MAX_FILES = 1_000_000
MAX_BYTES = 64 << 30  # unpacked: 100,000 people with their meshes have 20 GB
LOOKED_AT = 50  # members that decide whether a zip is AGORA's
CHECK = "hps export-preds agora --check FILE names every fault."


def recognise(path: Path) -> bool:
    """-> whether a zip or folder holds files of AGORA's people; never raises."""
    try:
        if path.is_dir():
            return any(NAME.match(file.name) for file in _folder(path).glob("*.pkl"))
        with zipfile.ZipFile(path) as archive:
            names = [PurePosixPath(name).name for name in archive.namelist()[:LOOKED_AT]]
        return any(NAME.match(name) for name in names)
    except (OSError, ValueError, zipfile.BadZipFile, RuntimeError):
        return False


def read(path: Path) -> PredictionSet:
    """-> every person of a submission, sorted by file name as text."""
    entries = sorted(_entries(path), key=lambda entry: entry.file)
    if not entries:
        raise InvalidData(
            f"{path} holds no file <image>_personId_<number>.pkl.", "AGORA's files are called so."
        )
    tracks = Counter(track_of(entry.content) for entry in entries)
    track = tracks.most_common(1)[0][0]
    if strange := [entry.file for entry in entries if track_of(entry.content) != track]:
        raise InvalidData(
            f"{path} holds people of {len(tracks)} kinds; {strange[0]} is not like most.",
            f"A submission is all SMPL-X or all SMPL. {CHECK}",
        )
    if not track:
        raise InvalidData(f"{entries[0].file} holds neither params nor verts.", CHECK)
    return predictions_of(track, entries)


def _entries(path: Path) -> Iterator[Entry]:
    for name, data in _members(path):
        content = loads_pickle(data, name)
        if not isinstance(content, dict):
            raise InvalidData(f"{name} holds no dictionary.", CHECK)
        yield Entry(PurePosixPath(name).name, content)


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(_folder(path).glob("*.pkl")):
            yield _named(file.name), file.read_bytes()
        return
    opened = open_zip(path, largest_bytes=MAX_BYTES, members=MAX_FILES)
    wanted = [_named(name) for name in opened.names if name.endswith(".pkl")]
    yield from opened.contents(wanted)
    _refuse(opened, path)


def _named(member: str) -> str:
    """-> the same, if it is called as the official program demands."""
    if not NAME.match(PurePosixPath(member).name):
        raise InvalidData(
            f"{member} is not called <image>_personId_<number>.pkl; AGORA's program stops there.",
            "Rename it, or take it out.",
        )
    return member


def _refuse(opened: Opened, path: Path) -> None:
    for finding in opened.findings:
        if finding.error:
            raise InvalidData(f"{path}: {finding.place} {finding.problem}", finding.fix)


def _folder(path: Path) -> Path:
    inner = path / "predictions"
    return inner if inner.is_dir() else path
