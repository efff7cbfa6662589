"""Cut-out objects pasted over people, anywhere or on their joints."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from hpscli.data.augmentations import Draws

COUNT = (1, 8)  # of objects, the last excluded
SIZE = (0.2, 1.0)  # of objects, for a picture whose shorter side is 256 px
UNIT_PX = 256
SPREAD = 0.1  # of centres around a joint, in parts of the box
ALWAYS_SOME = 1e-8  # added to sizes when objects are put on joints


@dataclass(frozen=True)
class Object:
    """One object: its cut-out (h,w,4) RGBA uint8, by which factor it is resized, where it goes."""

    cutout: np.ndarray
    factor: float
    center: np.ndarray  # (2,) px


def draw_occluders(
    draws: Draws, image_size: tuple[int, int], cutouts: Sequence[np.ndarray]
) -> list[Object]:
    """image_size (H,W), cut-outs (h,w,4) -> objects anywhere in the picture."""
    height, width = image_size
    objects = []
    for _ in range(draws.numbers.randint(*COUNT)):
        cutout = draws.python.choice(cutouts)
        center = draws.numbers.uniform([0, 0], np.asarray([width, height]))
        objects.append(Object(cutout, _factor(draws, image_size), center))
    return objects


def draw_occluders_on_joints(
    draws: Draws,
    image_size: tuple[int, int],
    cutouts: Sequence[np.ndarray],
    keypoints2d: np.ndarray,
    size_px: float,
) -> list[Object]:
    """keypoints2d (J,3) px with confidence, side of the box -> objects around joints that are seen."""
    height, width = image_size
    objects = []
    for _ in range(draws.numbers.randint(*COUNT)):
        cutout = draws.python.choice(cutouts)
        seen = keypoints2d[keypoints2d[:, 2] == 1.0]
        x, y = seen[draws.numbers.choice(range(len(seen)), 1)[0], :2]
        delta_x = draws.numbers.randn() * SPREAD * size_px
        delta_y = draws.numbers.randn() * SPREAD * size_px
        center = np.array(
            [int(np.clip(x + delta_x, 0, width)), int(np.clip(y + delta_y, 0, height))]
        )
        objects.append(Object(cutout, _factor(draws, image_size) + ALWAYS_SOME, center))
    return objects


def _factor(draws: Draws, image_size: tuple[int, int]) -> float:
    return float(draws.numbers.uniform(*SIZE) * (min(image_size) / UNIT_PX))


def apply_occluders(image: np.ndarray, objects: Sequence[Object]) -> np.ndarray:
    """image (H,W,3) uint8 -> the same with the objects pasted, the first lowest."""
    result = image.copy()
    for one in objects:
        _paste(_resized(one.cutout, one.factor), result, one.center)
    return result


def _resized(cutout: np.ndarray, factor: float) -> np.ndarray:
    size = np.round(np.array([cutout.shape[1], cutout.shape[0]]) * factor).astype(int)
    how = cv2.INTER_LINEAR if factor > 1.0 else cv2.INTER_AREA
    return np.asarray(cv2.resize(cutout, size.tolist(), interpolation=how))


def _paste(cutout: np.ndarray, image: np.ndarray, center: np.ndarray) -> None:
    """Blend a cut-out into a picture in place; what lies outside is lost."""
    own = np.array([cutout.shape[1], cutout.shape[0]])
    whole = np.array([image.shape[1], image.shape[0]])
    start = np.round(center).astype(np.int32) - own // 2
    low, high = np.clip(start, 0, whole), np.clip(start + own, 0, whole)
    from_low, from_high = low - start, high - start
    piece = cutout[from_low[1] : from_high[1], from_low[0] : from_high[0]]
    alpha = piece[..., 3:].astype(np.float32) / 255
    place = image[low[1] : high[1], low[0] : high[0]]
    place[:] = (alpha * piece[..., :3] + (1 - alpha) * place).astype(np.uint8)
