"""What the data sets of this family share: fields of pickles, OpenPose files, boxes around points."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.forms.human_data import in_annotated_slots
from hpscli.data.forms.openpose import read_openpose
from hpscli.errors import InvalidData, MissingError, UsageError, in_words

GENDERS = {"m": "male", "f": "female", "male": "male", "female": "female", "neutral": "neutral"}
ANNOTATED = "annotated"  # option `slots`: OpenPose's joints in the slots of annotated ones
DETECTED = 0.15  # of OpenPose; above it the converters of the field call a joint labelled


def numbers(values: Any, *shape: int) -> np.ndarray:
    """Values and a shape (-1: any length) -> float array of that shape; ValueError when it does not fit."""
    array = np.asarray(values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"not numbers but {array.dtype}")
    fits = array.ndim == len(shape) and all(
        want in (-1, have) for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"shape {array.shape}, expected {shape}")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def flat(values: Any, count: int) -> np.ndarray:
    """Values in any arrangement, as (1,10) for (10,) -> (count,); ValueError for another number."""
    return numbers(np.asarray(values).reshape(-1), count)


def text(value: Any) -> str:
    """A word of a Python 2 pickle, bytes or text -> text."""
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def mapping(value: Any, name: str) -> Mapping[str, Any]:
    """-> the dictionary that a file holds; InvalidData when it holds something else."""
    if not isinstance(value, Mapping):
        raise InvalidData(f"{name} holds no dictionary.", "Unpack the owner's archive again.")
    return value


def read_json(path: Path, name: str) -> Any:
    """-> the content of a JSON file; MissingError or InvalidData name it as `name`."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise MissingError(f"{name} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{name} is no JSON: {in_words(error)}.") from None


def first_openpose(path: Path, name: str) -> np.ndarray | None:
    """A file of OpenPose -> the 25 joints (25,3) of its first person, or None without one."""
    people = read_openpose(path, name=name)
    return people[0] if people else None


def converted_confidences(points: np.ndarray) -> np.ndarray:
    """OpenPose joints (25,3) as hmr-benchmarks keeps them: above 0.15 it is 1, below it stays."""
    points = points.copy()
    points[points[:, 2] > DETECTED, 2] = 1
    return points


def converted_joints(points: np.ndarray, slots: str) -> dict[str, np.ndarray]:
    """OpenPose joints (25,3) -> as its own joints, or where hmr-benchmarks' networks find them."""
    if slots == ANNOTATED:
        return in_annotated_slots(points, "openpose25")
    return {"keypoints2d.openpose25": points}


def check_slots(slots: str, reference: str) -> None:
    """Raise for an option `slots` that nobody knows, or that means nothing."""
    if slots not in ("", ANNOTATED):
        raise UsageError(f"slots={slots} is none of {ANNOTATED}.")
    if slots and not reference:
        raise UsageError(
            f"slots={slots} is a habit of hmr-benchmarks.", "Add --as-reference, or leave it out."
        )


def detected(points: np.ndarray) -> np.ndarray:
    """OpenPose joints (25,3) -> the (N,2) that are surely there; with fewer than two, all it found."""
    sure = points[points[:, 2] > DETECTED, :2]
    return sure if len(sure) > 1 else points[points[:, 2] > 0, :2]
