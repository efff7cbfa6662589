"""Places for people to be: rooms, outdoors, plain studios and things that are not people."""

from __future__ import annotations

import colorsys
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]  # (H,W,3) 0..1
Rng = np.random.Generator

KINDS = {"room": 0.36, "outdoors": 0.24, "clouds": 0.22, "studio": 0.18}


def make_background(rng: Rng, size_px: int, horizon_px: float, floor_px: float) -> Picture:
    """-> a picture; walls and meadows end between the horizon and where the person stands."""
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    low, high = sorted((horizon_px, floor_px))
    line = float(np.clip(rng.uniform(low, high), 0.08 * size_px, 0.97 * size_px))
    picture = {"room": _room, "outdoors": _outdoors, "clouds": _clouds, "studio": _studio}[kind](
        rng, size_px, line
    )
    for _ in range(rng.integers(0, 3)):
        _distractor(rng, picture)
    if rng.random() < 0.6:
        blur = rng.uniform(0.3, 1.6) * size_px / 128
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    clipped: Picture = np.clip(picture, 0, 1)
    return clipped


def colour(rng: Rng, saturation: tuple[float, float], value: tuple[float, float]) -> Any:
    """-> (3,) 0..1, of any hue."""
    hsv = rng.random(), rng.uniform(*saturation), rng.uniform(*value)
    return np.array(colorsys.hsv_to_rgb(*hsv), np.float32)


