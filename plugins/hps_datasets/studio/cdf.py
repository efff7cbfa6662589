"""NASA's Common Data Format, in which Human3.6M keeps joints: one variable, `Pose` (1, frames, numbers)."""

import math
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.matlab import BROKEN, damaged
from hpscli.errors import MissingError

MOST_ENTRIES = (
    100_000  # of the index of one variable; Human3.6M's longest recording has 6343 frames
)
LARGEST_BYTES = 1 << 30
VARIABLE = "Pose"


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
    """-> cdflib's reader, which a damaged file cannot keep busy for ever or fill the disk with."""
    import cdflib

    class Reader(cdflib.CDF):  # type: ignore[misc]
        """Counts what its index announces; cdflib follows it however long it is."""

        entries = 0

        def _read_vxrs(self, byte_loc: int, *rest: Any, **lists: Any) -> Any:
            self._count(byte_loc, entries_at=24, header=8)
            return super()._read_vxrs(byte_loc, *rest, **lists)

        def _read_vxrs2(self, byte_loc: int, *rest: Any, **lists: Any) -> Any:
            self._count(byte_loc, entries_at=16, header=4)
            return super()._read_vxrs2(byte_loc, *rest, **lists)

        def _count(self, byte_loc: int, entries_at: int, header: int) -> None:
            self._f.seek(byte_loc)
            head = self._f.read(entries_at + 4)
            self.entries += 1 + int.from_bytes(head[entries_at : entries_at + 4], "big")
            size = int.from_bytes(head[:header], "big")
            if self.entries > MOST_ENTRIES or size > os.fstat(self._f.fileno()).st_size:
                raise ValueError("its index has no end")

        def __del__(self) -> None:
            if hasattr(self, "_f"):
                super().__del__()

    return Reader
