"""METRO's random numbers of one training sample, in its order of draws from one NumPy generator.

Source: `augm_params` and the masks in microsoft/MeshTransformer `human_mesh_tsv.py`, `hand_mesh_tsv.py`.
Their loader workers all draw the same numbers; give every worker a generator of its own instead.
"""

from dataclasses import dataclass

import numpy as np

NOISE = 0.4  # channels are multiplied by 1 - 0.4 .. 1 + 0.4
SCALE = 0.25
BODY_ROTATION, HAND_ROTATION = 30.0, 90.0  # degrees, one deviation; cut at two
UPRIGHT = 0.6  # chance that nothing is rotated


@dataclass(frozen=True, kw_only=True)
class MetroChange:
    """What training changes of one person."""

    flip: bool
    channel_noise: tuple[float, float, float]
    rotation_degrees: float
    scale: float  # multiplies the box


def draw_metro(generator: np.random.RandomState, *, hand: bool = False) -> MetroChange:
    """Generator -> one training change; hands are never mirrored and draw no number for it."""
    flip = not hand and bool(generator.uniform() <= 0.5)
    red, green, blue = (float(n) for n in generator.uniform(1 - NOISE, 1 + NOISE, 3))
    spread = HAND_ROTATION if hand else BODY_ROTATION
    rotation = float(np.clip(generator.randn() * spread, -2 * spread, 2 * spread))
    scale = float(np.clip(generator.randn() * SCALE + 1, 1 - SCALE, 1 + SCALE))
    if generator.uniform() <= UPRIGHT:
        rotation = 0.0
    return MetroChange(
        flip=flip, channel_noise=(red, green, blue), rotation_degrees=rotation, scale=scale
    )


def draw_metro_masks(
    generator: np.random.RandomState, joints: int, vertices: int, fraction: float
) -> np.ndarray:
    """After `draw_metro` -> (joints + vertices,) uint8, 0 where a query is hidden.

    `fraction` of the queries at most: 0.3 for bodies; for hands 0, which draws as many numbers.
    """
    masks = []
    for count in (joints, vertices):
        mask = np.ones(count, np.uint8)
        hidden = int(generator.random_sample() * fraction * count)
        mask[generator.choice(count, replace=False, size=hidden)] = 0
        masks.append(mask)
    return np.concatenate(masks)
