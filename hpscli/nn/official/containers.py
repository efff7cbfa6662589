"""Files of other programs: where in them the weights are, among optimisers, logs and settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpscli.errors import InvalidData
from hpscli.nn.files import read_tensors
from hpscli.nn.weights.torch_files import Placeholder, load_torch_file, whole_object

BAGGAGE = ("optimizer", "optim", "lr_sched", "scheduler", "callbacks", "loops", "ema_optim")
DEEPEST = 3  # levels of dictionaries in which weights are looked for
SHOWN_KEYS = 3


@dataclass(frozen=True)
class Foreign:
    """The tensors of a foreign file, and how they lay in it."""

    tensors: Mapping[str, Tensor]
    place: str  # "state_dict": the entry of the file that holds them; "" the file itself
    baggage: tuple[str, ...]  # other entries of the file, none of which is used
    origin: str
    form: str = ""  # of the file: "torch (zip)", "torch (before 1.6)", "safetensors"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {key: tuple(tensor.shape) for key, tensor in self.tensors.items()}


def open_foreign(source: Path | Mapping[str, Any]) -> Foreign:
    """A torch or safetensors file, or its content -> the tensors in it."""
    origin = str(source) if isinstance(source, Path) else "the given tensors"
    content, form = _content(source) if isinstance(source, Path) else (source, "")
    found = max(_places(content, "", DEEPEST), key=lambda pair: len(pair[1]), default=None)
    if found is None or not found[1]:
        raise _no_tensors(content, origin)
    place, tensors = found
    baggage = tuple(str(key) for key in content if place and str(key) != place.split("/")[0])
    return Foreign(tensors, place, baggage, origin, form)


def _content(path: Path) -> tuple[Mapping[str, Any], str]:
    """File -> its dictionary, and what kind of file it is."""
    with path.open("rb") as stream:
        head = stream.read(9)
    torch_made = head.startswith((b"PK", b"\x80"))  # a zip archive, a pickle
    if head[8:] == b"{" or (path.suffix == ".safetensors" and not torch_made):
        return read_tensors(path), "safetensors"
    return load_torch_file(path), "torch" if head.startswith(b"PK") else "torch of before 1.6"


def _no_tensors(content: Mapping[str, Any], origin: str) -> InvalidData:
    """-> the error for a file without tensors: empty, or a whole program object."""
    objects = [value for value in content.values() if isinstance(value, Placeholder)]
    if networks := [value.name for value in objects if value.is_network]:
        return whole_object(origin, networks[0])
    if not content:
        return InvalidData(f"{origin} is an empty dictionary.", "Give a file with weights.")
    keys = ", ".join(str(key) for key in list(content)[:SHOWN_KEYS])
    return InvalidData(
        f"{origin} holds no tensors, only {keys}{' ...' * (len(content) > SHOWN_KEYS)}.",
        "Give a checkpoint: weights by name.",
    )


def _places(content: Mapping[Any, Any], place: str, depth: int) -> Iterator[tuple[str, Any]]:
    """-> every dictionary in the file that holds tensors, with its place."""
    tensors = {
        str(key): value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        for key, value in content.items()
        if isinstance(value, Tensor)
        or (isinstance(value, np.ndarray) and value.dtype.kind in "fiu")
    }
    yield place, tensors
    if depth:
        for key, value in content.items():
            if isinstance(value, Mapping) and not str(key).startswith(BAGGAGE):
                if isinstance(value, Placeholder) and not value:
                    continue
                yield from _places(value, f"{place}/{key}" if place else str(key), depth - 1)
