"""Pickles of data sets as plain Python and NumPy objects: nothing that a file names is ever run.

What may appear: NumPy arrays and scalars (of Python 2 and 3, NumPy 1 and 2), tensors and tables
(hpscli/data/containers), what body files hold, and plain containers. Any other name ends the reading,
with that name in the message.
"""

from pathlib import Path
from typing import Any

from hpscli.body.official.machine import DAMAGE, Maker, PickleMachine
from hpscli.body.official.pickles import vocabulary
from hpscli.body.official.records import Resolver
from hpscli.data.containers.pickled_arrow import arrow_names
from hpscli.data.containers.pickled_frames import Frame, frame_names
from hpscli.data.containers.pickled_tensors import (
    is_torch_legacy,
    is_torch_zip,
    read_torch,
    tensor_names,
)
from hpscli.errors import InvalidData, MissingError

__all__ = ["Frame", "load_pickle", "loads_pickle"]

MAX_FILE_BYTES = 8 << 30  # AGORA's tables hold the vertices of all people of some thousand pictures


def load_pickle(path: Path | str) -> Any:
    """A pickle, or a file of torch.save -> its content; tensors are arrays, tables are `Frame`s."""
    path = Path(path)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidData(
                f"{path} has {path.stat().st_size} bytes; no label file is so large.",
                "Check the file.",
            )
        return loads_pickle(path.read_bytes(), str(path))
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.", "Check the path.") from None


def loads_pickle(data: bytes, source: str) -> Any:
    """-> the same from bytes; `source` is what errors call them."""
    table = vocabulary()
    table.update(tensor_names(source))
    table.update(frame_names())
    table.update(arrow_names())
    table.update(_builtin_names())
    if is_torch_zip(data) or is_torch_legacy(data):
        value = read_torch(data, source, table)
    else:
        value = PickleMachine(data, source, table).read()
    try:
        return Resolver().value(value)
    except DAMAGE as error:
        raise InvalidData(
            f"{source} holds something that does not fit together ({error}).",
            "The file is damaged: download it again.",
        ) from None


def _builtin_names() -> dict[tuple[str, str], Maker]:
    """-> kinds of numbers that are called to make one."""
    names: dict[tuple[str, str], Maker] = {}
    for module in ("builtins", "__builtin__"):
        names[module, "complex"] = _complex
        names[module, "range"] = names[module, "xrange"] = _range
    return names


def _complex(real: float, imaginary: float = 0.0) -> complex:
    return complex(float(real), float(imaginary))


def _range(*limits: int) -> range:
    return range(*(int(limit) for limit in limits))
