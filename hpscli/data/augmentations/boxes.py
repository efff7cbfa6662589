"""Scale and rotation of a person's box, as mmhuman3d and hmr-benchmarks draw them."""

import numpy as np

from hpscli.data.augmentations import Draws

SCALE, ROTATION_DEGREES = 0.25, 30.0  # one deviation; the scale is cut at one, the rotation at two
ROTATED = 0.6  # chance that the rotation is kept


def draw_scale_rotation(
    draws: Draws, *, scale: float = SCALE, rotation_degrees: float = ROTATION_DEGREES
) -> tuple[float, float]:
    """-> factor of the box's side, rotation in degrees."""
    factor = float(np.clip(1 + draws.numbers.randn() * scale, 1 - scale, 1 + scale))
    turned = draws.numbers.randn() * rotation_degrees
    rotation = float(np.clip(turned, -2 * rotation_degrees, 2 * rotation_degrees))
    return factor, rotation if draws.numbers.rand() <= ROTATED else 0.0
