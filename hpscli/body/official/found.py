"""What recognising a file can end in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Found:
    """An asset, ready to be stored."""

    id: str
    arrays: Mapping[str, np.ndarray]
    meta: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Unneeded:
    """A file that is known, and that nothing here wants."""

    what: str


@dataclass(frozen=True, kw_only=True, eq=False)  # arrays do not compare as a whole
class Piece:
    """A part of an asset that comes in several files: adjacency triples, motion captures."""

    kind: str  # adjacency | amass
    part: str
    value: Any
    where: str = ""
    sha256: str = ""
