"""Shards: numbered tars of people with an index; deterministic, atomic, verifiable.

A folder holds NNNNNN.tar (plain tar: KEY.jpg, KEY.safetensors, ...), beside each tar its table
NNNNNN.json (keys and byte offsets, for exact random access) and index.json, written last.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hpscli.atomic import write_atomically
from hpscli.data.preparing.tars import TarWriter
from hpscli.data.remote import is_remote, read_bytes
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.hooks import ProtocolSpec

SCHEMA = "hps/shards/1"
TABLE_SCHEMA = "hps/shard-table/1"
INDEX = "index.json"
PLAN = "prepare.json"  # what an unfinished folder is being made from; gone when it is finished
PARTIAL = ".partial"
LISTED = 1000  # bad records that the index names; the tables name all
_NEW_INDEX = (
    "Repeat the same `hps prepare` with --force, or copy the file again from where it came."
)
_NEW_TABLE = "Repeat the same `hps prepare`, or copy the file again from where it came."


@dataclass(frozen=True, slots=True)
class ShardInfo:
    """One shard in the index."""

    file: str
    samples: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class ShardIndex:
    """What index.json says; `location` is where it was read."""

    location: str
    dataset: str
    split: str
    samples: int
    shards: tuple[ShardInfo, ...]
    licence: str = ""
    body: Mapping[str, str] | None = None  # kind, source
    arrays: Mapping[str, int] = field(default_factory=dict)  # name -> samples that carry it
    bad: Mapping[str, Any] = field(default_factory=dict)  # count, records
    made_by: Mapping[str, Any] = field(default_factory=dict)
    keys_sha256: str = ""

    def document(self) -> dict[str, Any]:
        """-> the JSON document, without where it lies."""
        found = asdict(self)
        found.pop("location")
        return {"schema": SCHEMA, **found}


@dataclass(frozen=True, kw_only=True)
class ShardTable:
    """Keys and byte ranges of one shard, and what happened when it was made."""

    file: str
    bytes: int
    sha256: str
    keys: tuple[str, ...]
    image: tuple[tuple[int, int], ...]  # offset, length
    record: tuple[tuple[int, int], ...]
    source: tuple[int, int] = (0, 0)  # positions in the source: first, one after last
    arrays: Mapping[str, int] = field(default_factory=dict)
    bad: tuple[Mapping[str, Any], ...] = ()
    body_source: str = ""

    @property
    def info(self) -> ShardInfo:
        return ShardInfo(self.file, len(self.keys), self.bytes, self.sha256)


def table_name(tar: str) -> str:
    """-> the name of the table beside a tar."""
    return str(Path(tar).with_suffix(".json"))


def read_index(location: str | Path) -> ShardIndex:
    """Folder or URL -> its index; says what is missing or wrong, and what to type."""
    try:
        text = read_bytes(location, INDEX)
    except MissingError as error:
        if is_remote(location):
            raise
        folder = Path(location)
        what = f"{folder} has no {INDEX}" if folder.is_dir() else f"no shards at {folder}"
        raise MissingError(f"{what}.", _how_to_get_an_index(folder)) from error
    where = f"{location}/{INDEX}".replace("//index", "/index")
    document = _parsed(text, SCHEMA, where, _NEW_INDEX)
    try:
        shards = tuple(ShardInfo(**entry) for entry in document.pop("shards"))
        index = ShardIndex(location=str(location), shards=shards, **document)
    except (TypeError, KeyError) as error:
        raise InvalidData(f"{where} does not follow {SCHEMA}: {error}.", _NEW_INDEX) from None
    if sum(shard.samples for shard in shards) != index.samples:
        raise InvalidData(
            f"{where}: its shards do not add up to {index.samples} samples.", _NEW_INDEX
        )
    if index.samples == 0:
        raise InvalidData(f"{location} holds no samples: the data set is empty.", _NEW_INDEX)
    return index


def _how_to_get_an_index(folder: Path) -> str:
    """-> what to type: an unfinished preparation goes on, one whose notes are lost starts anew."""
    if (folder / PLAN).is_file():
        return "Its preparation did not end: repeat the same `hps prepare`."
    if folder.is_dir() and any(folder.glob("*.tar")):
        return (
            "Its tars lost their index: repeat the same `hps prepare` with --force,\n"
            f"or copy {INDEX} from where the tars came."
        )
    return "Make them: hps prepare NAME ...   (names: hps datasets list)"


def stored_px(index: ShardIndex) -> int:
    """-> the longest side of stored crops; 0: whole pictures, or the index does not say."""
    layout = index.made_by.get("layout") or {}
    return int(layout.get("side_px", 0)) if layout.get("kind") == "crop" else 0


def refuse_crops(index: ShardIndex, protocol: ProtocolSpec) -> None:
    """Raise where a protocol of a real data set would measure on stored crops.

    Such protocols cut their own crop from the untouched picture; cut from a crop that was scaled and
    encoded once more it is another picture. Nobody else's number depends on generated people.
    """
    from hpscli.registry import get_registry

    if not stored_px(index):
        return
    specs = get_registry().all("dataset")
    if any(spec.name == index.dataset and spec.access == "generated" for spec in specs):
        return
    raise UsageError(
        f"the people in {index.location} are stored as crops; protocol '{protocol.name}' cuts its "
        "own from untouched pictures.",
        f"hps prepare {index.dataset} --split {index.split} --layout full",
    )


def read_table(location: str | Path, shard: ShardInfo) -> ShardTable:
    """-> keys and offsets of a shard; its table must belong to the very tar that the index names."""
    name = table_name(shard.file)
    table = parse_table(read_bytes(location, name), f"{location}/{name}")
    if table.sha256 != shard.sha256 or len(table.keys) != shard.samples:
        raise InvalidData(f"{location}/{name} belongs to another {shard.file}.", _NEW_TABLE)
    return table


def parse_table(text: bytes, where: str) -> ShardTable:
    """The bytes of NNNNNN.json -> the table."""
    document = _parsed(text, TABLE_SCHEMA, where, _NEW_TABLE)
    try:
        for name in ("keys", "bad"):
            document[name] = tuple(document[name])
        for name in ("image", "record"):
            document[name] = tuple((int(first), int(length)) for first, length in document[name])
        document["source"] = tuple(document["source"])
        return ShardTable(**document)
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidData(f"{where} does not follow {TABLE_SCHEMA}: {error}.", _NEW_TABLE) from None


def _parsed(text: bytes, schema: str, where: str, fix: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise InvalidData(f"{where} is not JSON: {error}.", fix) from None
    found = document.pop("schema", None) if isinstance(document, dict) else None
    if str(found).startswith("hps/poses/"):
        raise InvalidData(
            f"{where} lists poses; there are no people in them.",
            "hpscli.data.motion.poses.read_poses",
        )
    if found != schema:
        raise InvalidData(
            f"{where} has schema {found!r}; this hps reads '{schema}'.",
            "Install the hps that wrote the shards; or prepare them again: --force",
        )
    return document  # type: ignore[no-any-return]


class ShardWriter:
    """Writes NNNNNN.tar and its table; nothing has its final name before it is whole and on disk."""

    def __init__(self, folder: Path, number: int, first_position: int) -> None:
        self.folder, self.file = folder, f"{number:06d}.tar"
        self.partial = folder / f".{self.file}.{os.getpid()}{PARTIAL}"
        self.tar = TarWriter(self.partial)
        self.first_position = first_position
        self.keys: list[str] = []
        self.ranges: dict[str, list[tuple[int, int]]] = {"image": [], "record": []}
        self.arrays: dict[str, int] = {}
        self.bad: list[Mapping[str, Any]] = []
        self.body_source = ""

    def add(self, key: str, extension: str, image: bytes, record: bytes, names: list[str]) -> None:
        """Append one person; `names` are the arrays in its record."""
        self.keys.append(key)
        self.ranges["image"].append(self.tar.add(f"{key}.{extension}", image))
        self.ranges["record"].append(self.tar.add(f"{key}.safetensors", record))
        for name in names:
            self.arrays[name] = self.arrays.get(name, 0) + 1

    def close(self, end_position: int) -> ShardTable:
        """Finish: tar, then table, each renamed when it is on disk -> the table."""
        table = ShardTable(
            file=self.file,
            sha256=self.tar.close(),
            bytes=self.tar.position,
            keys=tuple(self.keys),
            image=tuple(self.ranges["image"]),
            record=tuple(self.ranges["record"]),
            source=(self.first_position, end_position),
            arrays=dict(sorted(self.arrays.items())),
            bad=tuple(self.bad),
            body_source=self.body_source,
        )
        if self.keys:
            self.partial.replace(self.folder / self.file)
        else:  # every record of this stretch was bad: a table without a tar
            self.partial.unlink()
        write_json(self.folder / table_name(self.file), {"schema": TABLE_SCHEMA, **vars(table)})
        return table

    def abandon(self) -> None:
        """Throw away what was written so far."""
        self.tar.abandon()
        self.partial.unlink(missing_ok=True)


def write_json(path: Path, document: Mapping[str, Any]) -> str:
    """Write a JSON file atomically and durably -> its sha256."""
    text = json.dumps(document, indent=None if "image" in document else 1) + "\n"
    write_atomically(path, text.encode())
    return hashlib.sha256(text.encode()).hexdigest()


def write_index(folder: Path, tables: Iterable[ShardTable], about: Mapping[str, Any]) -> ShardIndex:
    """Tables of all shards in order, and dataset, split, body kind ... -> index.json."""
    building = IndexBuilder()
    for table in tables:
        building.add(table)
    return building.write(folder, about)


class IndexBuilder:
    """Adds up the tables of shards, one after the other; what it holds grows with shards alone."""

    def __init__(self) -> None:
        self.arrays: dict[str, int] = {}
        self.digest = hashlib.sha256()
        self.shards: list[ShardInfo] = []
        self.samples = self.bad_count = 0
        self.bad: list[Mapping[str, Any]] = []
        self.body_source = ""

    def add(self, table: ShardTable) -> None:
        """The table of the next shard."""
        for name, count in table.arrays.items():
            self.arrays[name] = self.arrays.get(name, 0) + count
        self.digest.update("".join(f"{key}\n" for key in table.keys).encode())
        self.bad_count += len(table.bad)
        self.bad += table.bad[: max(LISTED - len(self.bad), 0)]
        self.samples += len(table.keys)
        self.body_source = self.body_source or table.body_source
        if table.keys:
            self.shards.append(table.info)

    def write(
        self, folder: Path, about: Mapping[str, Any], location: str | Path = ""
    ) -> ShardIndex:
        """dataset, split, body kind ... -> index.json, for shards that lie in `location`."""
        about = dict(about)
        kind = about.pop("body", "") or next(
            (body for body in ("smplx", "smpl", "mano") if f"{body}.betas" in self.arrays), ""
        )
        index = ShardIndex(
            location=str(location or folder),
            samples=self.samples,
            shards=tuple(self.shards),
            arrays=dict(sorted(self.arrays.items())),
            bad={"count": self.bad_count, "records": self.bad},
            body={"kind": kind, "source": self.body_source} if kind else None,
            keys_sha256=self.digest.hexdigest(),
            **about,
        )
        write_json(folder / INDEX, index.document())
        return index