def noise(rng: Rng, size_px: int, cells: int, channels: int = 1) -> Picture:
    """-> (H,W,channels) smooth noise of standard deviation about 1, `cells` blobs across."""
    grid = rng.standard_normal((cells + 2, cells + 2, channels), dtype=np.float32)
    smooth: Picture = cv2.resize(grid, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return smooth.reshape(size_px, size_px, channels)


def _ramp(size_px: int) -> Picture:
    return np.linspace(0, 1, size_px, dtype=np.float32)[:, None, None]


def _texture(rng: Rng, size_px: int, strength: float) -> Picture:
    fine = noise(rng, size_px, int(rng.integers(14, 40)))
    coarse = noise(rng, size_px, int(rng.integers(3, 8)))
    return strength * (0.6 * fine + coarse)


def _room(rng: Rng, size_px: int, line: float) -> Picture:
    wall = colour(rng, (0.03, 0.40), (0.35, 0.95))
    floor = colour(rng, (0.08, 0.55), (0.20, 0.75))
    row = int(line)
    picture = np.empty((size_px, size_px, 3), np.float32)
    picture[:row] = wall
    picture[row:] = floor
    light = 1 + rng.normal(0, 0.22) * (np.linspace(-1, 1, size_px, dtype=np.float32)[None, :, None])
    picture *= np.clip(light + 0.12 * (0.5 - _ramp(size_px)), 0.5, 1.5)
    for _ in range(rng.integers(1, 5)):  # windows, doors, cupboards, pictures
        wide, high = (rng.uniform(0.10, 0.45, 2) * size_px).astype(int) + 2
        left = int(rng.uniform(-0.2, 1.0) * size_px)
        low = row + int(rng.normal(0, 0.02) * size_px) if rng.random() < 0.55 else int(0.6 * row)
        box = ((left, low - high), (left + wide, low))
        paint = colour(rng, (0.03, 0.6), (0.12, 0.98))
        cv2.rectangle(picture, *box, paint.tolist(), -1)
        if rng.random() < 0.6:
            frame = max(1, size_px // 64)
            cv2.rectangle(picture, *box, (paint * rng.uniform(0.5, 0.9)).tolist(), frame)
    if rng.random() < 0.5:  # floor boards or tiles, running to one point
        middle = rng.uniform(0.2, 0.8) * size_px
        for x in np.linspace(-1.5, 2.5, int(rng.integers(6, 14))) * size_px:
            start = (int(middle + 0.25 * (x - middle)), row)
            cv2.line(picture, start, (int(x), size_px), (floor * 0.8).tolist(), 1)
    cv2.line(picture, (0, row), (size_px, row), (wall * 0.7).tolist(), max(1, size_px // 80))
    picture += _texture(rng, size_px, 0.018)
    return picture


def _outdoors(rng: Rng, size_px: int, line: float) -> Picture:
    sky = np.array(colorsys.hsv_to_rgb(rng.normal(0.57, 0.03) % 1, rng.uniform(0.05, 0.5), 0.95))
    tint = rng.choice([0.27, 0.10, 0.08, 0.58])  # grass, sand, earth, asphalt
    ground = np.array(colorsys.hsv_to_rgb(tint, rng.uniform(0.08, 0.5), rng.uniform(0.3, 0.7)))
    row, ramp = int(line), _ramp(size_px)
    picture = (sky * (1 - 0.25 * ramp) + 0.15 * ramp).astype(np.float32)
    picture = np.repeat(picture, size_px, axis=1)
    picture += np.maximum(noise(rng, size_px, 4), 0) * 0.07
    for _ in range(rng.integers(2, 7)):  # houses and trees on the horizon
        base, wide = int(rng.uniform(0, size_px)), int(rng.uniform(0.06, 0.25) * size_px) + 2
        high = int(rng.uniform(0.06, 0.5) * max(row, 8))
        if rng.random() < 0.5:
            paint = colour(rng, (0.02, 0.4), (0.25, 0.85)).tolist()
            cv2.rectangle(picture, (base, row - high), (base + wide, row), paint, -1)
        else:
            hue = rng.normal(0.29, 0.05) % 1
            leaves = colorsys.hsv_to_rgb(hue, rng.uniform(0.3, 0.7), rng.uniform(0.2, 0.5))
            cv2.line(picture, (base, row), (base, row - high), (0.3, 0.22, 0.15), max(1, wide // 8))
            cv2.circle(picture, (base, row - high), wide // 2 + 1, leaves, -1)
    picture[row:] = ground
    picture[row:] += _texture(rng, size_px, 0.05)[row:]
    return picture


def _clouds(rng: Rng, size_px: int, line: float) -> Picture:
    """Noise in several octaves: no shape in it says where the ground is."""
    base, mixed = colour(rng, (0.05, 0.5), (0.25, 0.85)), rng.uniform(0.1, 0.6)
    picture = np.full((size_px, size_px, 3), base, np.float32)
    for cells, strength in ((3, 0.12), (7, 0.08), (17, 0.05), (37, 0.03)):
        grey, tinted = noise(rng, size_px, cells), noise(rng, size_px, cells, 3)
        picture += (grey + mixed * tinted) * (strength * rng.uniform(0.5, 1.3))
    return picture


def _studio(rng: Rng, size_px: int, line: float) -> Picture:
    centre = colour(rng, (0.0, 0.35), (0.45, 0.98))
    edge = centre * rng.uniform(0.45, 0.95)
    middle = rng.uniform(0.3, 0.7, 2) * size_px
    row, column = np.mgrid[:size_px, :size_px].astype(np.float32)
    away = np.hypot(column - middle[0], row - middle[1])[:, :, None] / size_px
    share = np.clip(away * rng.uniform(0.8, 1.6), 0, 1)
    picture: Picture = (centre * (1 - share) + edge * share).astype(np.float32)
    return picture


def _distractor(rng: Rng, picture: Picture) -> None:
    """A disc, a box or strokes as thin as limbs."""
    size = len(picture)
    paint = colour(rng, (0.05, 0.8), (0.15, 0.95)).tolist()
    kind = rng.integers(3)
    at = rng.uniform(-0.1, 1.1, 2) * size
    if kind == 0:
        radius = int(rng.uniform(0.03, 0.14) * size)
        cv2.circle(picture, tuple(at.astype(int)), radius, paint, -1)
    elif kind == 1:
        to = at + rng.uniform(0.06, 0.3, 2) * size
        cv2.rectangle(picture, tuple(at.astype(int)), tuple(to.astype(int)), paint, -1)
    else:
        thick = max(1, int(rng.uniform(0.015, 0.05) * size))
        for _ in range(2):
            to = at + rng.normal(0, 0.2, 2) * size
            cv2.line(picture, tuple(at.astype(int)), tuple(to.astype(int)), paint, thick)
            at = to
