"""Which points of UBody's pseudo-truth count: those whose projection lies inside the picture.

OSX subtracts the predicted translation from the true mesh and adds it again when it projects, so the
camera is not predicted: it is OSX's fixed lens in the 3:4 patch of the person, seen from the origin
of the annotation.
"""

from typing import Any

import numpy as np

from hps_benchmarks.wholebody.part_errors import Parts, Seen

Array = np.ndarray[Any, np.dtype[Any]]

FOCAL_PX = 5000.0  # IDEA-Research/OSX, main/config.py: of the encoder's picture
PICTURE_PX = (192, 256)  # width, height of the encoder's picture
PATCH_PX = (384, 512)  # width, height of the patch that is cut out
NO_DIVISION_BY_ZERO = 1e-4  # metres, added to the depth


def through_patch(points: Array, patch_to_picture: Array) -> Array:
    """points (N,P,3) metres before the camera, affines (N,2,3) patch -> picture px -> pixels (N,P,2)."""
    depth = points[..., 2] + NO_DIVISION_BY_ZERO
    pixels = [
        (points[..., axis] / depth * FOCAL_PX + PICTURE_PX[axis] / 2)
        / PICTURE_PX[axis]
        * PATCH_PX[axis]
        for axis in (0, 1)
    ]
    inside = np.stack([*pixels, np.ones_like(pixels[0])], axis=-1)
    return np.asarray(np.matmul(inside, patch_to_picture.transpose(0, 2, 1)))


def through_lens(points: Array, intrinsics: Array) -> Array:
    """points (N,P,3) metres before the camera, (N,3,3) -> pixels (N,P,2), NaN behind the camera."""
    image = np.matmul(points, intrinsics.transpose(0, 2, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = image[..., :2] / image[..., 2:]
    return np.where(points[..., 2:] > 0, pixels, np.nan)


def inside(pixels: Array, sizes: Array) -> Array:
    """pixels (N,P,2), pictures' height and width (N,2) -> (N,P) bool, strictly between the borders."""
    limits = np.asarray(sizes)[:, None, ::-1]
    with np.errstate(invalid="ignore"):
        return np.asarray(((pixels > 0) & (pixels < limits)).all(axis=2))


def seen_in_patch(placed: Array, moved: Array, parts: Parts, affines: Array, sizes: Array) -> Seen:
    """True meshes (N,V,3) before the camera, predicted translations (N,3) -> what OSX lets count.

    The translations only round: see above.
    """
    shift = moved[:, None]

    def found(points: Array) -> Array:
        return inside(through_patch(points + shift, affines), sizes)

    bare = placed - shift
    return _seen(bare, parts, found)


def seen_through_lens(placed: Array, parts: Parts, intrinsics: Array, sizes: Array) -> Seen:
    """True meshes (N,V,3) before the camera -> what lies inside the picture for its own lens."""
    return _seen(placed, parts, lambda points: inside(through_lens(points, intrinsics), sizes))


def _seen(mesh: Array, parts: Parts, found: Any) -> Seen:
    if parts.body is None:
        raise ValueError("these parts have no regressor of body joints")
    return Seen(
        vertices=found(mesh),
        body=found(np.matmul(parts.body, mesh)),
        left_hand=found(np.matmul(parts.hand_joints("left"), mesh)),
        right_hand=found(np.matmul(parts.hand_joints("right"), mesh)),
    )
