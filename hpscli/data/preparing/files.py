"""The files that a data set's card names: which are there, and which are missing."""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from hpscli.cards import load_card, required_files
from hpscli.errors import MissingError
from hpscli.hooks import DatasetSpec

COUNTED = 1_000_000  # files of one pattern; more are not counted
SHOWN = 12  # missing patterns in one message


@dataclass(frozen=True)
class FileGroup:
    """One pattern of files below the root, and how many there are."""

    glob: str
    what: str
    optional: bool
    found: int

    @property
    def missing(self) -> bool:
        return not self.optional and self.found == 0


def file_groups(spec: DatasetSpec, root: Path, split: str) -> list[FileGroup]:
    """-> every pattern of the card that this split uses, with the number of files there."""
    required = required_files(spec, split)
    card = load_card(spec.card).get("files", ()) if spec.card else ()
    optional = {
        entry["glob"]: entry["what"]
        for entry in card
        if entry.get("optional") and split in entry.get("splits", spec.splits)
    }
    named = {**{glob: (what, True) for glob, what in optional.items()}}
    named = {**{glob: (what, False) for glob, what in required.items()}, **named}
    return [
        FileGroup(glob, what, optional, sum(1 for _ in islice(root.glob(glob), COUNTED)))
        for glob, (what, optional) in named.items()
    ]


def refuse_missing(spec: DatasetSpec, root: Path, split: str) -> None:
    """Raise MissingError that names every required pattern of which no file is there."""
    missing = {
        glob: what
        for glob, what in required_files(spec, split).items()
        if next(root.glob(glob), None) is None
    }
    if missing:
        raise missing_error(spec, root, missing)


def missing_error(spec: DatasetSpec, root: Path, missing: dict[str, str]) -> MissingError:
    """-> the error for these patterns, all of them in one message."""
    named = [f"{root} has no {glob} ({what})." for glob, what in missing.items()]
    more = len(named) - SHOWN
    return MissingError(
        "\n".join(named[:SHOWN] + [f"... and {more} more."] * (more > 0)),
        f"Is this the folder of {spec.name}? See: hps datasets show {spec.name}",
    )
