"""The crop of our own pipe: one affine map from the original image to the network's window.

A box of the window's proportions, `size_px` wide around `center`, becomes a window of (height, width)
pixels: the centre goes to (width / 2, height / 2), lengths are multiplied by width / size_px, a
positive rotation turns +x towards +y (the rotation about the camera's z axis by the same angle), a
flip maps x to width - x.
The crops of official code, reproduced by name, are in official_crops.py.
"""

from dataclasses import replace

import numpy as np

from hpscli.records import Sample


def crop_affine(
    center: np.ndarray,
    size_px: float,
    window: tuple[int, int],
    rotation_degrees: float = 0.0,
    flip: bool = False,
) -> np.ndarray:
    """Box center (2,) px and width -> (2,3) float64 affine, original pixels -> window pixels."""
    affines: np.ndarray = crop_affines(
        np.asarray(center, np.float64)[None],
        np.array([float(size_px)]),
        window,
        np.array([float(rotation_degrees)]),
        np.array([bool(flip)]),
    )
    return affines[0]  # type: ignore[no-any-return]


def crop_affines(
    centers: np.ndarray,
    sizes_px: np.ndarray,
    window: tuple[int, int],
    rotations_degrees: np.ndarray,
    flips: np.ndarray,
) -> np.ndarray:
    """Centers (B,2), widths (B,), rotations (B,), flips (B,) -> affines (B,2,3) float64."""
    height, width = window
    scale = width / np.asarray(sizes_px, np.float64)
    angle = np.deg2rad(rotations_degrees)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    affines = np.empty((len(scale), 2, 3))
    affines[:, 0, 0], affines[:, 0, 1] = cosine, -sine
    affines[:, 1, 0], affines[:, 1, 1] = sine, cosine
    moved = np.einsum("bij,bj->bi", affines[:, :, :2], np.asarray(centers, np.float64))
    affines[:, :, 2] = np.array([width / 2, height / 2]) - moved
    sign = np.where(flips, -1.0, 1.0)
    affines[:, 0] *= sign[:, None]
    affines[:, 0, 2] += np.where(flips, float(width), 0.0)
    return affines


def compose(first: np.ndarray, then: np.ndarray) -> np.ndarray:
    """Affines (...,2,3): apply `first`, then `then` -> (...,2,3)."""
    both = np.empty(np.broadcast_shapes(first.shape, then.shape))
    both[..., :2] = then[..., :2] @ first[..., :2]
    both[..., 2] = np.einsum("...ij,...j->...i", then[..., :2], first[..., 2]) + then[..., 2]
    return both


def invert(affine: np.ndarray) -> np.ndarray:
    """Affines (...,2,3) -> their inverses (...,2,3) float64."""
    inverse = np.empty(affine.shape)
    inverse[..., :2] = np.linalg.inv(np.asarray(affine[..., :2], np.float64))
    inverse[..., 2] = -np.einsum("...ij,...j->...i", inverse[..., :2], affine[..., 2])
    return inverse


