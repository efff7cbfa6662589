"""Hand poses that are stored relative to SMPL-X's mean hand -> relative to the flat hand."""

from functools import lru_cache

import numpy as np

from hpscli.body.files import have_asset, read_asset

GENDERS = ("neutral", "male", "female")  # their mean hands are the same


def relative_to_flat(pose: np.ndarray, side: str) -> np.ndarray | None:
    """Axis-angle (45,), left or right -> (45,); None when no SMPL-X body was imported."""
    for gender in GENDERS:
        if have_asset(f"smplx-{gender}"):
            return np.asarray(np.asarray(pose, np.float64) + _mean(f"smplx-{gender}", side))
    return None


@lru_cache(maxsize=4)
def _mean(asset: str, side: str) -> np.ndarray:
    arrays, _ = read_asset(asset)
    return np.asarray(arrays[f"hands_mean{side[0]}"], np.float64).reshape(45)
