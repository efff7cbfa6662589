"""What lies between a person and the file: things in front, light falling off, blur and noise.

Nothing here moves a pixel, so that labels stay those of a plain pinhole camera.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hps_datasets.synthetic.backgrounds import Picture, colour, noise

Array = NDArray[Any]
Rng = np.random.Generator

OCCLUDER_CHANCE = 0.25
LARGEST_COVER = 0.35  # of the person's pixels
TRIES = 8


def ground_shadow(picture: Picture, feet_px: Array, width_px: float, strength: float) -> None:
    """Darken an ellipse under the person, in place."""
    size = len(picture)
    mask = np.zeros((size, size), np.float32)
    axes = (max(width_px * 0.5, 1.0), max(width_px * 0.13, 1.0))
    place = (float(feet_px[0]), float(feet_px[1]))
    cv2.ellipse(mask, (place, (2 * axes[0], 2 * axes[1]), 0.0), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.6, width_px * 0.07))
    picture *= 1 - strength * mask[:, :, None]


def make_occluder(rng: Rng, person: Array, box: Array) -> tuple[Array, Array] | None:
    """person (H,W) cover 0..1, box (4,) px of the person -> cover (H,W) and colours, or None.

    Tried until it touches the person and leaves most of them visible.
    """
    if rng.random() >= OCCLUDER_CHANCE:
        return None
    size = len(person)
    total = person.sum()
    for _ in range(TRIES):
        drawn = np.zeros((size, size), np.uint8)
        _shape(rng, drawn, box)
        mask = drawn.astype(np.float32) / 255
        hidden = float((mask * person).sum() / max(total, 1e-6))
        if 0.02 < hidden < LARGEST_COVER:
            paint = colour(rng, (0.03, 0.7), (0.10, 0.95)) + noise(rng, size, 12) * 0.04
            return mask, np.clip(paint, 0, 1)
    return None


def _shape(rng: Rng, mask: Array, box: Array) -> None:
    left, top, right, bottom = box
    side = max(right - left, bottom - top)
    at = rng.uniform([left, top], [right, bottom])
    kind = rng.integers(4)
    if kind == 0:  # a table or a wall in front of the legs
        row = int(rng.uniform(top + 0.55 * (bottom - top), bottom))
        cv2.rectangle(mask, (int(left - 0.3 * side), row), (int(right + 0.3 * side), 4096), 255, -1)
    elif kind == 1:  # a post
        wide = rng.uniform(0.05, 0.14) * side
        cv2.rectangle(mask, (int(at[0] - wide / 2), 0), (int(at[0] + wide / 2), 4096), 255, -1)
    elif kind == 2:
        half = rng.uniform(0.08, 0.22, 2) * side
        square = (at.tolist(), (2 * half).tolist(), float(rng.uniform(-40, 40)))
        cv2.fillConvexPoly(mask, cv2.boxPoints(square).astype(np.int32), 255, cv2.LINE_AA)
    else:
        half = rng.uniform(0.07, 0.18, 2) * side
        ellipse = (at.tolist(), (2 * half).tolist(), float(rng.uniform(0, 180)))
        cv2.ellipse(mask, ellipse, 255, -1, cv2.LINE_AA)


def expose(rng: Rng, picture: Array) -> NDArray[np.uint8]:
    """-> the picture as a camera stores it (uint8): vignetting, blur, exposure, noise."""
    size = len(picture)
    if rng.random() < 0.5:
        line = np.linspace(-1, 1, size, dtype=np.float32) ** 2
        picture = picture * (1 - rng.uniform(0.05, 0.35) * (line[:, None] + line) / 2)[:, :, None]
    if rng.random() < 0.35:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.35, 0.9) * size / 96)
    gain, lift = rng.normal(1.0, 0.10), rng.normal(0.0, 0.03)
    cast = rng.normal(1.0, 0.03, 3)
    picture = picture * (gain * cast).astype(np.float32) + np.float32(lift)
    grain = abs(rng.normal(0, 0.022))
    picture += rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(grain)
    stored: NDArray[np.uint8] = np.clip(picture * 255 + 0.5, 0, 255).astype(np.uint8)
    return stored
