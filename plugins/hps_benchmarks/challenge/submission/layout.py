"""What lies where in the challenge's file: folders, names, keys, and how many of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.data.containers.pickles import load_pickle
from hpscli.data.leaderboard.zips import Opened, open_zip
from hpscli.errors import BAD_RECORD, InvalidData, MissingError, in_words

SPLITS: Mapping[str, int] = {"train": 24, "validation": 12, "test": 24}  # sequences in each
TRACKS = 87  # people of all sequences; with another number a key is silently left out
JOINTS_KEY, PARTS_KEY = "jointPositions", "orientations"
SHAPES = {JOINTS_KEY: (24, 3), PARTS_KEY: (9, 3, 3)}
SUFFIX = ".pkl"
LARGEST_BYTES = 2 << 30  # a whole file in double precision unpacks to 0.2 GB
MEMBERS = 2000


@dataclass(frozen=True)
class Sequence:
    """What the data set says about a sequence: people, frames, and which frames are evaluated."""

    people: int
    frames: int
    evaluated: NDArray[np.bool_]  # (people, frames)


def open_submission(file: Path) -> Opened:
    """-> the members of the file that are safe to read."""
    return open_zip(file, largest_bytes=LARGEST_BYTES, members=MEMBERS)


def place_of(name: str) -> tuple[str, str] | None:
    """ "test/downtown_arguing_00.pkl" -> ("test", "downtown_arguing_00"); None elsewhere."""
    path = PurePosixPath(name)
    if len(path.parts) != 2 or path.suffix != SUFFIX or path.name.startswith("."):
        return None
    return (path.parts[0], path.stem) if path.parts[0] in SPLITS else None


def read_ground_truth(folder: Path) -> dict[tuple[str, str], Sequence]:
    """3DPW's folder sequenceFiles (or what holds it) -> {(split, name): what it says}."""
    root = next((f for f in (folder, folder / "sequenceFiles") if (f / "test").is_dir()), None)
    if root is None:
        raise MissingError(
            f"{folder} holds no folder test with 3DPW's sequences.",
            "Name the folder of the data set: ground_truth=data/3dpw",
        )
    found = {}
    for split in SPLITS:
        for file in sorted((root / split).glob(f"*{SUFFIX}")):
            try:
                found[split, file.stem] = _sequence(load_pickle(file))
            except BAD_RECORD as error:
                raise InvalidData(f"{file} is no sequence of 3DPW: {in_words(error)}.") from None
    return found


def _sequence(data: Any) -> Sequence:
    points = [np.abs(np.asarray(of, np.float64)).sum(axis=(1, 2)) for of in data["poses2d"]]
    valid = [np.asarray(of).astype(bool) for of in data["campose_valid"]]
    evaluated = np.stack([(p > 0) & v for p, v in zip(points, valid, strict=True)])
    return Sequence(len(data["genders"]), evaluated.shape[1], evaluated)
