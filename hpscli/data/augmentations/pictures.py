"""What happens to a picture before it is cut, and to the crop afterwards: two records, drawn and applied.

Before: drawn in px of the original picture, as published, and moved into the stored one, which may be
a part of it and smaller. So an object hides as much of a person whatever the shards keep.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hpscli.data.augmentations import Draws, Patch
from hpscli.data.augmentations.blurs import apply_motion_blur, draw_motion_blur
from hpscli.data.augmentations.colours import (
    Photometric,
    apply_photometric,
    draw_photometric,
)
from hpscli.data.augmentations.cutouts import load_cutouts
from hpscli.data.augmentations.erasing import (
    Erasing,
    apply_erasing,
    apply_holes,
    draw_coarse_dropout,
    draw_grid_dropout,
    draw_hard_erasing,
    draw_mixing,
)
from hpscli.data.augmentations.occluders import (
    Object,
    apply_occluders,
    draw_occluders,
    draw_occluders_on_joints,
)
from hpscli.recipe import Augment
from hpscli.records import Sample


@dataclass(frozen=True)
class Before:
    """What happens to the stored picture, in this order; places in px of the original."""

    photometric: Photometric | None = None
    erasings: tuple[Erasing, ...] = ()
    objects: tuple[Object, ...] = ()


@dataclass(frozen=True)
class After:
    """What happens to the crop, in this order; places in px of the window."""

    blur: np.ndarray | None = None  # weights of a line; before the colours, as PARE has it
    mixings: tuple[Erasing, ...] = ()
    holes: tuple[Patch, ...] = ()

    @property
    def paints(self) -> bool:
        """-> whether anything is painted over the colours."""
        return bool(self.mixings or self.holes)


def draw_before(
    draws: Draws, settings: Augment, sample: Sample, center: np.ndarray, size_px: float
) -> Before | None:
    """A person and its changed box, px of the original -> what happens before the crop, if anything.

    Random occlusion is what `RandomOcclusion` of hmr-benchmarks was meant to do. As released it
    reads the box and the picture's size under names that its data sets never set, and ends the
    training. Its own text, and `HardErasing`, which its authors wrote later with the names that
    exist, do the same: noise in a rectangle of the enlarged or shrunk box. So it is that here, with
    a chance of its own.
    """
    height, width = sample.meta["image_size_px"]
    photometric, erasings, objects = None, [], []
    if settings.photometric and draws.numbers.rand() <= settings.photometric:
        photometric = draw_photometric(draws)
    for chance in (settings.hard_erasing, settings.random_occlusion):
        if chance:
            box = ((float(center[0]), float(center[1])), size_px)
            erasing = draw_hard_erasing(draws, (height, width), *box, probability=chance)
            erasings += [erasing] if erasing else []
    if settings.occluders and draws.numbers.rand() <= settings.occluders:
        objects = _draw_objects(draws, settings, sample, (height, width), size_px)
    if photometric is None and not erasings and not objects:
        return None
    return Before(photometric, tuple(erasings), tuple(objects))


def _draw_objects(
    draws: Draws, settings: Augment, sample: Sample, image_size: tuple[int, int], size_px: float
) -> list[Object]:
    cutouts = load_cutouts(settings.occluders_file)
    if settings.occluders_on == "picture":
        return draw_occluders(draws, image_size, cutouts)
    joints = [v for name, v in sample.arrays.items() if name.startswith("keypoints2d.")]
    points = np.concatenate(joints) if joints else np.zeros((0, 3))
    if not (points[:, 2] == 1.0).any():  # nobody is sure of any joint: there is no place
        return []
    return draw_occluders_on_joints(draws, image_size, cutouts, points, size_px)


def apply_before(image: np.ndarray, change: Before, affine: np.ndarray) -> np.ndarray:
    """Stored picture (H,W,3) uint8 BGR, original -> stored (2,3) -> the picture changed, a new one."""
    if change.photometric is not None:
        image = apply_photometric(image, change.photometric)
    for erasing in change.erasings:
        moved = _moved(erasing, affine, image.shape[:2])
        if moved is not None:
            image = apply_erasing(image, moved)
    if change.objects:
        scale = abs(float(np.linalg.det(affine[:, :2]))) ** 0.5
        objects = [
            replace(
                one,
                factor=one.factor * scale,
                center=affine[:, :2] @ one.center + affine[:, 2],
            )
            for one in change.objects
        ]
        image = apply_occluders(image, objects)
    return image


def _moved(erasing: Erasing, affine: np.ndarray, size: Sequence[int]) -> Erasing | None:
    """-> the part of an erasing that lies in the stored picture, in its px."""
    import cv2

    patch, contents = erasing.patch, erasing.contents
    assert isinstance(contents, np.ndarray)  # before the crop all is noise
    # edges lie half a pixel beyond the centres of the outermost pixels
    corners = np.array([[patch.left, patch.top], [patch.left, patch.top]]) - 0.5
    corners[1] += [patch.width, patch.height]
    moved = np.rint(corners @ affine[:, :2].T + affine[:, 2] + 0.5).astype(int)
    low, high = moved.min(axis=0), moved.max(axis=0)
    wide, tall = high - low
    if min(wide, tall) < 1:
        return None
    if (tall, wide) != contents.shape[:2]:
        contents = cv2.resize(contents, (int(wide), int(tall)), interpolation=cv2.INTER_AREA)
    first, last = np.maximum(low, 0), np.minimum(high, [size[1], size[0]])
    if (last <= first).any():
        return None
    within = contents[first[1] - low[1] : last[1] - low[1], first[0] - low[0] : last[0] - low[0]]
    place = Patch(int(first[1]), int(first[0]), *(int(n) for n in (last - first)[::-1]))
    return Erasing(place, erasing.share, within)


def draw_after(draws: Draws, settings: Augment, window: tuple[int, int]) -> After | None:
    """Window (H,W) -> what happens to the crop, if anything."""
    blur, mixings = None, []
    if settings.motion_blur:
        blur = draw_motion_blur(draws, probability=settings.motion_blur)
    if settings.soft_erasing:
        mixings += [draw_mixing(draws, window, kind="soft", probability=settings.soft_erasing)]
    if settings.self_mixing:
        mixings += [draw_mixing(draws, window, kind="self", probability=settings.self_mixing)]
    holes: list[Patch] = []
    if settings.coarse_dropout:
        holes += draw_coarse_dropout(draws, window, probability=settings.coarse_dropout)
    if settings.grid_dropout:
        holes += draw_grid_dropout(draws, window, probability=settings.grid_dropout)
    found = tuple(mixing for mixing in mixings if mixing is not None)
    return None if blur is None and not found and not holes else After(blur, found, tuple(holes))


def blurred(crop: np.ndarray, change: After | None) -> np.ndarray:
    """Crop (H,W,3) uint8 -> a new, blurred one, or the same one where it is not blurred."""
    if change is None or change.blur is None:
        return crop
    return apply_motion_blur(crop, change.blur)


def apply_after(crop: np.ndarray, change: After) -> np.ndarray:
    """Crop (H,W,3) uint8 -> the crop with what is painted over its colours, a new one."""
    for mixing in change.mixings:
        crop = apply_erasing(crop, mixing)
    return apply_holes(crop, change.holes) if change.holes else crop
