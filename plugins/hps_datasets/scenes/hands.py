"""Hands that fits keep as coefficients of MANO's principal components -> rotations of finger joints."""

from functools import lru_cache
from typing import Any

import numpy as np

from hps_datasets.scenes.labels import flat
from hpscli.body.files import asset_path, have_asset, read_asset

COEFFICIENTS = 12  # num_pca_comps of PROX's and RICH's fits
LETTERS = {"left": "l", "right": "r"}  # hands_componentsl, hands_meanl in the files of SMPL-X


def finger_rotations(side: str, coefficients: np.ndarray) -> np.ndarray | None:
    """Side and coefficients (12,) -> axis-angle (45,) relative to the flat hand.

    None when no SMPL-X body was imported: its file holds the components and the mean hand.
    """
    stored = _components(side)
    if stored is None:
        return None
    components, mean = stored
    return np.asarray(coefficients @ components[: len(coefficients)] + mean)


def _components(side: str) -> tuple[np.ndarray, np.ndarray] | None:
    """-> components (45,45) and mean (45,); those of all genders are the same."""
    for gender in ("neutral", "male", "female"):
        asset = f"smplx-{gender}"
        if have_asset(asset):
            return _read(asset, side, asset_path(asset).stat().st_mtime_ns)
    return None


@lru_cache(maxsize=2)
def _read(asset: str, side: str, time: int) -> tuple[np.ndarray, np.ndarray] | None:
    """`time` of the file: another import is read anew."""
    arrays: dict[str, Any] = read_asset(asset)[0]
    names = [f"hands_{part}{LETTERS[side]}" for part in ("components", "mean")]
    if any(name not in arrays for name in names):
        return None
    components, mean = (np.asarray(arrays[name], np.float64) for name in names)
    return components.reshape(-1, 45), mean.reshape(45)


def smplx_arrays(fit: Any) -> dict[str, np.ndarray]:
    """The pickle of a fit of SMPLify-X -> named arrays, in the frame of the fit.

    Coefficients of hands are kept as `extra.left_hand_pca`, and unfolded where that is possible.
    """
    counts = {"global_orient": 3, "body_pose": 63, "betas": 10, "transl": 3}
    arrays = {f"smplx.{name}": flat(fit[name], count) for name, count in counts.items()}
    more = {"jaw_pose": 3, "leye_pose": 3, "reye_pose": 3, "expression": 10}
    for name in (name for name in more if name in fit):
        arrays[f"smplx.{name}"] = flat(fit[name], more[name])
    for side in LETTERS:
        if f"{side}_hand_pose" not in fit:
            continue
        coefficients = flat(fit[f"{side}_hand_pose"], COEFFICIENTS)
        arrays[f"extra.{side}_hand_pca"] = coefficients
        rotations = finger_rotations(side, coefficients)
        if rotations is not None:
            arrays[f"smplx.{side}_hand_pose"] = rotations
    return arrays
