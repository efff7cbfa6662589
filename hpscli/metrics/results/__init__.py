"""The result file hps/eval/1: what was measured, by which rules, on which bytes, person by person.

`result.json` holds the figures and hashes, `result.samples.npz` beside it the keys and errors.
"""

import hashlib
import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.atomic import write_atomically
from hpscli.errors import BAD_RECORD, InvalidData, MissingError, UsageError
from hpscli.metrics.results.document import fields_of
from hpscli.metrics.rules import Curve, Metric, Table

SCHEMA = "hps/eval/1"
PEOPLE = ("keys", "sequences", "errors", "details")  # what lies in the file beside
BROKEN = (  # what reading a damaged file of arrays may raise
    *BAD_RECORD,
    *(OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error),
)
DETAIL = "detail."  # before the names of details there

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Result:
    """One evaluation. `errors` are per person in the order of `keys`, NaN where there is no truth."""

    protocol: Mapping[str, Any]  # name, summary, ..., sample_list_sha256
    checkpoint: Mapping[str, Any]  # name, sha256, step, epoch
    model: str
    body: Mapping[str, Any]  # kind, gender, source, sha256
    data: Mapping[str, Any]  # shards, index_sha256, samples
    settings: Mapping[str, Any]  # batch, dtype, flip, limit
    metrics: Mapping[str, Metric]
    reference: Mapping[str, Any] = field(
        default_factory=dict
    )  # {metric: value, source, difference}
    baseline: Mapping[str, Any] = field(default_factory=dict)  # shards, index_sha256, metrics
    tables: Mapping[str, Table] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    official_text: str = ""  # the lines that the official program prints
    notes: tuple[str, ...] = ()  # what a reader of the figures must know
    device: str = "cpu"
    processes: int = 1
    seconds: float = 0.0
    time: str = ""  # UTC
    hps_version: str = ""
    recipe_hash: str = ""
    keys: tuple[str, ...] = ()
    sequences: tuple[str, ...] = ()  # the video of each person, where labels name it
    errors: Mapping[str, Array] = field(default_factory=dict)
    details: Mapping[str, Array] = field(default_factory=dict)  # (N,...) whatever else was kept

    def document(self) -> dict[str, Any]:
        """-> everything but the people, as plain JSON values; a number that is none is None."""
        whole = asdict(replace(self, keys=(), sequences=(), errors={}, details={}))
        plain = {name: _plain(value) for name, value in whole.items() if name not in PEOPLE}
        return dict(plain)


def sample_list_sha256(keys: Sequence[str]) -> str:
    """-> hash of which people were measured, whatever their order."""
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()


def write_result(path: Path, result: Result, *, overwrite: bool = False) -> Path:
    """Write `path` (.json) and the people beside it -> path."""
    people = samples_path(path)
    if not overwrite and (people.exists() or path.exists()):
        raise UsageError(f"{path} exists already.", "Choose another name, or add --force.")
    details = {f"{DETAIL}{name}": values for name, values in result.details.items()}
    arrays: dict[str, Any] = {"keys": np.array(result.keys, dtype=np.str_), **result.errors}
    arrays |= details
    if any(result.sequences):
        arrays["sequences"] = np.array(result.sequences, dtype=np.str_)
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    write_atomically(people, packed.getvalue())
    document = {"schema": SCHEMA, **result.document(), "samples_file": people.name}
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    write_atomically(path, text.encode())
    return path


def read_result(path: Path) -> Result:
    """A result.json (or its folder) -> the result with its people."""
    file = path / "result.json" if path.is_dir() else path
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(f"no result file {file}.", "Make one: hps eval --testset NAME") from None
    except (ValueError, RecursionError, OSError) as error:
        raise InvalidData(f"{file} is not a result file: {error}.") from None
    schema = document.pop("schema", None) if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise InvalidData(f"{file} has schema {schema!r}, not {SCHEMA!r}.")
    name = document.pop("samples_file", samples_path(file).name)
    try:
        fields = fields_of(document)
        people = file.with_name(str(name))
        with np.load(people, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return Result(**fields, **_people(arrays))
    except FileNotFoundError:
        raise MissingError(f"{file} lacks its people: {people} is not there.") from None
    except BROKEN as error:
        raise InvalidData(f"{file} is not a whole result file: {error}.") from None


def _people(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays of result.samples.npz -> keys, sequences, errors, details."""
    keys = tuple(str(key) for key in arrays["keys"])
    sequences = tuple(str(name) for name in arrays.get("sequences", ()))
    if sequences and len(sequences) != len(keys):
        raise ValueError(f"{len(sequences)} videos of {len(keys)} people")
    kept = {name: values for name, values in arrays.items() if name not in PEOPLE}
    for name, values in kept.items():
        fits = values.ndim >= 1 if name.startswith(DETAIL) else values.ndim == 1
        if not fits or values.dtype.kind not in "fiub":
            raise ValueError(f"array '{name}' is {values.dtype} {values.shape}")
    return {
        "keys": keys,
        "sequences": sequences,
        "errors": {n: v for n, v in kept.items() if not n.startswith(DETAIL)},
        "details": {n.removeprefix(DETAIL): v for n, v in kept.items() if n.startswith(DETAIL)},
    }


def samples_path(path: Path) -> Path:
    """result.json -> result.samples.npz."""
    return path.with_name(f"{path.stem}.samples.npz")


def _plain(value: Any) -> Any:
    """Nested values -> what JSON has: NaN and infinity have no numeral there."""
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
