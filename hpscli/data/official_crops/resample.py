"""Resizing and rotating exactly as scikit-image and Pillow do it, in numpy and OpenCV alone.

Official crops were made by these libraries; what a network was trained on depends on their filters.
"""

import math
from typing import Literal

import numpy as np

BITS = 22  # fixed-point precision of Pillow's 8-bit resize


def blur(image: np.ndarray, sigma: float, edge: Literal["nearest", "mirror"]) -> np.ndarray:
    """Image (H,W,C) float64 -> Gaussian blur cut at 4 sigma, as scipy.ndimage.gaussian_filter."""
    return _blur_axes(image, (sigma, sigma), edge)


def _blur_axes(
    image: np.ndarray, sigmas: tuple[float, float], edge: Literal["nearest", "mirror"]
) -> np.ndarray:
    import cv2

    border = cv2.BORDER_REPLICATE if edge == "nearest" else cv2.BORDER_REFLECT_101
    rows, columns = (_gauss(sigma) for sigma in sigmas)
    return cv2.sepFilter2D(image, cv2.CV_64F, columns, rows, borderType=border)  # type: ignore[no-any-return]


def _gauss(sigma: float) -> np.ndarray:
    radius = int(4.0 * sigma + 0.5)
    if radius == 0:
        return np.ones(1)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return weights / weights.sum()  # type: ignore[no-any-return]


def skimage_resize(image: np.ndarray, side: int) -> np.ndarray:
    """Image (H,W,C) float64 -> (side,side,C): skimage.transform.resize, order 1, its defaults.

    Shrinking axes are blurred first with sigma (factor - 1) / 2; edges mirror; pixel areas align.
    """
    factors = image.shape[0] / side, image.shape[1] / side
    sigmas = max(0.0, (factors[0] - 1) / 2), max(0.0, (factors[1] - 1) / 2)
    if max(sigmas) > 0:
        image = _blur_axes(image, sigmas, "mirror")
    return _linear_axis(_linear_axis(image, side, 0), side, 1)


def _linear_axis(image: np.ndarray, side: int, axis: int) -> np.ndarray:
    size = image.shape[axis]
    place = (np.arange(side) + 0.5) * (size / side) - 0.5
    first = np.floor(place).astype(int)
    weight = place - first
    shape = [1] * image.ndim
    shape[axis] = side
    weight = weight.reshape(shape)
    low = np.take(image, _mirrored(first, size), axis)
    high = np.take(image, _mirrored(first + 1, size), axis)
    return low * (1 - weight) + high * weight  # type: ignore[no-any-return]


def _mirrored(index: np.ndarray, size: int) -> np.ndarray:
    if size == 1:
        return np.zeros_like(index)
    index = np.abs(index) % (2 * size - 2)
    return np.where(index >= size, 2 * size - 2 - index, index)


def rotate_linear(image: np.ndarray, degrees: float) -> np.ndarray:
    """Image (H,W,C) float64 -> turned counter-clockwise about its centre: skimage.transform.rotate."""
    height, width = image.shape[:2]
    centre_x, centre_y = width / 2 - 0.5, height / 2 - 0.5
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    y, x = np.mgrid[:height, :width].astype(np.float64)
    x, y = x - centre_x, y - centre_y
    from_x = cosine * x - sine * y + centre_x
    from_y = sine * x + cosine * y + centre_y
    left, top = np.floor(from_x).astype(int), np.floor(from_y).astype(int)
    weight_x, weight_y = (from_x - left)[..., None], (from_y - top)[..., None]
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))  # zero outside

    def at(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        return padded[np.clip(row + 1, 0, height + 1), np.clip(column + 1, 0, width + 1)]  # type: ignore[no-any-return]

    upper = at(top, left) * (1 - weight_x) + at(top, left + 1) * weight_x
    lower = at(top + 1, left) * (1 - weight_x) + at(top + 1, left + 1) * weight_x
    return upper * (1 - weight_y) + lower * weight_y  # type: ignore[no-any-return]


def pillow_resize(image: np.ndarray, size: int | tuple[int, int]) -> np.ndarray:
    """Image (H,W,C) uint8 -> size, a side or (h,w), uint8: Pillow's resize(BILINEAR), exactly.

    A triangle filter as wide as the shrink factor, columns first, rounded to uint8 between passes.
    Pillow 13 takes rows first for some tall pictures, which differs by one grey level; none before did.
    """
    height, width = (size, size) if isinstance(size, int) else size
    return _triangle_axis(_triangle_axis(image, width, 1), height, 0)


def _triangle_axis(image: np.ndarray, side: int, axis: int) -> np.ndarray:
    size = image.shape[axis]
    if size == side:
        return image
    matrix = np.zeros((side, size), np.int64)
    scale = size / side
    support = max(scale, 1.0)
    for out in range(side):
        centre = (out + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        last = min(int(centre + support + 0.5), size)
        distance = np.abs(np.arange(first, last) - centre + 0.5) / support
        weights = np.maximum(1.0 - distance, 0.0)
        weights /= weights.sum()
        matrix[out, first:last] = (weights * (1 << BITS) + 0.5).astype(np.int64)
    moved = np.moveaxis(image, axis, 0).astype(np.int64)
    flat = matrix.astype(np.float64) @ moved.reshape(size, -1).astype(
        np.float64
    )  # exact below 2**53
    rounded = (flat.astype(np.int64) + (1 << (BITS - 1))) >> BITS
    resized = np.clip(rounded, 0, 255).astype(np.uint8).reshape(side, *moved.shape[1:])
    return np.moveaxis(resized, 0, axis)


def pillow_rotate(image: np.ndarray, degrees: float) -> np.ndarray:
    """Image (H,W,C) uint8 -> turned counter-clockwise about its centre: Pillow's rotate(BILINEAR).

    Pixels whose source lies outside are 0; at the edge the last pixel is repeated; values are cut.
    """
    height, width = image.shape[:2]
    angle = -math.radians(degrees % 360.0)
    a, b = round(math.cos(angle), 15), round(math.sin(angle), 15)
    d, e = round(-math.sin(angle), 15), round(math.cos(angle), 15)
    centre_x, centre_y = width / 2.0, height / 2.0
    c = a * -centre_x + b * -centre_y + centre_x
    f = d * -centre_x + e * -centre_y + centre_y
    y, x = np.mgrid[:height, :width] + 0.5
    from_x, from_y = a * x + b * y + c, d * x + e * y + f
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    from_x, from_y = from_x - 0.5, from_y - 0.5
    left, top = np.floor(from_x).astype(int), np.floor(from_y).astype(int)
    weight_x, weight_y = (from_x - left)[..., None], (from_y - top)[..., None]

    def at(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        found = image[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
        return found.astype(np.float64)  # type: ignore[no-any-return]

    upper = at(top, left) + (at(top, left + 1) - at(top, left)) * weight_x
    low_row = np.where(top + 1 < height, top + 1, top)
    lower = at(low_row, left) + (at(low_row, left + 1) - at(low_row, left)) * weight_x
    turned = upper + (lower - upper) * weight_y
    return (turned * inside[..., None]).astype(np.uint8)  # type: ignore[no-any-return]
