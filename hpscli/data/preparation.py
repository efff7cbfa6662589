"""How a network's authors turn a picture and a box into its input, as one named thing per network.

A model says `crop="hpscli.data.preparation:METRO"`, or names a Preparation of its own package; then
`hps eval` and `hps predict` show it exactly such pictures. `crop="fast"`, and `--crop fast`, is our one
warp (hpscli/data/crops.py), which training uses. docs/explanation/crops.md measures the difference.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpscli.data import official_crops
from hpscli.data.crops import AUTHORS_BOX, crop_affine
from hpscli.data.official_crops import NO_NOISE
from hpscli.data.official_crops import metro as metro_crops
from hpscli.data.official_crops import osx as osx_crops
from hpscli.errors import InvalidData, UsageError
from hpscli.registry import resolve

FAST = "fast"  # our one warp
BOX_MARGIN = 1.2  # crop side over the longer side of a tight box, as SPIN and its heirs

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, RGB

Window = tuple[int, int]  # (height, width) px
Place = tuple[np.ndarray, float]  # centre (2,) px and width of the crop in px of the picture


def crop_window(
    box: np.ndarray | None, image_size: tuple[int, int], window: Window, margin: float = BOX_MARGIN
) -> Place:
    """box (4,) xywh px or None, image (H,W), window -> centre (2,) and crop width in px.

    The crop has the window's proportions and contains the box with a margin; without a box it
    contains the image and no more.
    """
    height, width = image_size
    aspect = window[1] / window[0]
    if box is None:
        return np.array([width / 2, height / 2]), float(max(width, height * aspect))
    centre = box[:2] + box[2:4] / 2
    return centre, float(max(box[2], box[3] * aspect) * margin)


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """One network's official image preparation.

    pixels(image (H,W,3) uint8 RGB, center (2,) px, size_px, *, window, rotation_degrees=0, flip=False,
    channel_noise=(1,1,1)) -> (3,h,w) float32, exactly what the authors feed: normalised by them, so
    that nothing is done to it afterwards. `size_px` is the width of the crop in the picture.
    affine(center, size_px, window, rotation_degrees=0, flip=False) -> (2,3) float64 picture px -> crop
    px, as their code moves labels (without its rounding). A positive rotation turns the picture
    counter-clockwise, as theirs do: the opposite of our own pipe.
    place(box (4,) xywh px or None, image (H,W), window) -> centre and size_px: their rule for a tight
    box of a person, and for a whole picture.
    """

    name: str
    summary: str
    pixels: Callable[..., np.ndarray]
    affine: Callable[..., np.ndarray]
    place: Callable[[np.ndarray | None, tuple[int, int], Window], Place] = crop_window
    whole: "Preparation | None" = None  # what their demo does with a picture without a box
    measured: "Preparation | None" = None  # what their evaluation does, where it is not their demo
    window: Window = (224, 224)  # that they use
    mean: tuple[float, float, float] = MEAN  # what `pixels` has subtracted and divided by,
    std: tuple[float, float, float] = STD  # of colours 0..1
    seen: float = (
        1.0  # the part of the window's columns, in its middle, that their network looks at
    )
    box: str = ""  # the array of a sample that holds the box of their own evaluation
    reverses_columns: bool = True  # their mirror image: x -> W - 1 - x; else x -> W - x


def preparation(target: str) -> Preparation | None:
    """ModelSpec.crop -> the preparation; None for "fast", our one warp."""
    if target == FAST:
        return None
    found = resolve(target)
    if not isinstance(found, Preparation):
        raise InvalidData(
            f"'{target}' is a {type(found).__name__}, not a Preparation.",
            "A model's crop is 'fast' or names a hpscli.data.preparation.Preparation.",
        )
    return found


def square_side(name: str, window: Window) -> int:
    """-> the side of a square window; a preparation that is square refuses any other."""
    if window[0] != window[1]:
        raise UsageError(
            f"the official crop '{name}' is square, the model's window is {window[0]}x{window[1]}.",
            "Take a square input_size, or our own crop: --crop fast",
        )
    return window[0]


def square_pixels(
    crop: Callable[..., np.ndarray],
    image: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    window: Window,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    channel_noise: Sequence[float] = NO_NOISE,
) -> np.ndarray:
    """A crop that takes a side instead of a window -> (3,S,S) float32."""
    return crop(
        image,
        center,
        size_px,
        rotation_degrees=rotation_degrees,
        flip=flip,
        channel_noise=channel_noise,
        side=square_side(getattr(crop, "__name__", "crop"), window),
    )


def label_affine(
    center: Sequence[float] | np.ndarray,
    size_px: float,
    window: Window,
    rotation_degrees: float = 0.0,
    flip: bool = False,
) -> np.ndarray:
    """-> (2,3): how every family here moves points: centre to centre, lengths by width / size_px.

    Turned, then mirrored: x -> W - x, also where the mirrored column is W - 1 - x.
    """
    return crop_affine(np.asarray(center, np.float64), size_px, window, -rotation_degrees, flip)


def mirror_first_affine(
    center: Sequence[float] | np.ndarray,
    size_px: float,
    window: Window,
    rotation_degrees: float = 0.0,
    flip: bool = False,
) -> np.ndarray:
    """-> (2,3): the same where the picture is mirrored before it is turned (mmhuman3d, OSX)."""
    turn = -rotation_degrees if flip else rotation_degrees
    return label_affine(center, size_px, window, turn, flip)


def place_hmr2(box: np.ndarray | None, image_size: tuple[int, int], window: Window) -> Place:
    """Box (4,) xywh px -> centre and side: enlarged to 192:256, without a margin."""
    if box is None:
        return crop_window(None, image_size, window)
    x, y, width, height = (float(value) for value in box[:4])
    return official_crops.hmr2_box(x, y, x + width, y + height)


def place_spin(box: np.ndarray | None, image_size: tuple[int, int], window: Window) -> Place:
    """No box -> the whole picture about its middle pixel, as SPIN's demo; a box as any other."""
    if box is not None:
        return crop_window(box, image_size, window)
    height, width = image_size
    return np.array([width // 2, height // 2]), float(max(height, width))


def place_shorter_side(
    box: np.ndarray | None, image_size: tuple[int, int], window: Window
) -> Place:
    """No box -> the middle square of the picture; a box is placed as any other."""
    if box is not None:
        return crop_window(box, image_size, window)
    return np.array([image_size[1] / 2, image_size[0] / 2]), float(min(image_size))


def metro_demo_pixels(
    image: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    window: Window,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    channel_noise: Sequence[float] = NO_NOISE,
) -> np.ndarray:
    """The demo's whole picture -> (3,S,S) float32; a smaller box is cut out first, as by hand."""
    side = square_side("metro_demo", window)
    if rotation_degrees or tuple(channel_noise) != NO_NOISE:
        raise UsageError("METRO's demo neither rotates nor recolours a picture.")
    height, width = image.shape[:2]
    middle = np.array([width / 2, height / 2])
    whole = abs(size_px - min(height, width)) < 1 and np.abs(np.asarray(center) - middle).max() < 1
    shown = image if whole else _cut(image, center, size_px)
    shown = np.ascontiguousarray(shown[:, ::-1]) if flip else shown
    return metro_crops.metro_demo(shown, side)


def osx_pixels(
    image: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    window: Window,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    channel_noise: Sequence[float] = NO_NOISE,
) -> np.ndarray:
    """OSX's 3:4 patch, 0..1 -> (3,512,384) float32; its network halves and normalises nothing else."""
    if window != osx_crops.WINDOW:
        raise UsageError(
            f"the official crop 'osx' is 512x384, the model's window is {window[0]}x{window[1]}.",
            "Take input_size 512, 384, or our own crop: --crop fast",
        )
    height_px = size_px * window[0] / window[1]
    corner = float(center[0]) - size_px / 2, float(center[1]) - height_px / 2
    red, green, blue = (float(factor) for factor in channel_noise)
    change = osx_crops.Change(
        rotation_degrees=rotation_degrees, colour=(red, green, blue), flip=flip
    )
    box = np.array([*corner, size_px, height_px])
    return osx_crops.network_input(osx_crops.patch(image, box, change))


def place_osx(box: np.ndarray | None, image_size: tuple[int, int], window: Window) -> Place:
    """Box (4,) xywh px -> centre and width of its 3:4 box with OSX's margin, cut to the picture first."""
    found = None if box is None else osx_crops.person_box([float(v) for v in box[:4]], image_size)
    if found is None:
        return crop_window(box, image_size, window, osx_crops.ENLARGE)
    x, y, width, height = (float(value) for value in found)
    return np.array([x + 0.5 * width, y + 0.5 * height]), width


def _cut(image: np.ndarray, center: Sequence[float], size_px: float) -> np.ndarray:
    """-> the whole pixels of a square box, zero outside the picture."""
    length = max(1, round(size_px))
    left, top = round(float(center[0]) - size_px / 2), round(float(center[1]) - size_px / 2)
    box = np.zeros((length, length, 3), np.uint8)
    height, width = image.shape[:2]
    x0, x1 = max(0, left), min(width, left + length)
    y0, y1 = max(0, top), min(height, top + length)
    if x1 > x0 and y1 > y0:
        box[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return box


SPIN = Preparation(
    name="spin",
    summary="SPIN as all later code runs it: whole-pixel box, scikit-image resize with blur.",
    pixels=partial(square_pixels, official_crops.spin),
    affine=label_affine,
    place=place_spin,
)
SPIN_SCIPY = Preparation(
    name="spin_scipy",
    summary="SPIN as published in 2019: the contrast of every crop is stretched, then Pillow.",
    pixels=partial(square_pixels, official_crops.spin_scipy),
    affine=label_affine,
    place=place_spin,
)
MMHUMAN3D = Preparation(
    name="mmhuman3d",
    summary="mmhuman3d and hmr-benchmarks: one bilinear warp of bytes, no blur.",
    pixels=partial(square_pixels, official_crops.mmhuman3d),
    affine=mirror_first_affine,
    reverses_columns=False,
)
HMR2_EVALUATION = Preparation(
    name="hmr2_evaluation",
    summary="4D-Humans' evaluation: box at 192:256 without margin, one warp, no blur.",
    pixels=partial(square_pixels, official_crops.hmr2_evaluation),
    affine=label_affine,
    place=place_hmr2,
    window=(256, 256),
    seen=official_crops.HMR2_ASPECT[0] / official_crops.HMR2_ASPECT[1],
)
HMR2 = Preparation(
    name="hmr2",
    summary="4D-Humans' demo: box at 192:256 without margin, large pictures blurred, one warp.",
    pixels=partial(square_pixels, official_crops.hmr2),
    affine=label_affine,
    place=place_hmr2,
    measured=HMR2_EVALUATION,
    window=(256, 256),
    seen=official_crops.HMR2_ASPECT[0] / official_crops.HMR2_ASPECT[1],
)
PARE_DEMO = Preparation(
    name="pare_demo",
    summary="PARE's demo: one bilinear warp, no blur.",
    pixels=partial(square_pixels, official_crops.pare_demo),
    affine=label_affine,
)
METRO_DEMO = Preparation(
    name="metro_demo",
    summary="METRO's, Graphormer's and FastMETRO's demos: shorter side by Pillow, middle square.",
    pixels=metro_demo_pixels,
    affine=label_affine,
    place=place_shorter_side,
)
METRO = Preparation(
    name="metro",
    summary="METRO, Graphormer, FastMETRO: whole-pixel box, bilinear without anti-aliasing.",
    pixels=partial(square_pixels, metro_crops.metro),
    affine=label_affine,
    whole=METRO_DEMO,
    box=f"{AUTHORS_BOX}metro",
)
OSX = Preparation(
    name="osx",
    summary="OSX: a 3:4 box with a quarter of margin, one bilinear warp of floats, 0..1.",
    pixels=osx_pixels,
    affine=mirror_first_affine,
    place=place_osx,
    window=osx_crops.WINDOW,
    mean=(0.0, 0.0, 0.0),
    std=(1.0, 1.0, 1.0),
    box=f"{AUTHORS_BOX}osx",
    reverses_columns=False,
)
PREPARATIONS = (
    METRO,
    METRO_DEMO,
    SPIN,
    SPIN_SCIPY,
    MMHUMAN3D,
    PARE_DEMO,
    HMR2,
    HMR2_EVALUATION,
    OSX,
)
