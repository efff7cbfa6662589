"""The measure itself: it finds a shift, an enlargement and a contrast that are known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hpscli.data.crops import compose, crop_affine, crop_pixels
from hpscli.data.official_crops.difference import crop_difference, photo_like
from hpscli.data.preparation import METRO, MMHUMAN3D, Preparation

PICTURE = photo_like(500, 500, seed=2)
PLACE = (np.array([251.3, 247.6]), 238.7)


def moved(shift: tuple[float, float], growth: float, contrast: float) -> Preparation:
    """-> our warp with a known mistake."""

    def pixels(image: np.ndarray, center: Any, size_px: float, *, window: Any) -> np.ndarray:
        scale = 1.0 + growth
        middle = np.array([window[1], window[0]]) / 2
        offset = middle * (1 - scale) + shift
        mistake = np.array([[scale, 0, offset[0]], [0, scale, offset[1]]])
        affine = compose(crop_affine(center, size_px, window), mistake)
        crop = crop_pixels(image, affine, window).astype(np.float64)
        return ((contrast * (crop - 100) + 100) / 255).transpose(2, 0, 1).astype(np.float32)

    return replace(MMHUMAN3D, name="moved", pixels=pixels, mean=(0.0,) * 3, std=(1.0,) * 3)


@pytest.mark.parametrize(
    ("shift", "growth", "contrast"),
    [((0.0, 0.0), 0.0, 1.0), ((0.37, -0.81), 0.0, 1.0), ((-1.6, 0.4), 0.004, 1.5)],
)
def test_a_known_mistake_is_found(
    shift: tuple[float, float], growth: float, contrast: float
) -> None:
    found = crop_difference(moved(shift, growth, contrast), PICTURE, *PLACE)
    np.testing.assert_allclose(found.shift_px, shift, atol=0.03)
    assert found.enlarged == pytest.approx(1 + growth, abs=3e-4)
    assert found.stretched == pytest.approx(contrast, abs=0.02)
    assert found.left_mean < 0.6


def test_the_same_warp_differs_by_rounding_alone() -> None:
    found = crop_difference(MMHUMAN3D, PICTURE, *PLACE)
    assert found.mean < 0.05 and found.greatest <= 2


def test_whole_pixel_boxes_move_the_picture_as_the_documentation_says() -> None:
    found = crop_difference(METRO, PICTURE, *PLACE)
    first, last = (np.trunc(PLACE[0] + side * PLACE[1] / 2) for side in (-1, 1))
    expected = (PLACE[0] - first + 0.5) * 224 / (last - first) - 0.5 - 112
    np.testing.assert_allclose(found.shift_px, expected, atol=0.05)
    assert found.left_mean < found.mean / 2


def test_the_made_picture_has_detail_of_every_size() -> None:
    grey = photo_like(256, 256).mean(axis=2)
    spectrum = np.abs(np.fft.rfft2(grey - grey.mean())) ** 2
    bands = [spectrum[low : 2 * low, low : 2 * low].mean() for low in (2, 8, 32)]
    assert bands[0] > 3 * bands[1] > 9 * bands[2] > 0


def test_a_picture_without_detail_tells_no_shift() -> None:
    for level in (0, 140):
        found = crop_difference(METRO, np.full((300, 300, 3), level, np.uint8), (150, 150), 200.0)
        assert found.mean < 0.1 and np.abs(found.shift_px).max() < 1e-6
