"""`osx-json` and `ubody`: the sets of OSX, Hand4Whole and SMPLer-X, one reader for each of a table."""

from collections.abc import Iterator
from pathlib import Path

from hps_datasets.osx_forms.annotations import Request
from hps_datasets.osx_forms.sets import SETS, find_set
from hpscli.errors import HpsError, UsageError
from hpscli.records import Person
from hpscli.registry import resolve

LISTS = ("intra", "inter")


def osx_json(
    root: Path,
    split: str,
    *,
    reference: str,
    set: str,  # what users type: set=MSCOCO
    interval: int,
    scenes: str,
    split_list: str,
) -> Iterator[Person | HpsError]:
    """-> the people of one set; `interval`, `scenes` and `split_list` are UBody's."""
    name, folder = find_set(root, set)
    about = SETS[name]
    if split not in about.splits:
        raise UsageError(f"{name} has no {split}.", f"For example: --split {about.splits[0]}")
    if split_list not in LISTS:
        raise UsageError(f"split_list is {split_list!r}.", f"Choose {' or '.join(LISTS)}.")
    if interval < 0:
        raise UsageError(f"interval is {interval}.", "For example: interval=1")
    request = Request(
        root=root,
        folder=folder,
        split=split,
        official=reference == "osx",
        interval=interval,
        scenes=scenes,
        lists=split_list,
    )
    yield from resolve(about.reader)(request)


def ubody(
    root: Path, split: str, *, reference: str, interval: int, scenes: str, split_list: str
) -> Iterator[Person | HpsError]:
    """-> the people of UBody."""
    yield from osx_json(
        root,
        split,
        reference=reference,
        set="UBody",
        interval=interval,
        scenes=scenes,
        split_list=split_list,
    )
