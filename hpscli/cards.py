"""What is known about a data set, as data: a TOML card beside its reader.

A card says what to download where, the tree, splits with counts, joints, frame and units, licence,
defects and what we do about them. Commands, checks and documents read the same card.
"""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hpscli.errors import InvalidData
from hpscli.hooks import DatasetSpec

REQUIRED = ("name", "full_name", "summary", "homepage", "access", "licence", "splits")
KNOWN = {
    *REQUIRED,
    "aliases",
    "split_aliases",  # other words for splits -> the split
    "year",
    "paper",
    "body",
    "parameters_option",  # the option without which its people have no parameters of the body
    "joints2d",  # joint sets of its 2D labels
    "joints3d",
    "frame",  # one sentence: axes, origin and units of its 3D labels, pixels of its 2D labels
    "box",  # one sentence: where the box comes from, and its margin
    "format",  # run: read from files like the owner's; read: known only from reading
    "download",  # what to get where, in steps; Markdown
    "tree",  # the folder that --from names, as text
    "files",  # [[files]] glob, what, splits (optional: only these), optional = true
    "counts",  # [[counts]] split, what, count, status = reported | verified, source
    "defects",  # [[defects]] id, what, ours, reference ("" when no official code does otherwise)
    "notes",  # Markdown
}


def dataset(card: str, **code: Any) -> DatasetSpec:
    """Card "package:relative/path.toml" and the reader's targets -> the record of the data set."""
    about = load_card(card)
    if code.get("references"):
        code["options"] = {"reference": "", **code.get("options", {})}
    required = {
        entry["glob"]: entry["what"]
        for entry in about.get("files", ())
        if not entry.get("optional") and not entry.get("splits")
    }
    return DatasetSpec(
        **{
            "name": about["name"],
            "splits": tuple(about["splits"]),
            "summary": about["summary"],
            "licence": about["licence"],
            "access": about["access"],
            "homepage": about["homepage"],
            "body": about.get("body", ""),
            "aliases": tuple(about.get("aliases", ())),
            "split_aliases": about.get("split_aliases", {}),
            "files": required,
            "card": card,
            **code,
        }
    )


def required_files(spec: DatasetSpec, split: str) -> dict[str, str]:
    """-> {glob: what it is} of the files without which this split cannot be read."""
    found = dict(spec.files)
    for entry in load_card(spec.card).get("files", ()) if spec.card else ():
        if not entry.get("optional") and split in entry.get("splits", spec.splits):
            found[entry["glob"]] = entry["what"]
    return found


def expected_people(spec: DatasetSpec, split: str) -> Mapping[str, Any] | None:
    """-> the entry of the card that says how many people this split has, if it does."""
    counts = load_card(spec.card).get("counts", ()) if spec.card else ()
    return next((c for c in counts if c["split"] == split and c["what"] == "people"), None)


@lru_cache(maxsize=256)
def load_card(card: str) -> Mapping[str, Any]:
    """ "package:relative/path.toml" -> the card; InvalidData names what it lacks."""
    package, _, path = card.partition(":")
    about = tomllib.loads(files(package).joinpath(path).read_text(encoding="utf-8"))
    lacking = [name for name in REQUIRED if name not in about]
    strange = sorted(set(about) - KNOWN)
    if lacking or strange:
        what = f"lacks '{lacking[0]}'" if lacking else f"has an unknown entry '{strange[0]}'"
        raise InvalidData(f"card {card} {what}.", f"Entries: {', '.join(sorted(KNOWN))}")
    return about
