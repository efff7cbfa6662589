"""OSX's crop of a person: a 3:4 box and one affine warp to 384x512 pixels, numbers in 0..1.

Source: IDEA-Research/OSX, common/utils/preprocessing.py and transforms.py. A box here is
x, y, width, height in pixels of the picture. Checked against recordings of the official code.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WINDOW = (512, 384)  # height, width of the patch
ENLARGE = 1.25  # of the person's box
SCALE_FACTOR, ROTATION_DEGREES, COLOUR_FACTOR = 0.25, 30.0, 0.2
ROTATED, FLIPPED = 0.6, 0.5  # how often in training


@dataclass(frozen=True, kw_only=True)
class Change:
    """What training changes of one person: `scale` enlarges the box, `colour` multiplies R, G, B."""

    scale: float = 1.0
    rotation_degrees: float = 0.0
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    flip: bool = False


UNCHANGED = Change()


def draw_change(normal: np.random.RandomState, uniform: random.Random) -> Change:
    """Two generators, as the official code uses both -> one person's change, in its order of draws."""
    scale = 1.0 + SCALE_FACTOR * float(np.clip(normal.standard_normal(), -1.0, 1.0))
    rotation = 0.0
    if uniform.random() <= ROTATED:
        rotation = ROTATION_DEGREES * float(np.clip(normal.standard_normal(), -2.0, 2.0))
    low, high = 1.0 - COLOUR_FACTOR, 1.0 + COLOUR_FACTOR
    red, green, blue = (uniform.uniform(low, high) for _ in range(3))
    flip = uniform.random() <= FLIPPED
    return Change(scale=scale, rotation_degrees=rotation, colour=(red, green, blue), flip=flip)


def person_box(
    box: Sequence[float], image_size: tuple[int, int], *, whole: bool = False
) -> np.ndarray | None:
    """A person's box, picture (height, width) -> the 3:4 box of the patch (4,) float32.

    None when nothing of the box is left inside the picture. `whole`: of a file with four integers,
    where OSX writes results back into an array of integers.
    """
    inner = sanitized_box(box, image_size)
    if inner is None:
        return None
    left, top, width, height = inner.tolist()
    centre_x, centre_y = left + width / 2.0, top + height / 2.0
    aspect = WINDOW[1] / WINDOW[0]
    if width > aspect * height:
        height = width / aspect
    else:
        width = height * aspect
    width, height = width * ENLARGE, height * ENLARGE
    if whole:
        width, height = np.trunc([width, height]).tolist()
    found = np.array([centre_x - width / 2.0, centre_y - height / 2.0, width, height])
    return (np.trunc(found) if whole else found).astype(np.float32)


def sanitized_box(box: Sequence[float], image_size: tuple[int, int]) -> np.ndarray | None:
    """A box, picture (height, width) -> what of it lies inside, up to the last pixels' centres (4,)."""
    x, y, width, height = (float(value) for value in box)
    left, top = max(0.0, x), max(0.0, y)
    right = min(image_size[1] - 1.0, left + max(0.0, width - 1.0))
    bottom = min(image_size[0] - 1.0, top + max(0.0, height - 1.0))
    if not (width * height > 0 and right > left and bottom > top):
        return None
    return np.array([left, top, right - left, bottom - top])


def patch_affines(
    box: np.ndarray, change: Change = UNCHANGED, *, image_width: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The patch's box -> affines (2,3) float32: picture to patch, and patch to picture.

    Of a flipped person they belong to the mirrored picture, which is `image_width` wide. The second is
    solved from the same points, as official, not inverted.
    """
    import cv2

    corner_x, corner_y, width, height = (float(value) for value in box)
    centre = np.array([corner_x + 0.5 * width, corner_y + 0.5 * height])
    if change.flip:
        centre[0] = image_width - centre[0] - 1
    angle = math.radians(change.rotation_degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    half = change.scale * np.array([width, height]) * 0.5
    # Turned half axes, down (0, h/2) and right (w/2, 0). Official code rounds before it adds.
    middle = np.array([WINDOW[1], WINDOW[0]], np.float32) / 2
    down = np.array([-sine * half[1], cosine * half[1]], np.float32)
    right = np.array([cosine * half[0], sine * half[0]], np.float32)
    start = centre.astype(np.float32)
    source = np.stack([start, start + down, start + right])
    goal = middle * np.array([[1, 1], [1, 2], [2, 1]], np.float32)
    forward, back = cv2.getAffineTransform(source, goal), cv2.getAffineTransform(goal, source)
    return forward.astype(np.float32), back.astype(np.float32)


def patch(image: np.ndarray, box: np.ndarray, change: Change = UNCHANGED) -> np.ndarray:
    """Picture (H,W,3) uint8 RGB, the patch's box -> pixels (512,384,3) float32, 0..255."""
    import cv2

    pixels = image.astype(np.float32)
    if change.flip:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    affine, _ = patch_affines(box, change, image_width=image.shape[1])
    warped = cv2.warpAffine(pixels, affine, (WINDOW[1], WINDOW[0]), flags=cv2.INTER_LINEAR)
    coloured: np.ndarray = np.clip(warped * np.array(change.colour), 0, 255)
    return coloured.astype(np.float32)


def network_input(pixels: np.ndarray) -> np.ndarray:
    """Patch (512,384,3), 0..255 -> what the network takes (3,512,384) float32, 0..1."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1))
