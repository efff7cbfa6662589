"""Random changes of a training crop, drawn first and applied later: the same draw, the same crop.

`draw` turns a random generator into numbers; everything after it is a pure function of them. Labels
follow exactly: 2D points by the crop's affine, 3D by the same rotation and mirror about the camera's z
axis, poses by names of joints. What cannot follow is dropped for that sample: `transl` (it would need
the body), mesh vertices and `expression` under a mirror (no left-right permutation).
"""

from dataclasses import dataclass

import numpy as np

from hpscli.recipe import Augment


@dataclass(frozen=True)
class Changes:
    """What happens to B crops; the neutral element is `unchanged(B)`."""

    flip: np.ndarray  # (B,) bool
    rotation_degrees: np.ndarray  # (B,)
    scale: np.ndarray  # (B,) multiplies the box side
    shift: np.ndarray  # (B,2) in box sides
    colour: np.ndarray  # (B,3) multiplies R, G, B
    erase: np.ndarray  # (B,4) x0, y0, x1, y1 in parts of the window; empty when x1 <= x0
    erase_colour: np.ndarray  # (B,3) uint8

    def __len__(self) -> int:
        return len(self.flip)


def unchanged(count: int) -> Changes:
    """-> the changes that leave B crops as they are."""
    return Changes(
        flip=np.zeros(count, bool),
        rotation_degrees=np.zeros(count),
        scale=np.ones(count),
        shift=np.zeros((count, 2)),
        colour=np.ones((count, 3)),
        erase=np.zeros((count, 4)),
        erase_colour=np.zeros((count, 3), np.uint8),
    )


DRAWS = 19  # numbers that one sample takes from the generator, whatever the settings
ERASE_SIDES = (0.1, 0.5)  # sides of an erased rectangle, in parts of the window
DRAW_LIMIT = 2.0  # normal draws are clipped here: +-2 standard deviations


def draw(generator: np.random.Generator, settings: Augment, count: int = 1) -> Changes:
    """-> changes for `count` samples; sample i takes numbers DRAWS*i ... of the generator's stream.

    Rotation and scale are normal with the recipe's range as two standard deviations, so that large
    changes are rare (as in SPIN: N(0, 30 degrees) clipped at 60, which is rotation_degrees = 60 here).
    """
    numbers = generator.random((count, DRAWS))
    symmetric = 2.0 * numbers - 1.0
    normal = _clipped_normal(numbers[:, 1], numbers[:, 2])
    rotates = numbers[:, 3] < settings.rotation_chance
    spread = _clipped_normal(numbers[:, 4], numbers[:, 5])
    sides = ERASE_SIDES[0] + (ERASE_SIDES[1] - ERASE_SIDES[0]) * numbers[:, 11:13]
    corner = numbers[:, 13:15] * (1.0 - sides)
    erases = (numbers[:, 15] < settings.erase)[:, None]
    return Changes(
        flip=numbers[:, 0] < settings.flip,
        rotation_degrees=normal * settings.rotation_degrees * rotates,
        scale=1.0 + spread * settings.scale,
        shift=symmetric[:, 6:8] * settings.shift,
        colour=1.0 + symmetric[:, 8:11] * settings.colour,
        erase=np.concatenate([corner, corner + sides], axis=1) * erases,
        erase_colour=(numbers[:, 16:19] * 256).astype(np.uint8),
    )


def _clipped_normal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two uniform draws -> normal with deviation 1/2, clipped to -1..1 (Box-Muller)."""
    normal = np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second)
    return np.clip(normal / DRAW_LIMIT, -1.0, 1.0)  # type: ignore[no-any-return]


def paint(crop: np.ndarray, changes: Changes, index: int, out: np.ndarray) -> None:
    """Crop (H,W,3) uint8 BGR -> out (3,H,W) uint8 RGB with colour and erasing of sample `index`."""
    import cv2

    for channel in range(3):
        factor = changes.colour[index, channel]
        if factor == 1.0:
            cv2.extractChannel(crop, 2 - channel, out[channel])
        else:  # rounds and saturates
            cv2.convertScaleAbs(np.ascontiguousarray(crop[:, :, 2 - channel]), out[channel], factor)
    x0, y0, x1, y1 = changes.erase[index]
    if x1 > x0:
        height, width = crop.shape[:2]
        rows, columns = (
            slice(int(y0 * height), int(y1 * height)),
            slice(int(x0 * width), int(x1 * width)),
        )
        out[:, rows, columns] = changes.erase_colour[index][:, None, None]
