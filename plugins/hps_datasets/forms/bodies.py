"""Body parameters of HumanData files, one person at a time, in the shapes of shards."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hpscli.body.hand_means import mano_hand_pose, relative_to_flat
from hpscli.data.sample import SHAPES

SURREAL_GENDERS = ("female", "male")  # stored as 0 and 1
GENDERS = {
    "m": "male",
    "male": "male",
    "f": "female",
    "female": "female",
    "n": "neutral",
    "neutral": "neutral",
}
SPELLINGS = {  # of other code -> ours, by body
    "mano": {"right_hand_pose": "hand_pose", "left_hand_pose": "hand_pose", "pose": "hand_pose"},
    "smplx": {"lhand_pose": "left_hand_pose", "rhand_pose": "right_hand_pose"},
}
TRANSLATIONS = {"trans": "transl", "translation": "transl"}
HANDS = ("flat", "mean")  # what hand poses may be relative to
BODIES = ("smpl", "smplx", "mano", "smplh")


def parameters(body: str, part: str, row: np.ndarray) -> dict[str, np.ndarray]:
    """One person's entry of a dictionary -> {array: values}; what shards do not know as `extra`."""
    values = np.asarray(row)
    if values.dtype.kind not in "fiu":
        return {}
    part = TRANSLATIONS.get(part, SPELLINGS.get(body, {}).get(part, part))
    flat = values.astype(np.float64 if values.dtype.kind != "f" else values.dtype).ravel()
    expected = SHAPES.get(f"{body}.{part}")
    if expected is None:
        return {f"extra.{body}_{part}": values}
    if part == "hand_pose" and flat.size == 48:  # MANO's root first
        return {f"{body}.global_orient": flat[:3], f"{body}.hand_pose": flat[3:]}
    if flat.size == expected[0]:
        return {f"{body}.{part}": flat}
    if part in ("betas", "expression") and flat.size > expected[0]:
        return {f"{body}.{part}": flat[: expected[0]], f"extra.{body}_{part}": flat}
    if part.endswith("_hand_pose"):  # coefficients of a hand's principal components, as in PROX
        return {f"extra.{body}_{part}_pca": flat}
    raise ValueError(f"{body}.{part} has {flat.size} numbers, expected {expected[0]}")


def flatten_hands(found: dict[str, np.ndarray], hand: str = "right") -> None:
    """Hand poses relative to the mean hand -> to the flat hand, in place; `extra` without the body.

    hand: which one mano.* is about.
    """
    pose = found.pop("mano.hand_pose", None)
    if pose is not None:
        found.update(mano_hand_pose(pose, hand))
    for side in ("left", "right"):
        pose = found.pop(f"smplx.{side}_hand_pose", None)
        if pose is not None:
            flat = relative_to_flat(pose, side)
            name = (
                f"extra.{side}_hand_pose_from_mean" if flat is None else f"smplx.{side}_hand_pose"
            )
            found[name] = pose if flat is None else flat


def stated_hands(misc: Mapping[str, Any]) -> str:
    """-> what `misc` says that hand poses are relative to; flat where it is silent."""
    stated = misc.get("flat_hand_mean", True)
    return "mean" if isinstance(stated, bool | np.bool_) and not stated else "flat"


def gender_of(stored: Any) -> str:
    """A gender in any spelling, SURREAL's numbers too -> male, female, neutral or "" (unknown)."""
    if isinstance(stored, bytes):
        stored = stored.decode("latin1")
    if isinstance(stored, str):
        return GENDERS.get(stored.strip().lower(), "")
    if isinstance(stored, bool | np.bool_) or not isinstance(stored, int | float | np.number):
        return ""
    return SURREAL_GENDERS[int(stored)] if stored in (0, 1) else ""


def length_of(values: Any) -> int:
    """-> for how many people an entry of a dictionary is; -1 for a single value."""
    array = np.asarray(values) if not isinstance(values, np.ndarray) else values
    return len(array) if array.ndim else -1


def plain(value: Any) -> Any:
    """-> a value as JSON knows it; None for what is no number and no text."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode("latin1")
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, str | bool | int | float) else None


def is_row_of(values: Any, rows: int) -> bool:
    """Whether these are values of all people, and not a remark about the file."""
    return not isinstance(values, Mapping | str) and length_of(values) == rows
