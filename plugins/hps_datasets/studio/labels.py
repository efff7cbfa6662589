"""What the data sets of motion capture share: millimetres, roots, joints without confidence."""

from pathlib import Path

import numpy as np

MM_PER_M = 1000.0
# SPIN's 24 slots of Human3.6M's 17 joints, left leg first (nkolot/SPIN, datasets/preprocess)
SPIN_SLOTS = (14, 3, 4, 5, 2, 1, 0, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6)
SPIN_JOINTS = 24


def sure(points: np.ndarray) -> np.ndarray:
    """Points (J,C) -> (J,C+1), the last column a confidence of 1."""
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def rooted(points: np.ndarray, root: int) -> np.ndarray:
    """Points (J,3) -> the same relative to joint `root`."""
    return np.asarray(points - points[root])


def spin_joints(points: np.ndarray) -> np.ndarray:
    """Points (17,C) with confidence, in the order of SPIN_SLOTS -> (24,C) in spin_gt24, others 0."""
    slots = np.zeros((SPIN_JOINTS, points.shape[1]))
    slots[list(SPIN_SLOTS)] = points
    return slots


def all_inside(points: np.ndarray, width: float, height: float) -> bool:
    """Whether all points (J,2) px lie in a picture of this size."""
    x, y = points.T
    return bool(((x >= 0) & (x < width) & (y >= 0) & (y < height)).all())


def option_folder(root: Path, text: str) -> Path:
    """The folder that an option names: as it stands, or below the data set's own."""
    given = Path(text).expanduser()
    return given if given.is_dir() else root / text
