"""Hand poses that are stored in SMPL-X's or MANO's own terms -> axis-angles relative to the flat hand.

Their files hold the mean hand and the principal components of hands: without them there is no answer.
"""

from functools import lru_cache

import numpy as np

from hpscli.body.assets.files import asset_path, have_asset, read_asset

GENDERS = ("neutral", "male", "female")  # their hands are the same
NUMBERS = 45  # of a hand: 15 joints


def relative_to_flat(pose: np.ndarray, side: str) -> np.ndarray | None:
    """Axis-angle (45,) relative to the mean hand, left or right -> (45,); None without SMPL-X."""
    stored = _stored(side)
    return None if stored is None else np.asarray(np.asarray(pose, np.float64) + stored[0])


def mano_hand_pose(pose: np.ndarray, hand: str = "right") -> dict[str, np.ndarray]:
    """Axis-angle (45,) relative to the mean hand of MANO -> mano.hand_pose of shards.

    Without the imported MANO it stays as it is, as extra.hand_pose_from_mean.
    """
    pose, mean = np.asarray(pose, np.float64), mano_mean(hand)
    return {"extra.hand_pose_from_mean": pose} if mean is None else {"mano.hand_pose": pose + mean}


def mano_mean(hand: str = "right") -> np.ndarray | None:
    """-> the mean hand (45,) of the imported MANO, right or left; None without it."""
    asset = f"mano-{hand}"
    if not have_asset(asset):
        return None
    return _read_mano(asset, asset_path(asset).stat().st_mtime_ns)


def from_components(coefficients: np.ndarray, side: str) -> np.ndarray | None:
    """Coefficients (N,) of the principal components, left or right -> (45,); None without SMPL-X."""
    stored = _stored(side)
    if stored is None:
        return None
    mean, components = stored
    return np.asarray(coefficients @ components[: len(coefficients)] + mean)


def _stored(side: str) -> tuple[np.ndarray, np.ndarray] | None:
    """-> mean (45,) and components (45,45) of the SMPL-X that was imported."""
    asset = next((name for g in GENDERS if have_asset(name := f"smplx-{g}")), "")
    return _read(asset, side, asset_path(asset).stat().st_mtime_ns) if asset else None


@lru_cache(maxsize=4)
def _read(asset: str, side: str, time: int) -> tuple[np.ndarray, np.ndarray] | None:
    """`time` of the file: another import is read anew."""
    arrays, _ = read_asset(asset)
    names = [f"hands_{part}{side[0]}" for part in ("mean", "components")]
    if any(name not in arrays for name in names):
        return None
    mean, components = (np.asarray(arrays[name], np.float64) for name in names)
    return mean.reshape(NUMBERS), components.reshape(-1, NUMBERS)


@lru_cache(maxsize=2)
def _read_mano(asset: str, time: int) -> np.ndarray:
    """-> the mean hand (45,) of MANO. `time` of the file: another import is read anew."""
    return np.asarray(read_asset(asset)[0]["hands_mean"], np.float64).reshape(NUMBERS)
