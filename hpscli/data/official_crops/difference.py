"""How far an official image preparation is from our one warp: in grey levels, and in pixels.

The grid of a crop is found from the pixels alone: the affine of our warp is moved until its crop,
brightened and stretched as needed, is as near to the official one as it can be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpscli.data.crops import compose, crop_affine, crop_pixels
from hpscli.data.preparation import Preparation

EDGE_PX = 8  # of the crop, left out: borders are treated differently
STEPS = 8  # of the search; each one solves a linear least squares


@dataclass(frozen=True, kw_only=True)
class CropDifference:
    """One preparation, one box, against our warp of the same box."""

    mean: float  # absolute difference in grey levels, 0..255
    percentile95: float
    greatest: float
    shift_px: tuple[
        float, float
    ]  # of the official picture's content, crop px, at the crop's centre
    enlarged: float  # its content against ours: 1.001 is 0.1 % larger
    stretched: float  # its contrast against ours
    left_mean: float  # what is left in grey levels on the best grid: filter and rounding


def crop_difference(
    preparation: Preparation,
    image: np.ndarray,
    center: Sequence[float] | np.ndarray,
    size_px: float,
) -> CropDifference:
    """Picture (H,W,3) uint8 RGB and a box -> how the two crops of it differ."""
    official = grey_levels(preparation, image, center, size_px)
    height, width = preparation.window
    plain = crop_affine(np.asarray(center), size_px, preparation.window)
    ours = crop_pixels(image, plain, preparation.window).astype(np.float64)
    away = np.abs(official - ours)
    middle = np.array([width / 2, height / 2])
    move = np.zeros(3)  # dx, dy px at the centre, growth
    gain = 1.0
    for _ in range(STEPS):
        moved = crop_pixels(image, compose(plain, _moved(move, middle)), preparation.window)
        step, gain, left = _step(official, moved.astype(np.float64), middle)
        move = move + step
    return CropDifference(
        mean=float(away.mean()),
        percentile95=float(np.percentile(away, 95)),
        greatest=float(away.max()),
        shift_px=(float(move[0]), float(move[1])),
        enlarged=1.0 + float(move[2]),
        stretched=gain,
        left_mean=left,
    )


def grey_levels(
    preparation: Preparation,
    image: np.ndarray,
    center: Sequence[float] | np.ndarray,
    size_px: float,
) -> np.ndarray:
    """-> the official crop as colours 0..255 (h,w,3) float64, its normalisation undone."""
    pixels = preparation.pixels(image, center, size_px, window=preparation.window)
    colours = pixels.transpose(1, 2, 0).astype(np.float64) * preparation.std + preparation.mean
    return np.asarray(colours * 255.0)


def _moved(move: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """Shift (2,) px and growth -> affine (2,3) within the crop."""
    scale = 1.0 + move[2]
    shift = middle * (1.0 - scale) + move[:2]
    return np.array([[scale, 0.0, shift[0]], [0.0, scale, shift[1]]])


def _step(goal: np.ndarray, now: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, float, float]:
    """-> further shift and growth, the contrast that fits best, and the mean difference left."""
    inner = (slice(EDGE_PX, -EDGE_PX), slice(EDGE_PX, -EDGE_PX))
    along_y, along_x = (np.gradient(now, axis=axis)[inner] for axis in (0, 1))
    y, x = np.mgrid[: now.shape[0], : now.shape[1]].astype(np.float64)
    x, y = ((v - m)[inner][..., None] for v, m in ((x, middle[0]), (y, middle[1])))
    seen = now[inner]
    # content moved by +d shows at x what was at x - d
    columns = [-along_x, -along_y, -(along_x * x + along_y * y), seen, np.ones_like(seen)]
    system = np.stack([column.ravel() for column in columns], axis=1)
    squares, products = system.T @ system, system.T @ goal[inner].ravel()
    found = np.linalg.lstsq(squares, products, rcond=None)[0]  # also of a picture without detail
    gain = float(found[3]) or 1.0
    left = np.abs(seen * gain + found[4] - goal[inner]).mean()
    return found[:3] / gain, gain, float(left)


def photo_like(height: int, width: int, seed: int = 0) -> np.ndarray:
    """-> (height,width,3) uint8: soft light, texture at every scale, a few sharp edges.

    The texture falls off as 1 / frequency, as it does in photographs.
    """
    import cv2

    random = np.random.RandomState(seed)
    picture = np.zeros((height, width, 3))
    cell = min(height, width) // 2
    while cell >= 2:
        size = (width // cell + 2, height // cell + 2)
        coarse = random.standard_normal((size[1], size[0], 1)) + 0.4 * random.standard_normal(
            (size[1], size[0], 3)
        )
        picture += cell**0.5 * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        cell //= 2
    picture = 118.0 + 42.0 * (picture - picture.mean()) / picture.std()
    for _ in range(24):
        corner = random.randint(0, [width, height])
        far = corner + random.randint(8, min(height, width) // 3, 2)
        colour = [float(value) for value in random.randint(10, 246, 3)]
        cv2.rectangle(picture, tuple(map(int, corner)), tuple(map(int, far)), colour, 3)
    picture_bytes: np.ndarray = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return picture_bytes
