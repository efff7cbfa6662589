"""Imported checkpoints, found by name: $HPS_HOME/models/<model>.<tag>.safetensors. No torch here.

What an import keeps besides the weights that are used lies beside: <model>.<tag>.unused.safetensors
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpscli.errors import UsageError
from hpscli.hooks import ModelSpec, Weights

ENDING, SIDE_ENDING = ".safetensors", ".unused.safetensors"
HEADER_KEY = "hps"
TAG = re.compile(r"[a-z0-9][a-z0-9_+-]*")
NOISE = re.compile(r"(_state_dict|_checkpoint|\.pth|\.tar|\.bin|\.pt|\.ckpt|\.safetensors|\.pkl)$")


@dataclass(frozen=True)
class Stored:
    """One checkpoint of the store; `about` is its description, {} when it cannot be read."""

    path: Path
    about: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(ENDING)

    @property
    def model(self) -> str:
        return self.name.partition(".")[0]

    @property
    def tag(self) -> str:
        return self.name.partition(".")[2]

    @property
    def origin(self) -> Mapping[str, Any]:
        origin: Mapping[str, Any] = self.about.get("origin") or {}
        return origin

    @property
    def bytes(self) -> int:
        return self.path.stat().st_size

    @property
    def side(self) -> Path:
        """-> where the tensors are that the import kept besides; often there is no such file."""
        return side_file(self.path)


def model_folder() -> Path:
    """-> where imported checkpoints live; it need not exist yet."""
    home = os.environ.get("HPS_HOME")
    if home:
        return Path(home).expanduser() / "models"
    import platformdirs

    return Path(platformdirs.user_data_dir("hps", appauthor=False)) / "models"


def stored_path(name: str) -> Path:
    """ "graphormer.h36m" -> its file, present or not."""
    return model_folder() / f"{name}{ENDING}"


def side_file(path: Path) -> Path:
    """Checkpoint of the store -> the file of what its import kept besides."""
    return path.with_name(path.name.removesuffix(ENDING) + SIDE_ENDING)


def stored(model: str = "") -> list[Stored]:
    """-> every checkpoint of the store, or those of one model; by name."""
    files = sorted(model_folder().glob(f"{model or '*'}.*{ENDING}"))
    return [Stored(path, describe(path)) for path in files if not path.name.endswith(SIDE_ENDING)]


def describe(path: Path) -> dict[str, Any]:
    """A safetensors file of ours -> its description; {} when it is damaged or not ours."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                return {}
            about = json.loads(json.loads(file.read(length))["__metadata__"][HEADER_KEY])
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return about if isinstance(about, dict) else {}


def checked_name(spec: ModelSpec, name: str) -> str:
    """ "h36m" or "graphormer.h36m", as a user typed it -> "graphormer.h36m"."""
    model, dot, tag = name.rpartition(".")
    if dot and model != spec.name:
        raise UsageError(
            f"--name {name}: the file is of model '{spec.name}', not '{model}'.",
            f"Write --name {tag}",
        )
    if not TAG.fullmatch(tag):
        raise UsageError(
            f"--name '{name}' has characters that a name must not have.",
            "Use small letters, digits, '-', '_', '+'.",
        )
    return f"{spec.name}.{tag}"


def released_as(spec: ModelSpec, preset: str, file: str) -> Weights | None:
    """File name -> the released weights that are called so, if the preset is theirs."""
    named = [w for w in spec.weights if w.official_file.lower() == file.lower() != ""]
    return next((w for w in named if w.preset in ("", preset)), None)


def tag_of(spec: ModelSpec, preset: str, file: str) -> str:
    """File name -> tag: that of the released file, else what is special in the name."""
    if found := released_as(spec, preset, file):
        return found.tag
    stem = file.lower()
    while (shorter := NOISE.sub("", stem)) != stem:
        stem = shorter
    stem = re.sub(r"[^a-z0-9+_]+", "-", stem).strip("-_")
    rest = re.sub(rf"^{re.escape(spec.name)}[-_]+", "", stem)
    if any(w.tag == rest and w.preset not in ("", preset) for w in spec.weights):
        return f"{rest}-{preset or 'own'}"  # a release of another preset has that name
    return rest or preset or "imported"