def move_points(points: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Points (...,J,2) px under affines (...,2,3) -> (...,J,2)."""
    moved = points @ np.swapaxes(affine[..., :2], -1, -2)
    return moved + affine[..., None, :, 2]  # type: ignore[no-any-return]


def to_crop_units(points: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """Points (...,2) window px -> crop units: -1..1 from edge to edge on both axes."""
    return points * (2.0 / np.array([window[1], window[0]])) - 1.0


def from_crop_units(points: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """Points (...,2) crop units -> window px."""
    return (points + 1.0) * (np.array([window[1], window[0]]) / 2.0)


REDUCIBLE = 2.0  # an image that the crop shrinks by this much or more is averaged down first


def warp(
    image: bytes | memoryview,
    affine: np.ndarray,
    window: tuple[int, int],
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Encoded image and affine, stored pixels -> window pixels: the crop (H,W,3) uint8 **BGR**.

    One bilinear warp, zero outside. When the crop shrinks a JPEG by two or more, the decoder itself
    makes the smaller picture.
    """
    from hpscli.data.sample import decode_bgr, image_kind

    reduce = 1
    if image_kind(image) == "jpg":
        reduce = _reduction(affine, 8)
        affine = _from_reduced(affine, reduce)
    return crop_pixels(decode_bgr(image, reduce), affine, window, out)


def crop_pixels(
    pixels: np.ndarray,
    affine: np.ndarray,
    window: tuple[int, int],
    out: np.ndarray | None = None,
) -> np.ndarray:
    """pixels (H,W,3), affine (2,3) pixels -> window, window (H,W) -> the crop (H,W,3).

    An image that shrinks by two or more is first averaged down: a bilinear warp alone would skip
    pixels.
    """
    import cv2

    reduce = _reduction(affine, max(pixels.shape[:2]))
    if reduce > 1:
        bottom, right = -pixels.shape[0] % reduce, -pixels.shape[1] % reduce
        padded = cv2.copyMakeBorder(pixels, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        size = (padded.shape[1] // reduce, padded.shape[0] // reduce)
        pixels = cv2.resize(padded, size, interpolation=cv2.INTER_AREA)
        affine = _from_reduced(affine, reduce)
    return cv2.warpAffine(  # type: ignore[no-any-return]
        pixels, affine, (window[1], window[0]), dst=out, flags=cv2.INTER_LINEAR
    )


def _reduction(affine: np.ndarray, most: int) -> int:
    """-> 1, 2, 4 ...: by how much an image may be averaged down before this map shrinks it."""
    area = abs(affine[0, 0] * affine[1, 1] - affine[0, 1] * affine[1, 0])
    shrink = min(area**-0.5, float(most)) if area > 0 else float(most)
    return 1 if shrink < REDUCIBLE else 2 ** int(np.log2(shrink))


def _from_reduced(affine: np.ndarray, reduce: int) -> np.ndarray:
    """-> the map from the reduced image, whose pixel i is the mean of pixels reduce*i and following."""
    if reduce == 1:
        return affine
    offset = (reduce - 1) / 2
    return compose(np.array([[reduce, 0.0, offset], [0.0, reduce, offset]]), affine)


MARGIN = 1.8  # of a stored crop: room to rotate by 45 degrees and to enlarge by a quarter
# A stored crop, cut again for training, differs from a crop of the original by 1.6 grey levels without
# any loss of JPEG, for it was resized; by 2.0 at quality 95, by 2.25 at 90, which decodes a quarter faster.
# So measured at 512 px; at 480 px it is a tenth more, for an eighth less to decode.
CROP_QUALITY = 90


def stored_crop(
    image: np.ndarray,
    center: np.ndarray,
    size_px: float,
    *,
    side_px: int,
    reduced: int = 1,
    margin: float = MARGIN,
    quality: int = CROP_QUALITY,
) -> tuple[bytes, np.ndarray]:
    """Image (H,W,3) uint8 BGR and a box -> JPEG of the box with margin, and its `image.affine` (2,3).

    The part inside the image, at most `side_px` long: whole pixels where that is no smaller, else
    averaged down; keeps all that training can reach. `reduced`: by how much the decoder had made
    the image smaller; the box is in pixels of the original.
    """
    import cv2

    wanted = size_px * margin
    # pixel i of the reduced image is the mean of `reduced` pixels from reduced * i on
    middle = (np.asarray(center, np.float64) - (reduced - 1) / 2) / reduced
    limits = np.array([image.shape[1], image.shape[0]])
    low = np.clip(np.floor(middle - wanted / 2 / reduced), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(middle + wanted / 2 / reduced) + 1, low + 1, limits).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    shrink = min(1.0, side_px * reduced / wanted)
    if shrink < 1:
        size = np.maximum(np.round((high - low) * shrink), 1).astype(int)
        part = cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA)
    real = np.array([part.shape[1], part.shape[0]]) / (high - low)
    affine = np.zeros((2, 3))
    affine[[0, 1], [0, 1]] = real / reduced
    # resizing keeps edges in place, so that pixel centres move by half a pixel
    affine[:, 2] = real * (0.5 - low - (reduced - 1) / (2 * reduced)) - 0.5
    encoded = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return encoded.tobytes(), affine.astype(np.float32)


def decoder_reduction(size_px: float, side_px: int, margin: float = MARGIN) -> int:
    """-> 1, 2, 4 or 8: by how much a JPEG's decoder may shrink before `stored_crop` does."""
    shrink = size_px * margin / side_px
    return 1 if shrink < REDUCIBLE else min(8, 2 ** int(np.log2(shrink)))


AUTHORS_BOX = "extra.box_"  # before a family's word: its authors' own box (4,) xywh px, with margin
NEARLY = 0.01  # by how much boxes in whole pixels miss the proportions of a window


def crop_box(
    sample: Sample, window: tuple[int, int], seen: float = 1.0
) -> tuple[np.ndarray, float]:
    """-> centre (2,) px and width px of the crop: the smallest box of these proportions around theirs.

    A box that was stored in the window's proportions is that crop itself, and one without `box.xywh`
    is a square. Margins are part of the stored boxes. `seen`: the part of the window's columns, in its
    middle, that the network looks at and the box has to lie in.
    """
    center = np.asarray(sample.arrays["box.center"], np.float64)
    side, stored = float(sample.arrays["box.size"][0]), sample.arrays.get("box.xywh")
    aspect = window[1] * seen / window[0]
    if stored is None or aspect == 1:
        return center, side * max(1.0, aspect) / seen
    width, height = float(stored[2]), float(stored[3])
    needed = height * aspect
    near = seen == 1 and abs(width - needed) < NEARLY * needed
    return center, (width if near else max(width, needed)) / seen


def in_authors_box(sample: Sample, name: str) -> Sample:
    """-> the sample with the box that the array `name` holds; where there is none, as it is."""
    box = sample.arrays.get(name)
    if box is None:
        return sample
    own = {
        "box.center": box[:2] + box[2:] / 2,
        "box.size": box[2:].max(keepdims=True),
        "box.xywh": box,
    }
    return replace(sample, arrays={**sample.arrays, **own})


def make_crop(
    sample: Sample,
    window: tuple[int, int],
    *,
    crop_scale: float = 1.0,
    rotation_degrees: float = 0.0,
    flip: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """One person -> crop (H,W,3) uint8 RGB and the affine (2,3) original -> crop pixels."""
    center, width = crop_box(sample, window)
    affine = crop_affine(center, width * crop_scale, window, rotation_degrees, flip)
    stored = compose(invert(sample.arrays["image.affine"]), affine)
    return np.ascontiguousarray(warp(sample.image, stored, window)[..., ::-1]), affine
