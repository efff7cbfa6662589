"""One checkpoint is one .safetensors file; its description is JSON in the header."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from hpscli import __version__
from hpscli.atomic import write_atomically
from hpscli.errors import InvalidData, MissingError

SCHEMA = "hps/checkpoint/1"
HEADER_KEY = "hps"  # of the safetensors metadata, whose values are strings
FIX = "Free some space, then continue with --resume."


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """Everything that is needed to build the model again, and where the weights come from."""

    model: str
    options: Mapping[str, Any]
    input_size: tuple[int, int]  # (height, width) px
    body: Mapping[str, str]  # kind, gender, source, sha256
    joints: str = "smpl24"  # joint set of the supervision
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)
    step: int = 0
    epoch: int = 0  # completed
    samples: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)  # of the last validation
    recipe_toml: str = ""
    selected: str = ""  # what is special about how `best` was chosen
    licence: str = "weights follow the terms of the data and bodies that they were trained with"
    version: str = __version__
    origin: Mapping[str, Any] = field(default_factory=dict)  # of imported weights: file, sha256


def save_checkpoint(path: Path, state: Mapping[str, Tensor], info: CheckpointInfo) -> None:
    """Write weights and their description as one file, atomically."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
    header = json.dumps({"schema": SCHEMA, **asdict(info)})
    content = to_bytes(_unshared(tensors), metadata={HEADER_KEY: header})
    write_atomically(path, content, FIX)


def is_ours(path: Path) -> bool:
    """-> True for a checkpoint that hps wrote; a cut one of ours is an error."""
    return path.suffix == ".safetensors" and HEADER_KEY in _header(path)


def read_info(path: Path) -> CheckpointInfo:
    """-> the description in a checkpoint's header, without reading its tensors."""
    text = _header(path).get(HEADER_KEY)
    if text is None:
        raise InvalidData(
            f"{path} holds weights, but not of a checkpoint made by hps: its header has no "
            f"'{HEADER_KEY}' entry.",
            "To start a training from such weights: hps train RECIPE --init FILE",
        )
    try:
        raw = json.loads(text)
        if raw["schema"] != SCHEMA:
            raise InvalidData(
                f"{path} is written in schema '{raw['schema']}', this is hps {__version__} with "
                f"'{SCHEMA}'.",
                f"It was made by hps {raw.get('version', '?')}: use that version.",
            )
        known = {entry.name for entry in fields(CheckpointInfo)}
        values = {key: value for key, value in raw.items() if key in known}
        for name in ("input_size", "mean", "std"):
            values[name] = tuple(values[name])
        return CheckpointInfo(**values)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidData(f"the description in {path} is damaged: {error!r}.") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """-> the tensors of a safetensors file, on the CPU."""
    _header(path)
    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise _damaged(path, error) from None


def file_sha256(path: Path) -> str:
    """-> the sha256 of a file, as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _header(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise MissingError(f"no file {path}.")
    try:
        with safe_open(path, framework="pt") as stream:
            return dict(stream.metadata() or {})
    except SafetensorError as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> InvalidData:
    return InvalidData(
        f"{path} is not a whole safetensors file: {error}.",
        "It was cut short, or it is of another kind. Take another checkpoint of the run: "
        "RUN@last, RUN@EPOCH.",
    )


def _unshared(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """safetensors refuses two names for one memory; tied weights are stored twice."""
    seen: set[int] = set()
    result = {}
    for name, value in tensors.items():
        result[name] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    return result
