"""The objects that hide people: cut-outs of a file, or shapes that hps draws itself.

A file is the list that published code makes from Pascal VOC: a .npy or pickle of (h,w,4) RGBA
pictures. It is a pickle inside; it is read without running anything that it names.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from hpscli.errors import InvalidData, MissingError

SHAPES = 24  # that are drawn
SIDES_PX = (60, 200)  # of them, for a picture whose shorter side is 256 px, as Pascal's


@cache
def load_cutouts(file: str) -> tuple[np.ndarray, ...]:
    """A file of cut-outs, "" for drawn shapes -> (h,w,4) uint8 each: blue, green, red, opacity."""
    if not file:
        return tuple(_shape(number) for number in range(SHAPES))
    found = [np.asarray(one) for one in _read(Path(file))]
    sound = [c for c in found if c.ndim == 3 and c.shape[2] == 4 and c.dtype == np.uint8 and c.size]
    if not sound or len(sound) < len(found):
        raise InvalidData(
            f"{file} holds {len(found) - len(sound)} things that are no (h,w,4) uint8 pictures "
            f"and {len(sound)} that are.",
            "augment.occluders_file is a list of RGBA cut-outs; leave it empty for drawn shapes.",
        )
    return tuple(np.ascontiguousarray(cutout[..., [2, 1, 0, 3]]) for cutout in sound)


def _read(path: Path) -> Sequence[object]:
    from hpscli.data.containers.pickles import loads_pickle

    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(
            f"{path} cannot be read: {error.strerror}.",
            "Set augment.occluders_file to a file of cut-outs, or to '' for drawn shapes.",
        ) from None
    if data[:6] == b"\x93NUMPY":  # an array of objects: a header, then a pickle
        wide = data[6] > 1
        length = int.from_bytes(data[8 : 12 if wide else 10], "little")
        data = data[(12 if wide else 10) + length :]
    value = loads_pickle(data, str(path))
    if not isinstance(value, list | tuple | np.ndarray):
        raise InvalidData(f"{path} holds no list of cut-outs.", "Check augment.occluders_file.")
    return list(value)


def _shape(number: int) -> np.ndarray:
    """-> cut-out `number`: an ellipse, a box or a star with stripes and light from one side."""
    random = np.random.RandomState(1000 + number)
    width, height = (int(side) for side in random.randint(*SIDES_PX, 2))
    middle = (width // 2, height // 2)
    opacity = np.zeros((height, width), np.uint8)
    if number % 3 == 0:
        cv2.ellipse(opacity, middle, (width // 2 - 2, height // 2 - 2), 0, 0, 360, 255, -1)
    else:
        corners = 4 if number % 3 == 1 else int(random.randint(5, 12))
        angles = np.sort(random.uniform(0, 2 * np.pi, corners))
        if corners == 4:
            angles = np.arange(4) * np.pi / 2 + np.pi / 4 + random.uniform(-0.2, 0.2, 4)
        reach = random.uniform(0.6, 1.0, corners)[:, None]
        points = middle + reach * np.stack([np.cos(angles), np.sin(angles)], 1) * middle
        cv2.fillPoly(opacity, [points.astype(np.int32)], 255)
    opacity = np.asarray(cv2.GaussianBlur(opacity, (0, 0), 1.0))
    y, x = np.mgrid[:height, :width] / max(width, height)
    tilt, rate = random.uniform(0, np.pi), random.uniform(10, 60)
    stripes = np.sin(rate * (x * np.cos(tilt) + y * np.sin(tilt)))[..., None]
    light = (x * random.uniform(-60, 60) + y * random.uniform(-60, 60))[..., None]
    colours = random.uniform(20, 235, (2, 3))
    texture = colours[0] + (colours[1] - colours[0]) * (stripes > random.uniform(-0.5, 0.5))
    noise = random.standard_normal((height, width, 1)) * 8
    painted = np.clip(texture + light + noise, 0, 255).astype(np.uint8)
    return np.concatenate([painted, opacity[..., None]], axis=2)
