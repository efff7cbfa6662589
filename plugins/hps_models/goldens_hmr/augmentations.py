"""Augmentations of hmr-benchmarks: the same seed, the same picture."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.augmentations import Draws, draws
from hpscli.data.augmentations.boxes import draw_random_crop
from hpscli.data.augmentations.colours import (
    apply_channel_noise,
    apply_photometric,
    draw_channel_noise,
    draw_photometric,
)
from hpscli.data.augmentations.erasing import (
    apply_erasing,
    apply_holes,
    draw_coarse_dropout,
    draw_grid_dropout,
    draw_hard_erasing,
    draw_mixing,
)
from hpscli.data.augmentations.occluders import (
    apply_occluders,
    draw_occluders,
    draw_occluders_on_joints,
)
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden

EXACT, COLOUR = 0.0, 1.0  # grey levels; OpenCV's way through hue rounds by version
Case = Callable[[Draws, Mapping[str, Any], ReplayOptions], Any]


def replay(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/augmentations.npz: every `NAME_seedN`, drawn and done again."""
    golden = read_golden(folder, "goldens/augmentations.npz")
    for key, expected in golden.items():
        found = re.fullmatch(r"(\w+)_seed(\d+)", key)
        if found and found[1] in CASES:
            got = CASES[found[1]](draws(int(found[2])), golden, options)
            tolerance = COLOUR if found[1] == "photometric" else EXACT
            yield compare(key, got, expected, tolerance, "grey levels")
    if "channel_noise_factors" in golden:
        seed = next(int(key.rsplit("seed", 1)[1]) for key in golden if "channel_noise_seed" in key)
        factors = draw_channel_noise(draws(seed))[None]
        yield compare("channel_noise_factors", factors, golden["channel_noise_factors"], 1e-6)


def _image(golden: Mapping[str, Any]) -> np.ndarray:
    name = next(key for key in golden if key.startswith("image_bgr"))
    return np.asarray(golden[name])


def _size(golden: Mapping[str, Any]) -> tuple[int, int]:
    height, width = _image(golden).shape[:2]
    return height, width


def _box(options: ReplayOptions) -> tuple[tuple[float, float], float]:
    """-> centre and side of the box, which the golden does not store."""
    center = (options.get("center_x", 50), options.get("center_y", 45))
    return center, float(options.get("box_size", 80))


def _cutouts(golden: Mapping[str, Any]) -> list[np.ndarray]:
    return [golden[key] for key in sorted(golden) if key.startswith("occluder")]


def _mixing(kind: Any) -> Case:
    def case(random: Draws, golden: Mapping[str, Any], options: ReplayOptions) -> np.ndarray:
        erasing = draw_mixing(random, _size(golden), kind=kind, probability=1.0)
        return apply_erasing(_image(golden), erasing)

    return case


def _hard(random: Draws, golden: Mapping[str, Any], options: ReplayOptions) -> np.ndarray:
    erasing = draw_hard_erasing(random, _size(golden), *_box(options), probability=1.0)
    return apply_erasing(_image(golden), erasing)


def _coarse(random: Draws, golden: Mapping[str, Any], options: ReplayOptions) -> np.ndarray:
    holes = draw_coarse_dropout(random, _size(golden), probability=1.0)
    return apply_holes(_image(golden), holes)


def _grid(random: Draws, golden: Mapping[str, Any], options: ReplayOptions) -> np.ndarray:
    holes = draw_grid_dropout(random, _size(golden), probability=1.0)
    return apply_holes(_image(golden), holes)


def _photometric(random: Draws, golden: Mapping[str, Any], options: ReplayOptions) -> np.ndarray:
    return apply_photometric(_image(golden), draw_photometric(random))


def _noise(random: Draws, golden: Mapping[str, Any], options: ReplayOptions) -> np.ndarray:
    return apply_channel_noise(_image(golden), draw_channel_noise(random))


def _crop(random: Draws, golden: Mapping[str, Any], options: ReplayOptions) -> np.ndarray:
    center, side = draw_random_crop(random, *_box(options), probability=1.0)
    return np.array([*center, side, side])


def _anywhere(random: Draws, golden: Mapping[str, Any], options: ReplayOptions) -> np.ndarray:
    objects = draw_occluders(random, _size(golden), _cutouts(golden))
    return apply_occluders(_image(golden), objects)


def _on_joints(random: Draws, golden: Mapping[str, Any], options: ReplayOptions) -> np.ndarray:
    joints = golden["keypoints2d"]
    objects = draw_occluders_on_joints(
        random, _size(golden), _cutouts(golden), joints, _box(options)[1]
    )
    return apply_occluders(_image(golden), objects)


CASES: Mapping[str, Case] = {
    # name in the golden -> what is done
    "self_mix": _mixing("self"),
    "soft_erase": _mixing("soft"),
    "const_noise": _mixing("const"),
    "hard_erasing": _hard,
    "photometric": _photometric,
    "random_crop": _crop,
    "syn_occ": _anywhere,
    "syn_occ_kp": _on_joints,
    "channel_noise": _noise,
    "coarse_dropout": _coarse,
    "grid_dropout": _grid,
}
