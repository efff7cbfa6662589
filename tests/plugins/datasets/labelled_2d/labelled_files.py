"""Small downloads of LSP, MPII, LIP and Penn Action."""

from pathlib import Path

import cv2
import numpy as np

from hpscli.records import Person

WIDTH, HEIGHT = 120, 100


def joints_of(person: Person) -> np.ndarray:
    (joints,) = (a for name, a in person.arrays.items() if name.startswith("keypoints2d."))
    return joints


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def points(count: int, people: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(10, 90, (people, count, 2)).round(2)
