"""NASA's Common Data Format, in which Human3.6M keeps joints: one variable, `Pose` (1, frames, numbers).

cdflib follows whatever a damaged file announces, however many entries that are. So what it is about to
count is looked at first.
"""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.containers.matlab import BROKEN, damaged
from hpscli.errors import MissingError

MOST_ENTRIES = 100_000  # in all; Human3.6M's longest recording has 6343 frames
LARGEST_BYTES = 1 << 30
VARIABLE = "Pose"
Z_VARIABLE = 8  # type of a record whose dimensions are its own
# Where cdflib's methods find numbers of entries, in bytes after the start of the record that they read
# (CDF Internal Format Description; 3 is the version with 8-byte offsets).
COUNTS = {
    "_read_gdr": (44, 48, 56, 60),  # variables, attributes, dimensions, z variables
    "_read_gdr2": (24, 28, 36, 40),
    "_read_vdr3": (24,),  # records
    "_read_vdr2": (16,),
    "_read_vxrs": (24,),  # blocks of records
    "_read_vxrs2": (16,),
}
DIMENSIONS = {
    "_read_vdr3": (8, (340,)),
    "_read_vdr2": (4, (128, 256)),
}  # type, numbers of dimensions


def read_pose(path: Path, columns: int) -> np.ndarray:
    """A .cdf of Human3.6M, coordinates of a joint -> (frames, joints, columns), px or mm."""
    if not path.is_file():
        raise MissingError(f"there is no file {path}.", "hps datasets show h36m")
    try:
        file = _reader()(path)
        asked = file.varinq(VARIABLE)
        values = math.prod(int(size) for size in asked.Dim_Sizes) * (int(asked.Last_Rec) + 1)
        if not 0 < values * 8 <= LARGEST_BYTES:
            raise ValueError(f"{values} numbers announced")
        pose = np.asarray(file.varget(VARIABLE), np.float64)
        return pose.reshape(-1, pose.shape[-1] // columns, columns)
    except BROKEN as error:
        raise damaged(path, error) from None


@lru_cache(maxsize=1)
def _reader() -> Any:
    """-> cdflib's reader, which a damaged file cannot keep busy for ever."""
    import cdflib

    class Reader(cdflib.CDF):  # type: ignore[misc]
        """Adds up what records announce before they are read."""

        entries = 0

        def number_at(self, place: int) -> int:
            self._f.seek(place)
            return int.from_bytes(self._f.read(4), "big")

        def look(self, method: str, start: int) -> None:
            self.entries += 1 + sum(self.number_at(start + after) for after in COUNTS[method])
            kind, places = DIMENSIONS.get(method, (0, ()))
            if places and self.number_at(start + kind) == Z_VARIABLE:
                old = len(places) > 1 and not self._post25  # 128 bytes more before version 2.5
                self.entries += self.number_at(start + places[old])
            if self.entries > MOST_ENTRIES:
                raise ValueError("its index has no end")

        def __del__(self) -> None:
            if hasattr(self, "_f"):
                super().__del__()

    for method in COUNTS:
        setattr(Reader, method, _looking_first(method, getattr(cdflib.CDF, method)))
    return Reader


def _looking_first(name: str, method: Any) -> Any:
    def read(reader: Any, byte_loc: int, *rest: Any, **named: Any) -> Any:
        reader.look(name, byte_loc)
        return method(reader, byte_loc, *rest, **named)

    return read
