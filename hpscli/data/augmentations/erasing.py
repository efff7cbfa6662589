"""Rectangles that are erased, mixed or dropped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hpscli.data.augmentations import Draws, Patch, is_run

AREA = (0.02, 0.4)  # of a mixed rectangle, in parts of the picture
ASPECT = (0.3, 1 / 0.3)  # height over width
MIXED = (0.1, 0.9)  # how much of the new contents shows
MOST_ATTEMPTS = 100
HARD_AREA = 0.7  # of the box, at most
HOLES, HOLE_PX = (1, 8), (10, 40)  # coarse dropout
GRID_PX, GRID_RATIO = (10, 40), 0.5  # unit of the grid, hole over unit


@dataclass(frozen=True)
class Erasing:
    """What a rectangle becomes: share * contents + (1 - share) * what was there."""

    patch: Patch
    share: float
    contents: np.ndarray | Patch  # (h,w,3) numbers, or another rectangle of the picture


def draw_mixing(
    draws: Draws,
    image_size: tuple[int, int],
    *,
    kind: Literal["soft", "self", "const"],
    probability: float = 0.5,
) -> Erasing | None:
    """image_size (H,W) -> soft erasing, self-mixing or plain noise; None: nothing is done."""
    if draws.numbers.rand() > probability:
        return None
    height, width = image_size
    for _ in range(MOST_ATTEMPTS):
        area = draws.python.uniform(*AREA) * (height * width)
        aspect = draws.python.uniform(*ASPECT)
        rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if columns >= width or rows >= height:
            continue
        patch = _placed(draws, height, width, rows, columns)
        share = draws.python.uniform(*MIXED)
        if kind == "self":
            return Erasing(patch, share, _placed(draws, height, width, rows, columns))
        noise = draws.numbers.rand(rows, columns, 3) * 255
        return Erasing(patch, 1.0 if kind == "const" else share, noise)
    return None


def _placed(draws: Draws, height: int, width: int, rows: int, columns: int) -> Patch:
    top = draws.python.randint(0, height - rows)
    return Patch(top, draws.python.randint(0, width - columns), rows, columns)


def draw_hard_erasing(
    draws: Draws,
    image_size: tuple[int, int],
    center: Sequence[float],
    size_px: float,
    *,
    probability: float = 0.5,
) -> Erasing | None:
    """image_size (H,W), box -> noise in a rectangle of the box; None: nothing is done."""
    if draws.numbers.rand() > probability:
        return None
    left, top = center[0] - size_px / 2, center[1] - size_px / 2
    area = draws.python.random() * HARD_AREA * size_px * size_px
    aspect = draws.python.random() * (ASPECT[1] - ASPECT[0]) + ASPECT[0]
    rows, columns = math.sqrt(area * aspect), math.sqrt(area / aspect)
    x = draws.python.random() * (size_px - columns - 1) + left
    y = draws.python.random() * (size_px - rows - 1) + top
    height, width = image_size
    if x < 0 or y < 0 or x + columns >= width or y + rows >= height:
        return None
    patch = Patch(int(y), int(x), int(rows), int(columns))
    return Erasing(patch, 1.0, draws.numbers.rand(patch.height, patch.width, 3) * 255)


def apply_erasing(image: np.ndarray, erasing: Erasing | None) -> np.ndarray:
    """image (H,W,3) uint8 -> the same with the rectangle changed; fractions are cut off."""
    result = image.copy()
    if erasing is None:
        return result
    new = erasing.contents
    contents = new.of(image) if isinstance(new, Patch) else new
    part = erasing.patch.of(image)
    mixed = (1 - erasing.share) * part + erasing.share * contents
    erasing.patch.of(result)[:] = mixed.astype(np.uint8)
    return result


def draw_coarse_dropout(
    draws: Draws, image_size: tuple[int, int], *, probability: float = 0.5
) -> list[Patch]:
    """image_size (H,W) -> 1 to 8 rectangles; none: nothing is done. As albumentations 1.2.1."""
    if not is_run(draws, probability):
        return []
    height, width = image_size
    holes = []
    for _ in range(draws.python.randint(*HOLES)):
        rows = draws.python.randint(*HOLE_PX)
        columns = draws.python.randint(*HOLE_PX)
        top = draws.python.randint(0, height - rows)
        holes.append(Patch(top, draws.python.randint(0, width - columns), rows, columns))
    return holes


def draw_grid_dropout(
    draws: Draws, image_size: tuple[int, int], *, probability: float = 0.5
) -> list[Patch]:
    """image_size (H,W) -> square holes on a grid; none: nothing is done. As albumentations 1.2.1."""
    if not is_run(draws, probability):
        return []
    height, width = image_size
    unit = draws.python.randint(GRID_PX[0], GRID_PX[1] + 1)  # one more than it says, as theirs
    hole = min(max(int(unit * GRID_RATIO), 1), unit - 1)
    shift_x = draws.python.randint(0, unit - hole)
    shift_y = draws.python.randint(0, unit - hole)
    return [
        Patch(min(shift_y + unit * row, height), min(shift_x + unit * column, width), hole, hole)
        for column in range(width // unit + 1)
        for row in range(height // unit + 1)
    ]


def apply_holes(image: np.ndarray, holes: Sequence[Patch]) -> np.ndarray:
    """image (H,W,3) uint8 -> the same with black holes."""
    result = image.copy()
    for hole in holes:
        hole.of(result)[:] = 0
    return result
