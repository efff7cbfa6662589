"""The result file hps/eval/1: what was measured, by which rules, on which bytes, person by person.

`result.json` holds the figures and hashes, `result.samples.npz` beside it the keys and errors.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.atomic import write_atomically
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.metrics.rules import Curve, Metric, Table

SCHEMA = "hps/eval/1"
RESAMPLES = 2000  # bootstrap draws; the interval's ends move by about 1 % of its width
CHUNK = 4_000_000  # people drawn at once, about 32 MB

PEOPLE = ("keys", "errors", "details")  # what lies in the file beside
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
    errors: Mapping[str, Array] = field(default_factory=dict)
    details: Mapping[str, Array] = field(default_factory=dict)  # (N,...) whatever else was kept

    def document(self) -> dict[str, Any]:
        """-> everything but the people, as plain JSON values."""
        whole = asdict(replace(self, keys=(), errors={}, details={}))
        return {name: value for name, value in whole.items() if name not in PEOPLE}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """B minus A in one metric over the people both have, with its 95 % interval."""

    metric: str
    unit: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    samples: int

    @property
    def significant(self) -> bool:
        """True when zero lies outside the interval."""
        return self.low > 0 or self.high < 0


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
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise InvalidData(f"{file} is not a result file: {error}.") from None
    schema = document.pop("schema", None) if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise InvalidData(f"{file} has schema {schema!r}, not {SCHEMA!r}.")
    people = file.with_name(str(document.pop("samples_file", samples_path(file).name)))
    try:
        with np.load(people, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if name != "keys"}
            keys = tuple(str(key) for key in stored["keys"])
        details = {n.removeprefix(DETAIL): v for n, v in arrays.items() if n.startswith(DETAIL)}
        errors = {name: values for name, values in arrays.items() if not name.startswith(DETAIL)}
        for name, kind in (("metrics", Metric), ("tables", Table), ("curves", Curve)):
            document[name] = {key: kind(**value) for key, value in document.get(name, {}).items()}
        notes = tuple(document.pop("notes", ()))
        return Result(keys=keys, errors=errors, details=details, notes=notes, **document)
    except FileNotFoundError:
        raise MissingError(f"{file} lacks its people: {people} is not there.") from None
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise InvalidData(f"{file} is not a whole result file: {error}.") from None


def samples_path(path: Path) -> Path:
    """result.json -> result.samples.npz."""
    return path.with_name(f"{path.stem}.samples.npz")


def compare(first: Result, second: Result, *, resamples: int = RESAMPLES) -> list[Difference]:
    """Two results -> second minus first per shared metric, over the people that both measured.

    Paired bootstrap over people: neighbouring frames of one video are not independent, so for
    videos the true interval is wider than the printed one.
    """
    _comparable(first, second)
    places = {key: index for index, key in enumerate(second.keys)}
    pairs = [(i, places[key]) for i, key in enumerate(first.keys) if key in places]
    if not pairs:
        raise UsageError("the two results have no person in common.")
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    found = []
    for metric in [name for name in first.errors if name in second.errors]:
        a, b = first.errors[metric][left], second.errors[metric][right]
        known = ~(np.isnan(a) | np.isnan(b))
        if known.any():
            a, b = a[known], b[known]
            low, high = bootstrap_interval(b - a, resamples)
            unit = first.metrics[metric].unit if metric in first.metrics else "mm"
            found.append(
                Difference(
                    metric=metric,
                    unit=unit,
                    first=float(a.mean()),
                    second=float(b.mean()),
                    difference=float((b - a).mean()),
                    low=low,
                    high=high,
                    samples=len(a),
                )
            )
    return found


def bootstrap_interval(values: Array, resamples: int = RESAMPLES) -> tuple[float, float]:
    """values (N,) -> the 95 % percentile interval of their mean; the same call, the same interval."""
    random = np.random.default_rng(0)
    count, means = len(values), []
    rows = max(1, CHUNK // count)
    for start in range(0, resamples, rows):
        drawn = random.integers(0, count, size=(min(rows, resamples - start), count))
        means.append(values[drawn].mean(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


def _comparable(first: Result, second: Result) -> None:
    """Raise where a difference would mean nothing."""
    for what, a, b in (
        ("protocol", first.protocol["name"], second.protocol["name"]),
        ("body source", first.body.get("source"), second.body.get("source")),
        ("body", first.body.get("kind"), second.body.get("kind")),
    ):
        if a != b:
            raise UsageError(
                f"these results cannot be compared: {what} '{a}' and {what} '{b}'.",
                "Evaluate both checkpoints with the same protocol and the same body files.",
            )
