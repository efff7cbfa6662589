"""OSX's boxes and patches of one stored picture, bit for bit but for the warp of another OpenCV."""

import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.official_crops import osx
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden

EXACT = 1e-4  # float32 of pixels
WARP = 1.0  # README: "other OpenCV versions may differ by about 1 grey level"; the same gives 0
MEAN, INPUT = 0.05, WARP / 255
STRIDE = 4
ROW_PIXELS = 16


def replay_crops(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/preprocess.npz: boxes, patches of the changed and the unchanged picture, the draws."""
    golden = read_golden(folder, "goldens/preprocess.npz")
    picture = golden["image_uint8"]
    size = picture.shape[:2]
    boxes = [osx.person_box(box, size) for box in golden["process_bbox_in"]]
    rejected = np.full(4, np.nan)
    found = np.stack([rejected if box is None else box for box in boxes])
    yield compare("process_bbox_out", found, golden["process_bbox_out"], EXACT, "px")
    for key, numbers in golden.items():
        if case := re.fullmatch(r"(aug\d+_)params", key):
            yield from _patch(golden, case[1], picture, _change(numbers))
    yield from _patch(golden, "test_", picture, osx.UNCHANGED)
    yield _draws(golden, options)


def _change(numbers: Any) -> osx.Change:
    scale, rotation, red, green, blue, flip = (float(number) for number in numbers)
    return osx.Change(
        scale=scale, rotation_degrees=rotation, colour=(red, green, blue), flip=bool(flip)
    )


def _patch(
    golden: Mapping[str, Any], prefix: str, picture: Any, change: osx.Change
) -> Iterator[ArrayCheck]:
    box = golden[f"{prefix}bbox"]
    affines = osx.patch_affines(box, change, image_width=picture.shape[1])
    for name, affine in zip(("img2bb", "bb2img"), affines, strict=True):
        yield compare(f"{prefix}{name}", affine, golden[f"{prefix}{name}"], EXACT, "px")
    pixels = osx.patch(picture, box, change)
    told = {
        f"patch_stride{STRIDE}": (pixels[::STRIDE, ::STRIDE], WARP),
        "patch_mean": (pixels.mean(axis=(0, 1), dtype=np.float64), MEAN),
        "patch_std": (pixels.std(axis=(0, 1), dtype=np.float64), MEAN),
        "model_input_first_row": (osx.network_input(pixels)[:, 0, :ROW_PIXELS], INPUT),
    }
    for name, (value, tolerance) in told.items():
        if prefix + name in golden:
            yield compare(prefix + name, value, golden[prefix + name], tolerance)


def _draws(golden: Mapping[str, Any], options: ReplayOptions) -> ArrayCheck:
    key = next(key for key in golden if key.startswith("aug_rng_table"))
    told = [int(number) for number in re.findall(r"seed(\d+)", key)] or [0, 0]
    seeds = options.get("draw_seed", told[0]), options.get("draw_seed", told[-1])
    normal, uniform = np.random.RandomState(seeds[0]), random.Random(seeds[1])
    table = [_numbers(osx.draw_change(normal, uniform)) for _ in range(len(golden[key]))]
    return compare(key, np.array(table), golden[key], EXACT)


def _numbers(change: osx.Change) -> list[float]:
    return [change.scale, change.rotation_degrees, *change.colour, float(change.flip)]
