"""A person's box: scale and rotation as mmhuman3d and hmr-benchmarks draw them, and parts cut away."""

from collections.abc import Sequence

import numpy as np

from hpscli.data.augmentations import Draws

SCALE, ROTATION_DEGREES = 0.25, 30.0  # one deviation; the scale is cut at one, the rotation at two
ROTATED = 0.6  # chance that the rotation is kept
CROP_FACTOR = 0.4  # how much of the box a random crop cuts away


def draw_scale_rotation(
    draws: Draws, *, scale: float = SCALE, rotation_degrees: float = ROTATION_DEGREES
) -> tuple[float, float]:
    """-> factor of the box's side, rotation in degrees."""
    factor = float(np.clip(1 + draws.numbers.randn() * scale, 1 - scale, 1 + scale))
    turned = draws.numbers.randn() * rotation_degrees
    rotation = float(np.clip(turned, -2 * rotation_degrees, 2 * rotation_degrees))
    return factor, rotation if draws.numbers.rand() <= ROTATED else 0.0


def draw_random_crop(
    draws: Draws, center: Sequence[float], size_px: float, *, probability: float = 0.8
) -> tuple[np.ndarray, float]:
    """Box -> the box of a part of it: 0.6 of its side, moved up or down at random."""
    if draws.numbers.rand() > probability:
        return np.asarray(center, np.float64), size_px
    side = int(size_px)
    corner = (np.asarray(center, np.float64) - side / 2).astype(int)
    part = int(side * (1 - CROP_FACTOR))
    across = int((side - part) * 0.5)
    down = int((side - part) * draws.numbers.rand())
    return corner + np.array([across, down]) + part / 2, float(part)


def draw_truncation(
    draws: Draws, center: np.ndarray, size_px: float, *, most: float
) -> tuple[np.ndarray, float]:
    """Box -> the largest square in the middle of what is left when one side has moved in.

    The side is one of four, the way uniform from 0 to `most` of the box. So the person leaves the
    window there, and half as far at the two neighbouring sides.
    """
    side = int(draws.numbers.randint(4))
    part = float(draws.numbers.uniform(0.0, most))
    away = [(part / 2, 0.0), (-part / 2, 0.0), (0.0, part / 2), (0.0, -part / 2)][side]
    moved = np.asarray(center, np.float64) + np.array(away) * size_px
    return moved, size_px * (1.0 - part)
