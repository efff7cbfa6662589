"""Text that pandas 3 keeps in buffers of Arrow, in pickles: read without pyarrow.

A buffer of offsets (length + 1) into one of UTF-8, and a bit for each text that is there.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hpscli.body.official.machine import Maker
from hpscli.body.official.records import Resolver

OFFSETS = {"string": "<i4", "large_string": "<i8", "utf8": "<i4", "large_utf8": "<i8"}
MAX_TEXTS = 1 << 24  # of one column
STATES = ("_pa_array", "_data")  # of pandas 3 and 2


@dataclass(eq=False)
class TextRecord:
    """An array of Arrow: (type, length, how many are absent, first, buffers, ...)."""

    parts: Any

    def resolve(self, resolver: Resolver) -> np.ndarray:
        kind, length, _, first, buffers, *_ = (resolver.value(part) for part in self.parts)
        if kind not in OFFSETS or len(buffers) != 3:
            raise ValueError(f"an array of Arrow of type {kind}")
        there, places, text = (bytes(buffer or b"") for buffer in buffers)
        offsets = np.frombuffer(places, OFFSETS[kind])[int(first) : int(first) + int(length) + 1]
        if len(offsets) != length + 1 or (np.diff(offsets) < 0).any():
            raise ValueError("text of Arrow whose places do not fit")
        if length and not 0 <= offsets[0] <= offsets[-1] <= len(text):
            raise ValueError("text of Arrow that lies outside")
        found = np.empty(int(length), object)
        for number in range(int(length)):
            place = number + int(first)
            absent = there and not there[place >> 3] >> (place & 7) & 1
            word = text[offsets[number] : offsets[number + 1]].decode("utf-8")
            found[number] = np.nan if absent else word
        return found


@dataclass(eq=False)
class ChunksRecord:
    """Arrays of Arrow one after the other."""

    chunks: Any

    def resolve(self, resolver: Resolver) -> np.ndarray:
        parts = [resolver.value(chunk) for chunk in self.chunks]
        if sum(len(part) for part in parts) > MAX_TEXTS:
            raise ValueError("text of Arrow that repeats itself without end")
        return np.concatenate([np.zeros(0, object), *parts])


class ArrowTextRecord:
    """The array of pandas around them."""

    def __init__(self, *arguments: Any) -> None:
        self.content: Any = arguments[0] if arguments else None

    def build(self, state: Any) -> None:
        self.content = state[STATES[0] if STATES[0] in state else STATES[1]]

    def resolve(self, resolver: Resolver) -> np.ndarray:
        values = resolver.value(self.content)
        if not isinstance(values, np.ndarray):
            raise ValueError("an array of pandas without values")
        return values


def arrow_names() -> dict[tuple[str, str], Maker]:
    """-> what pickles with such text name."""
    names: dict[tuple[str, str], Maker] = {
        ("pyarrow.lib", "_restore_array"): TextRecord,
        ("pyarrow.lib", "chunked_array"): lambda chunks, *kind: ChunksRecord(chunks),
        ("pyarrow.lib", "py_buffer"): lambda content: content,
        ("pyarrow.lib", "type_for_alias"): lambda name: name,
    }
    for module in ("pandas.arrays", "pandas.core.arrays.string_arrow"):
        names[module, "ArrowStringArray"] = ArrowTextRecord
        names[module, "ArrowStringArrayNumpySemantics"] = ArrowTextRecord
    return names
