"""The crop of METRO, Mesh Graphormer and FastMETRO, and what their demo does with a whole picture.

Source: microsoft/MeshTransformer and microsoft/MeshGraphormer, `human_mesh_tsv.py`, `hand_mesh_tsv.py`,
`utils/image_ops.py` and the demos; postech-ami/FastMETRO uses the same. Bodies and hands share it.
"""

from collections.abc import Sequence

import numpy as np

from hpscli.data.official_crops import NO_NOISE, normalised, spin_box, without
from hpscli.data.official_crops.resample import pillow_resize

DEMO_SIDE = 224


def metro(
    image: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    channel_noise: Sequence[float] = NO_NOISE,
    side: int = 224,
) -> np.ndarray:
    """Whole-pixel box, bilinear on float64 without anti-aliasing -> (3,side,side) float32."""
    import cv2

    box, pad = spin_box(image, center, size_px, rotation_degrees, side)
    if rotation_degrees:
        height, width = box.shape[:2]
        middle = ((width - 1) / 2.0, (height - 1) / 2.0)
        turn = cv2.getRotationMatrix2D(middle, rotation_degrees, 1.0)
        box = without(cv2.warpAffine(box, turn, (width, height), flags=cv2.INTER_LINEAR), pad)
    crop = cv2.resize(box, (side, side), interpolation=cv2.INTER_LINEAR)  # stays float64
    crop = crop[:, ::-1] if flip else crop
    noisy = np.clip(crop * np.asarray(channel_noise, np.float64), 0, 255).astype(np.float32)
    return normalised(noisy / np.float32(255.0))


def metro_demo(image: np.ndarray, side: int = DEMO_SIDE) -> np.ndarray:
    """A picture around one person: shorter side to `side` as Pillow, centre cut -> (3,side,side)."""
    height, width = image.shape[:2]
    long_side = int(side * max(height, width) / min(height, width))
    size = (side, long_side) if width > height else (long_side, side)
    resized = pillow_resize(image, size)
    top, left = (round((length - side) / 2.0) for length in size)
    cut = resized[top : top + side, left : left + side]
    return normalised(cut.astype(np.float32) / np.float32(255.0))
