"""The crops of official code, so that published weights see what they were trained on.

Every function has one signature: picture (H,W,3) uint8 RGB, box centre (2,) px and side in px, and the
random choices of training -> network input (3,S,S) float32, normalised. Checked against recordings of
the official code in tests/data/test_official_crops.py. Sources: nkolot/SPIN utils/imutils.py (branches
master and cuda11_fix), open-mmlab/mmhuman3d transforms, shubham-goel/4D-Humans vitdet_dataset.py
(the demo) and image_dataset.py with get_example of utils.py (evaluation).
"""

import math
from collections.abc import Sequence

import numpy as np

from hpscli.data.official_crops.resample import (
    blur,
    pillow_resize,
    pillow_rotate,
    rotate_linear,
    skimage_resize,
)

MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])
NO_NOISE = (1.0, 1.0, 1.0)
HMR2_ASPECT = (192.0, 256.0)  # width, height that boxes are enlarged to
HMR2_BLUR_FROM = 1.1  # size / side / 2 above which the picture is blurred first


def spin(
    image: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    channel_noise: Sequence[float] = NO_NOISE,
    side: int = 224,
) -> np.ndarray:
    """SPIN as all later code runs it (skimage, no contrast stretch) -> (3,side,side) float32."""
    box, pad = spin_box(image, center, size_px, rotation_degrees, side)
    if rotation_degrees:
        box = without(rotate_linear(box, rotation_degrees), pad)
    crop = skimage_resize(box, side)
    crop = crop[:, ::-1] if flip else crop
    return normalised(np.clip(crop * np.asarray(channel_noise), 0, 255) / 255.0)


def spin_scipy(
    image: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    channel_noise: Sequence[float] = NO_NOISE,
    side: int = 224,
) -> np.ndarray:
    """SPIN as published in 2019 (scipy.misc: each crop's contrast is stretched) -> (3,side,side)."""
    box, pad = spin_box(image, center, size_px, rotation_degrees, side)
    pixels = _bytescale(box)
    if rotation_degrees:
        pixels = without(pillow_rotate(pixels, rotation_degrees), pad)
    crop = pillow_resize(pixels, side)
    crop = crop[:, ::-1] if flip else crop
    noisy = np.clip(crop * np.asarray(channel_noise), 0, 255).astype(np.uint8)  # truncates
    return normalised(noisy.astype(np.float32) / 255.0)


def mmhuman3d(
    image: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    channel_noise: Sequence[float] = NO_NOISE,
    side: int = 224,
) -> np.ndarray:
    """mmhuman3d and hmr-benchmarks: noise, flip, affine on uint8 -> (3,side,side) float32."""
    import cv2

    if tuple(channel_noise) != NO_NOISE:  # rounds half to even, saturates
        image = np.clip(np.rint(image * np.asarray(channel_noise)), 0, 255).astype(np.uint8)
    x, y = float(center[0]), float(center[1])
    if flip:
        image, x = np.ascontiguousarray(image[:, ::-1]), image.shape[1] - 1 - x
    affine = mmhuman3d_affine((x, y), size_px, rotation_degrees, side)
    crop = cv2.warpAffine(image, affine, (side, side), flags=cv2.INTER_LINEAR)
    return normalised(crop.astype(np.float32) / 255.0)


def hmr2(
    image: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    channel_noise: Sequence[float] = NO_NOISE,
    side: int = 256,
) -> np.ndarray:
    """4D-Humans' demo (`hmr2_box` gives centre and side) -> (3,side,side) float32."""
    factor = size_px / side / 2.0
    blurred = factor > HMR2_BLUR_FROM
    picture = blur(image.astype(np.float64), (factor - 1) / 2, "nearest") if blurred else image
    return hmr2_evaluation(
        picture,
        center,
        size_px,
        rotation_degrees=rotation_degrees,
        flip=flip,
        channel_noise=channel_noise,
        side=side,
    )


def hmr2_evaluation(
    image: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    channel_noise: Sequence[float] = NO_NOISE,
    side: int = 256,
) -> np.ndarray:
    """4D-Humans' evaluation and training: one warp, no blur at any size -> (3,side,side) float32."""
    import cv2

    affine = mmhuman3d_affine((float(center[0]), float(center[1])), size_px, rotation_degrees, side)
    crop = cv2.warpAffine(image, affine, (side, side), flags=cv2.INTER_LINEAR)
    crop = crop[:, ::-1] if flip else crop
    noisy = np.clip(crop * np.asarray(channel_noise), 0, 255)
    return normalised(noisy / 255.0)


def pare_demo(
    image: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    channel_noise: Sequence[float] = NO_NOISE,
    side: int = 224,
) -> np.ndarray:
    """PARE's demo: one warp, no blur -> (3,side,side) float32."""
    import cv2

    affine = mmhuman3d_affine((float(center[0]), float(center[1])), size_px, rotation_degrees, side)
    crop = cv2.warpAffine(image, affine, (side, side), flags=cv2.INTER_LINEAR)
    crop = crop[:, ::-1] if flip else crop
    noisy = np.clip(crop * np.asarray(channel_noise), 0, 255)
    return normalised(noisy.astype(np.float32) / 255.0)


