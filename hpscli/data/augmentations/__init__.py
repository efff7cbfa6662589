"""Augmentations of hmr-benchmarks, as its published trainings had them.

Each is a pair: `draw_...` takes random numbers in the order of the official code and returns what is
to be done, `apply_...` does it to a picture (H,W,3) uint8 and returns a new one. Colours are BGR
where a function says so. Source: reference hmr, 5.
"""

import random
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Draws:
    """The two sources of random numbers that the official code takes turns with."""

    numbers: np.random.RandomState
    python: random.Random


def draws(seed: int) -> Draws:
    """-> both sources as after `np.random.seed(seed)` and `random.seed(seed)`."""
    return Draws(np.random.RandomState(seed), random.Random(seed))


def is_run(draws: Draws, probability: float) -> bool:
    """-> whether albumentations runs a transform that stands in a list."""
    draws.python.random()  # of the list, which is always run
    return draws.python.random() < probability


@dataclass(frozen=True)
class Patch:
    """A rectangle of a picture, in px."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: np.ndarray) -> np.ndarray:
        """image (H,W,3) -> the part inside (h,w,3), a view."""
        return image[self.top : self.top + self.height, self.left : self.left + self.width]
