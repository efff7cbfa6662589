"""Motion blur: every pixel becomes the mean of a short line through it."""

import cv2
import numpy as np

from hpscli.data.augmentations import Draws, is_run

SIDES_PX = (3, 5, 7)  # of the square in which the line is drawn


def draw_motion_blur(draws: Draws, *, probability: float = 0.5) -> np.ndarray | None:
    """-> weights (K,K) of a line, together 1; None: nothing is done. As albumentations 0.4.6 to 1.2."""
    if not is_run(draws, probability):
        return None
    side = draws.python.choice(SIDES_PX)
    columns = [draws.python.randint(0, side - 1) for _ in range(2)]
    if columns[0] == columns[1]:  # two ends are never the same place
        rows = draws.python.sample(range(side), 2)
    else:
        rows = [draws.python.randint(0, side - 1) for _ in range(2)]
    line = np.zeros((side, side), np.uint8)
    first, last = zip(columns, rows, strict=True)
    cv2.line(line, first, last, 1)
    return np.asarray(line / line.sum(dtype=np.float32), np.float32)


def apply_motion_blur(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """image (H,W,3) uint8, weights (K,K) -> the blurred one; beyond its edges it is its mirror image."""
    return np.asarray(cv2.filter2D(image, -1, weights))
