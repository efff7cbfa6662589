"""Files of predictions: our own (.npz with JSON beside the arrays), and those that plugins can read."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.atomic import write_atomically
from hpscli.errors import InvalidData, MissingError
from hpscli.hooks import PredictionFileSpec
from hpscli.records import PredictionSet
from hpscli.registry import Registry, resolve

SCHEMA = "hps/predictions/1"
DOCUMENT, KEYS = "hps.json", "hps.keys"  # entries of the file beside the arrays


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
    """A file of ours or of another program, recognised by its content -> what it predicts."""
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
        found = resolve(spec.read)(path)
        found = replace(found, about={"format": spec.name, **found.about})
    known = {"name": path.name, "file": str(path), "sha256": _sha256(path)}
    return replace(found, about={**found.about, **known})


def recognised(path: Path, registry: Registry) -> PredictionFileSpec | None:
    """-> the layout of a file, None if nobody knows it."""
    specs: list[PredictionFileSpec] = registry.all("prediction file")
    for spec in specs:
        if path.suffix.lower() in spec.suffixes and resolve(spec.recognise)(path):
            return spec
    return None


def is_predictions(path: Path, registry: Registry) -> bool:
    """-> whether a file holds predictions, ours or of another program."""
    return path.is_file() and (_is_ours(path) or recognised(path, registry) is not None)


def _is_ours(path: Path) -> bool:
    if path.suffix != ".npz":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{DOCUMENT}.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def read_ours(path: Path) -> PredictionSet:
    try:
        with np.load(path, allow_pickle=False) as stored:
            document = json.loads(str(stored[DOCUMENT]))
            keys = tuple(str(key) for key in stored[KEYS])
            arrays = {n: stored[n] for n in stored.files if n not in (DOCUMENT, KEYS)}
        if document.get("schema") != SCHEMA:
            raise InvalidData(f"{path} has schema {document.get('schema')!r}, not {SCHEMA!r}.")
        return PredictionSet(
            keys=keys,
            arrays=arrays,
            meta=tuple(document["meta"]),
            body=document["body"],
            about=document["about"],
        )
    except (KeyError, TypeError, AttributeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise InvalidData(f"{path} is not a whole file of predictions: {error}.") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
