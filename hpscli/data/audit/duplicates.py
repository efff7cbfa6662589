"""The same picture twice: a hash of what a person looks like, and near neighbours among hashes."""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from hpscli.data.crops import make_crop
from hpscli.records import Sample

GRID = 8  # brightness steps along a row and a column of the hash
NEAR = 4  # bits of 64 that may differ: after another encoding of the same picture
BANDS = 8  # of 8 bits: hashes with at most 7 different bits agree in one of them
FLAT = 6  # set bits below which (or above 64 - it) a picture shows nothing


def look(sample: Sample) -> int:
    """-> 64 bits: is a cell of the person's crop brighter than its left neighbour.

    The same for a stored crop and for the whole picture, after scaling and encoding again.
    """
    crop, _ = make_crop(sample, (GRID * 8, GRID * 8))
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(grey, (GRID + 1, GRID), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = (cells[:, 1:] > cells[:, :-1]).ravel()
    return int(np.packbits(bits).view(">u8")[0])


def near_pairs(first: Sequence[int], second: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Two lists of hashes -> positions of those that show the same, once for each of the first."""
    tables: list[dict[int, list[int]]] = [{} for _ in range(BANDS)]
    for position, value in enumerate(second):
        for band, table in enumerate(tables):
            table.setdefault(_band(value, band), []).append(position)
    for position, value in enumerate(first):
        if not FLAT <= value.bit_count() <= 64 - FLAT:
            continue
        seen = {other for band, t in enumerate(tables) for other in t.get(_band(value, band), ())}
        near = [other for other in seen if (value ^ second[other]).bit_count() <= NEAR]
        if near:
            yield position, min(near, key=lambda other: (value ^ second[other]).bit_count())


def _band(value: int, band: int) -> int:
    return value >> (8 * band) & 0xFF