def spin_affine(
    center: Sequence[float], size_px: float, rotation_degrees: float, side: int
) -> np.ndarray:
    """-> (3,3) original -> crop as in SPIN, rotated by -rotation about the crop's centre."""
    scale = side / size_px
    place = np.eye(3)
    place[0, 0] = place[1, 1] = scale
    place[0, 2] = side * (0.5 - center[0] / size_px)
    place[1, 2] = side * (0.5 - center[1] / size_px)
    if not rotation_degrees:
        return place
    sine, cosine = (
        math.sin(math.radians(-rotation_degrees)),
        math.cos(math.radians(-rotation_degrees)),
    )
    turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    to_centre = np.eye(3)
    to_centre[:2, 2] = -side / 2
    return np.linalg.inv(to_centre) @ turn @ to_centre @ place  # type: ignore[no-any-return]


def mmhuman3d_affine(
    center: tuple[float, float], size_px: float, rotation_degrees: float, side: int
) -> np.ndarray:
    """-> (2,3) original -> crop by three points, in float32 as official (mmhuman3d, HMR2, PARE)."""
    import cv2

    angle = math.radians(rotation_degrees)
    middle = np.array(center, np.float64)
    arm = np.array([math.sin(angle), -math.cos(angle)]) * size_px / 2  # points up at rotation 0
    source = np.array([middle, middle + arm, middle + arm + _left_of(arm)], np.float32)
    half = side * 0.5
    goal_arm = np.array([0.0, -half])
    goal_middle = np.array([half, half])
    goal = np.array(
        [goal_middle, goal_middle + goal_arm, goal_middle + goal_arm + _left_of(goal_arm)],
        np.float32,
    )
    return cv2.getAffineTransform(source, goal)  # type: ignore[no-any-return]


def hmr2_box(x0: float, y0: float, x1: float, y1: float) -> tuple[np.ndarray, float]:
    """Detector box -> centre (2,) and side: the longer one after enlarging to 192:256."""
    corners = np.array([x0, y0, x1, y1], np.float32)
    # through 1/200 units and back in float32, as official
    width, height = (corners[2:] - corners[:2]) / np.float32(200) * np.float32(200)
    aspect_width, aspect_height = HMR2_ASPECT
    if height / width >= aspect_height / aspect_width:
        width = max(height * aspect_width / aspect_height, width)
    else:
        height = max(width * aspect_height / aspect_width, height)
    return (corners[:2] + corners[2:]) / 2, float(max(width, height))


def _left_of(arm: np.ndarray) -> np.ndarray:
    return np.array([arm[1], -arm[0]])


def normalised(crop: np.ndarray) -> np.ndarray:
    """Crop (S,S,3) 0..1 -> (3,S,S) float32 by ImageNet's mean and deviation."""
    normal = (crop.astype(np.float32) - MEAN.astype(np.float32)) / STD.astype(np.float32)
    return np.ascontiguousarray(normal.transpose(2, 0, 1))


def spin_transform(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (J,2), 1-based -> 1-based whole pixels, truncated toward zero as official."""
    moved = (points - 1) @ affine[:2, :2].T + affine[:2, 2]
    return moved.astype(int) + 1  # type: ignore[no-any-return]


def spin_box(
    image: np.ndarray, center: Sequence[float], size_px: float, rotation_degrees: float, side: int
) -> tuple[np.ndarray, int]:
    """-> the box cut out as float64, zero outside the picture, and the margin kept for rotation."""
    inverse = np.linalg.inv(spin_affine(center, size_px, 0.0, side))
    upper = spin_transform(inverse, np.array([[1.0, 1.0]]))[0] - 1
    lower = spin_transform(inverse, np.array([[side + 1.0, side + 1.0]]))[0] - 1
    pad = int(np.linalg.norm(lower - upper) / 2 - float(lower[1] - upper[1]) / 2)
    if rotation_degrees:
        upper, lower = upper - pad, lower + pad
    box = np.zeros((lower[1] - upper[1], lower[0] - upper[0], 3))
    height, width = image.shape[:2]
    x0, x1 = max(0, upper[0]), min(width, lower[0])
    y0, y1 = max(0, upper[1]), min(height, lower[1])
    if x1 > x0 and y1 > y0:
        box[y0 - upper[1] : y1 - upper[1], x0 - upper[0] : x1 - upper[0]] = image[y0:y1, x0:x1]
    return box, pad


def without(box: np.ndarray, pad: int) -> np.ndarray:
    return box[pad:-pad, pad:-pad] if pad else box


def _bytescale(box: np.ndarray) -> np.ndarray:
    """Stretch least..greatest to 0..255 and round, as scipy.misc did with what is not uint8."""
    low, high = box.min(), box.max()
    scaled = (box - low) * (255.0 / ((high - low) or 1.0))
    return (np.clip(scaled, 0, 255) + 0.5).astype(np.uint8)  # type: ignore[no-any-return]
