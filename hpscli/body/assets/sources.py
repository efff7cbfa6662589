"""Which licensed files exist, what needs them, under which licence, and where they are handed out."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from hpscli.errors import unknown_name

ARCHIVES = (".zip", ".tar.gz", ".tar.bz2")


@dataclass(frozen=True, kw_only=True)
class AssetSource:
    """One official place: a page, and the file that people download there."""

    name: str
    page: str
    file: str  # as the download is called
    licence: str
    terms: str  # the licence in three words, for tables
    register: bool = False
    unreachable_since: str = ""  # "YYYY-MM", when the links were seen to be closed
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class AssetRecord:
    """One asset of the store."""

    id: str
    what: str
    needed_for: str
    source: AssetSource
    member: str = ""  # path inside the download, when the download holds several files
    to_import: str  # what to type after `hps assets import`
    also: tuple[AssetSource, ...] = ()  # other places that hand out the same content


@cache
def asset_records() -> dict[str, AssetRecord]:
    """-> every asset by its id, in the order of the table."""
    table = _table()
    sources = asset_sources()
    return {
        entry["id"]: AssetRecord(
            id=entry["id"],
            what=entry["what"],
            needed_for=entry["needed_for"],
            source=sources[entry["source"]],
            member=entry.get("member", ""),
            to_import=entry.get("import") or _to_import(sources[entry["source"]], entry),
            also=tuple(sources[name] for name in entry.get("also", ())),
        )
        for entry in table["asset"]
    }


@cache
def asset_sources() -> dict[str, AssetSource]:
    """-> every place by its name."""
    return {name: AssetSource(name=name, **entry) for name, entry in _table()["source"].items()}


def asset_record(asset_id: str) -> AssetRecord:
    """-> the record of this id."""
    records = asset_records()
    if asset_id not in records:
        raise unknown_name("asset", asset_id, records, "hps assets list")
    return records[asset_id]


def _to_import(source: AssetSource, entry: dict[str, Any]) -> str:
    """Archives are imported as downloaded; of repositories and pages, the one file."""
    return source.file if source.file.endswith(ARCHIVES) else entry["member"].split("/")[-1]


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("hpscli.body").joinpath("data/asset_sources.toml").read_text("utf8"))
