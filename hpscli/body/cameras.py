"""Cameras: weak perspective in a crop, pinhole in the whole image, and the way between them.

Crop units: x_n = 2 * x_px / W - 1 and y_n = 2 * y_px / H - 1, edge to edge, for a crop of H x W
pixels. A weak camera has one scale, measured by the width: in a crop that is not square,
v = s * (y + ty) * W / H.
Intrinsics [[f, 0, cx], [0, f, cy], [0, 0, 1]] in pixels of the original image.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpscli.errors import InvalidData
from hpscli.records import Camera

Array = np.ndarray[Any, np.dtype[Any]]

# As official SPIN and its heirs: keeps the depth finite when a network says scale 0.
SCALE_EPSILON = 1e-9


def project_weak(
    points: Tensor, camera: Tensor, crop_size: tuple[int, int] | None = None
) -> Tensor:
    """points (B,J,3) metres, camera (B,3) = s, tx, ty -> crop units (B,J,2).

    A crop that is not square must say its crop_size (H, W).
    """
    projected = camera[:, None, :1] * (points[..., :2] + camera[:, None, 1:])
    if crop_size is None or crop_size[0] == crop_size[1]:
        return projected
    return projected * projected.new_tensor([1.0, crop_size[1] / crop_size[0]])


def weak_to_translation(
    camera: Tensor, focal_px: float | Tensor, crop_px: float | Tensor
) -> Tensor:
    """camera (B,3), focal length in crop pixels, crop width -> translation (B,3) metres."""
    scale, offset = camera[..., :1], camera[..., 1:]
    depth = 2.0 * _column(focal_px) / (_column(crop_px) * scale + SCALE_EPSILON)
    return torch.cat([offset, depth], dim=-1)


def _column(value: float | Tensor) -> float | Tensor:
    return value[..., None] if isinstance(value, Tensor) and value.ndim else value


def project(points: Tensor, intrinsics: Tensor, translation: Tensor) -> Tensor:
    """points (B,J,3) metres, intrinsics (B,3,3) or (3,3) px, translation (B,3) -> pixels (B,J,2)."""
    placed = points + translation[..., None, :]
    image = placed @ intrinsics.transpose(-1, -2)
    return image[..., :2] / image[..., 2:]


def project_perspective(points: Tensor, camera: Tensor, focal_px: float, crop_px: float) -> Tensor:
    """points (B,J,3) metres, camera (B,3) -> px from the middle of the crop (B,J,2).

    The pinhole camera that sees as the weak one does at the body's origin.
    """
    intrinsics = torch.diag(points.new_tensor([focal_px, focal_px, 1.0]))
    return project(points, intrinsics, weak_to_translation(camera, focal_px, crop_px))


def assumed_focal_px(image_size: tuple[int, int]) -> float:
    """image_size (H, W) -> a focal length in pixels for a camera that nobody measured.

    The diagonal of the picture, as CLIFF (about 53 degrees across the diagonal).
    """
    return math.hypot(*image_size)


def to_full_image(
    camera: Array,
    affine: Array,
    crop_size: tuple[int, int],
    image_size: tuple[int, int],
    focal_px: float | None = None,
) -> Camera:
    """camera (3,) in a crop, affine (2,3) image -> crop -> the pinhole camera of the whole image.

    The body keeps its size and its place in the picture. For crops that are neither rotated nor
    mirrored: a translation cannot turn a body.
    """
    height, width = image_size
    focal = assumed_focal_px(image_size) if focal_px is None else float(focal_px)
    scale, offset = float(camera[0]), np.asarray(camera[1:], dtype=np.float64)
    linear, shift, magnification = _parts(affine)
    crop_width = float(crop_size[1])
    # Image pixels per metre at the body, and where the body's origin falls in the image.
    density = (crop_width * scale + SCALE_EPSILON) / (2.0 * magnification)
    origin = crop_width / 2.0 * scale * offset + np.array(crop_size[::-1]) / 2.0
    place = np.linalg.solve(linear, origin - shift)
    centre = np.array([width / 2.0, height / 2.0])
    intrinsics = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1.0]])
    translation = np.append((place - centre) / density, focal / density)
    return Camera(intrinsics=intrinsics, translation=translation, focal_assumed=focal_px is None)


def to_weak(camera: Camera, affine: Array, crop_size: tuple[int, int]) -> Array:
    """A pinhole camera and affine (2,3) image -> crop -> weak camera (3,) of the crop."""
    linear, shift, magnification = _parts(affine)
    depth = camera.translation[2]
    place = (camera.intrinsics @ camera.translation)[:2] / depth
    scale = 2.0 * magnification * camera.intrinsics[0, 0] / (depth * crop_size[1])
    origin = linear @ place + shift - np.array(crop_size[::-1]) / 2.0
    weak: Array = np.append(scale, origin * 2.0 / (crop_size[1] * scale))
    return weak


def _parts(affine: Array) -> tuple[Array, Array, float]:
    """affine (2,3) -> its matrix (2,2), shift (2,), and by how much it enlarges."""
    matrix = np.asarray(affine, dtype=np.float64)
    return matrix[:, :2], matrix[:, 2], math.sqrt(abs(float(np.linalg.det(matrix[:, :2]))))


def solve_translation(
    joints3d: Array,
    joints2d: Array,
    focal_px: float,
    image_size: tuple[int, int],
    confidence: Array | None = None,
) -> Array:
    """joints3d (J,3) m, joints2d (J,2) px, confidence (J,) -> translation (3,) that fits best.

    Weighted linear least squares of the projection equations, as official SPIN: the weight of a
    joint is the root of its confidence (so it counts by its confidence in the squared error).
    """
    points = np.asarray(joints3d, dtype=np.float64)
    centre = np.array([image_size[1] / 2.0, image_size[0] / 2.0])
    seen = np.asarray(joints2d, dtype=np.float64)[:, :2] - centre
    weight = np.ones(len(points)) if confidence is None else np.asarray(confidence, np.float64)
    if np.count_nonzero(weight) < 2:
        raise InvalidData(
            f"a translation needs two seen joints, got {np.count_nonzero(weight)}.",
            "Leave such people out, or lower the confidence that you require.",
        )
    # f * (X + tx) = x * (Z + tz), and the same for y.
    left = np.zeros((len(points), 2, 3))
    left[:, 0, 0] = left[:, 1, 1] = focal_px
    left[:, :, 2] = -seen
    right = seen * points[:, 2:] - focal_px * points[:, :2]
    root = np.sqrt(weight)[:, None]
    system, values = (left * root[..., None]).reshape(-1, 3), (right * root).reshape(-1)
    translation: Array = np.linalg.solve(system.T @ system, system.T @ values)
    return translation
