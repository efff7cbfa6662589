"""Files of predictions: our own (.npz with JSON beside the arrays), and those that plugins can read."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.atomic import write_atomically
from hpscli.data.containers.archives import Archive, open_npz
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.hooks import PredictionFileSpec
from hpscli.records import PredictionSet
from hpscli.registry import Registry, resolve

SCHEMA = "hps/predictions/1"
DOCUMENT, KEYS = "hps.json", "hps.keys"  # entries of the file beside the arrays
FOLDER = "/"  # among the suffixes of a PredictionFileSpec: it reads folders
NUMBERS = "fiu"  # kinds of NumPy arrays that may be predictions


def write_predictions(path: Path, predictions: PredictionSet) -> Path:
    """Write our own file -> path."""
    document = {
        "schema": SCHEMA,
        "body": dict(predictions.body),
        "about": dict(predictions.about),
        "meta": [dict(entry) for entry in predictions.meta],
    }
    arrays: dict[str, Any] = {
        DOCUMENT: np.array(json.dumps(document)),
        KEYS: np.array(predictions.keys, dtype=np.str_),
        **{name: np.asarray(values) for name, values in predictions.arrays.items()},
    }
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    write_atomically(path, packed.getvalue())
    return path


def read_predictions(path: Path, registry: Registry) -> PredictionSet:
    """A file or folder of ours or of another program, recognised by content -> what it predicts."""
    if not path.exists():
        raise MissingError(f"there is no file {path}.")
    if _is_ours(path):
        found = read_ours(path)
    else:
        spec = recognised(path, registry)
        if spec is None:
            names = ", ".join(s.name for s in registry.all("prediction file"))
            raise InvalidData(
                f"{path} is no file of predictions that hps knows ({SCHEMA}, {names}).",
                "Which layouts there are: hps info predictions",
            )
        found = checked(_read_by(spec, path), str(path))
        found = replace(found, about={"format": spec.name, **found.about})
    known = {"name": path.name, "file": str(path), "sha256": _sha256(path)}
    return replace(found, about={**found.about, **known})


def recognised(path: Path, registry: Registry) -> PredictionFileSpec | None:
    """-> the layout of a file or folder, None if nobody knows it."""
    specs: list[PredictionFileSpec] = registry.all("prediction file")
    suffix = FOLDER if path.is_dir() else path.suffix.lower()
    for spec in specs:
        if suffix in spec.suffixes and resolve(spec.recognise)(path):
            return spec
    return None


def is_predictions(path: Path, registry: Registry) -> bool:
    """-> whether a file or folder holds predictions, ours or of another program."""
    return path.exists() and (_is_ours(path) or recognised(path, registry) is not None)


def read_ours(path: Path) -> PredictionSet:
    """A file that `write_predictions` wrote -> what it predicts."""
    try:
        with open_npz(path) as stored:
            document = json.loads(str(np.asarray(stored[DOCUMENT])[()]))
            if document.get("schema") != SCHEMA:
                raise InvalidData(f"{path} has schema {document.get('schema')!r}, not {SCHEMA!r}.")
            names = np.asarray(stored[KEYS])
            keys = tuple(str(key) for key in names.reshape(-1)) if names.size else ()
            arrays = {n: _numbers(stored, n) for n in stored if n not in (DOCUMENT, KEYS)}
            found = PredictionSet(
                keys=keys,
                arrays=arrays,
                meta=tuple(dict(entry) for entry in document["meta"]),
                body=dict(document["body"]),
                about=dict(document["about"]),
            )
    except HpsError:
        raise
    except (*BAD_RECORD, OSError) as error:
        raise InvalidData(
            f"{path} is not a whole file of predictions: {in_words(error)}.",
            "Write it again with the program that made it.",
        ) from None
    return checked(found, str(path))


def checked(predictions: PredictionSet, source: str) -> PredictionSet:
    """-> the same, or an error where its parts are about different numbers of people."""
    counts: dict[str, int] = {name: len(v) for name, v in predictions.arrays.items() if v.ndim}
    counts.update({"keys": len(predictions.keys)} if predictions.keys else {})
    counts.update({"meta": len(predictions.meta)} if predictions.meta else {})
    if not counts or len(counts) < len(predictions.arrays):
        raise InvalidData(f"{source} holds no predictions of people.")
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
        raise InvalidData(f"{source}: its parts are about different numbers of people: {said}.")
    doubles = len(predictions.keys) - len(set(predictions.keys))
    if doubles:
        raise InvalidData(f"{source} names {doubles} people twice.", "Predict each person once.")
    return predictions


def _read_by(spec: PredictionFileSpec, path: Path) -> PredictionSet:
    """-> what a plugin reads; whatever is wrong with the file is one message."""
    try:
        found: PredictionSet = resolve(spec.read)(path)
    except HpsError:
        raise
    except (*BAD_RECORD, OSError, EOFError) as error:
        raise InvalidData(
            f"{path} looks like {spec.name} ({spec.summary.rstrip('.')}), but is not whole: "
            f"{in_words(error)}.",
            "Write it again with the program that made it.",
        ) from error
    return found


def _numbers(stored: Mapping[str, Any], name: str) -> np.ndarray:
    values = stored[name]
    if not isinstance(values, np.ndarray) or values.dtype.kind not in NUMBERS:
        raise ValueError(f"{name} is not an array of numbers")
    return values


def _is_ours(path: Path) -> bool:
    if path.suffix != ".npz" or not path.is_file():
        return False
    try:
        with open_npz(path) as archive:
            return isinstance(archive, Archive) and DOCUMENT in archive
    except HpsError:
        return False


def _sha256(path: Path) -> str:
    """-> the hash of a file; of a folder, that of the names and hashes of its files."""
    if path.is_dir():
        whole = hashlib.sha256()
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            whole.update(f"{file.relative_to(path).as_posix()} {_sha256(file)}\n".encode())
        return whole.hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
