"""Noise of channels and photometric distortion, on BGR.

A colour factor has one meaning everywhere: the product in float32, rounded half to even, cut at 255.
A worker that multiplies bytes (`multiply`), and a device that does it while it normalises
(`hpscli.data.batch.ready`) give the same numbers. METRO keeps the fractions; that is half a grey level.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from hpscli.data.augmentations import Draws

NOISE = 0.4  # factors of channels are 1 +- this
BRIGHTNESS, CONTRAST, SATURATION, HUE = 32.0, (0.5, 1.5), (0.5, 1.5), 18


@dataclass(frozen=True)
class Photometric:
    """What is done to colours; None: not done."""

    brightness: float | None = None  # added
    contrast: float | None = None  # factor
    contrast_first: bool = False  # before saturation and hue
    saturation: float | None = None  # factor
    hue: int | None = None  # added, of 180


def draw_channel_noise(draws: Draws, noise: float = NOISE) -> np.ndarray:
    """-> factors (3,) of blue, green, red."""
    return np.asarray(draws.numbers.uniform(1 - noise, 1 + noise, (1, 3))[0])


def apply_channel_noise(image: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """image (H,W,3) uint8 BGR -> each channel times its factor, rounded half to even, cut at 255."""
    return np.asarray(np.clip(np.rint(image * factors), 0, 255).astype(np.uint8))


def multiply(channel: np.ndarray, factor: float, out: np.ndarray) -> None:
    """channel (H,W) uint8 times a factor >= 0 -> out (H,W) uint8, which may be the channel itself."""
    cv2.convertScaleAbs(channel, out, float(factor))


def multiplied(image: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """image (H,W,3) uint8 BGR, factors (3,) of red, green, blue -> the product, a new picture."""
    levels = np.arange(256, dtype=np.float32)[:, None] * rgb[::-1].astype(np.float32)
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]))


def draw_photometric(draws: Draws) -> Photometric:
    """-> distortion of colours; the channels are never swapped, although theirs says so."""
    numbers = draws.numbers
    brightness = numbers.uniform(-BRIGHTNESS, BRIGHTNESS) if numbers.randint(2) else None
    first = bool(numbers.randint(2))
    contrast = _contrast(numbers) if first else None
    mode = numbers.randint(4)
    saturation = numbers.uniform(*SATURATION) if mode in (1, 3) else None
    hue = int(numbers.randint(-HUE, HUE)) if mode in (2, 3) else None
    if not first:
        contrast = _contrast(numbers)
    if numbers.randint(2):
        numbers.permutation(3)  # their result is thrown away
    return Photometric(brightness, contrast, first, saturation, hue)


def _contrast(numbers: np.random.RandomState) -> float | None:
    return numbers.uniform(*CONTRAST) if numbers.randint(2) else None


def apply_photometric(image: np.ndarray, change: Photometric) -> np.ndarray:
    """image (H,W,3) uint8 BGR -> the same in other colours; fractions are cut off at every step."""
    result = image.copy()
    if change.brightness is not None:
        result = _linear(result, 1.0, change.brightness)
    if change.contrast is not None and change.contrast_first:
        result = _linear(result, change.contrast)
    if change.saturation is not None or change.hue is not None:
        hsv = cv2.cvtColor(result, cv2.COLOR_BGR2HSV)
        if change.saturation is not None:
            hsv[..., 1] = _linear(hsv[..., 1], change.saturation)
        if change.hue is not None:
            hsv[..., 0] = (hsv[..., 0].astype(int) + change.hue) % 180
        result = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR))
    if change.contrast is not None and not change.contrast_first:
        result = _linear(result, change.contrast)
    return result


def _linear(values: np.ndarray, factor: float, offset: float = 0.0) -> np.ndarray:
    moved = values.astype(np.float32) * np.float32(factor) + np.float32(offset)
    return np.asarray(np.clip(moved, 0, 255).astype(np.uint8))
