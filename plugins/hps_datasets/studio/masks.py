"""Boxes around Human3.6M's silhouettes: an HDF5 with one mask a frame, each behind a reference."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.containers.matlab import BROKEN, damaged, hdf5_array, open_hdf5

PERSON = 1  # value of the pixels that show somebody
MASKS = "Masks"


class MaskBoxes:
    """The silhouettes of one recording; none of them is kept in memory."""

    def __init__(self, file: Any = None) -> None:
        self.file = file
        self.references = hdf5_array(file, MASKS).ravel() if file is not None else np.empty(0)

    def box(self, frame: int) -> np.ndarray | None:
        """-> (4,) x, y, width, height px, tight; None where no pixel shows the person."""
        if frame >= len(self.references):
            return None
        try:
            mask = hdf5_array(self.file, self.references[frame]) == PERSON
            columns, rows = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))  # stored transposed
        except BROKEN as error:
            raise damaged(Path(str(self.file.filename)), error, f"mask {frame}: ") from None
        if not len(columns):
            return None
        low = np.array([columns[0], rows[0]], np.float64)
        return np.concatenate([low, np.array([columns[-1], rows[-1]]) + 1 - low])


@contextmanager
def open_masks(path: Path) -> Iterator[MaskBoxes]:
    """The .mat of a recording -> its boxes; without the file, none."""
    if not path.is_file():
        yield MaskBoxes()
        return
    with open_hdf5(path) as file:
        yield MaskBoxes(file)
