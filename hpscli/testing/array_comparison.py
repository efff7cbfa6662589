"""A stored array against ours, by what it is: text, rotations, cameras, genders, pictures, numbers."""

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from hpscli.testing.goldens import ArrayCheck

POINTS = 1e-4  # px and metres of key points, boxes; reference/datasets/expected/README.md
ROTATIONS = 1e-5  # of matrices, for axis-angle near pi may turn its sign
ROTATION_ENTRIES = ("_pose", "global_orient", "pose", "pose_cam", "pose_world")
NO_ROTATION = ("openpose",)  # joints
SMALLEST_STD = 0.224  # of the colours by which pictures are divided (ImageNet)
PIXELS = 2 / 255 / SMALLEST_STD  # reference/datasets/expected/README.md: decoders and warps differ
FEW = 0.02  # the share of pixels that may differ more
PICTURE_ENTRIES = ("image_*", "img_*", "mask_*")
NO_PICTURE = (
    "image_path",
    "image_name",
    "image_id",
    "img_key",
    "img_path",
    "img_size",
    "img_shape",
    "img_id",
)
GENDERS = {  # every spelling in files of the field
    "m": "male",
    "male": "male",
    "f": "female",
    "female": "female",
    "n": "neutral",
    "neutral": "neutral",
    "": "",
    "nan": "",
}
SURREAL_GENDERS = ("female", "male")  # by number, in files made from SURREAL


def compare(name: str, found: Any, stored: np.ndarray, tolerance: float) -> ArrayCheck:
    """One stored array against ours: text exactly, rotations as matrices, numbers within."""
    if found is None:
        return verdict(name, float("inf"), 0.0, "we have no such entry")
    if name.endswith("_json"):
        rows = [json.loads(str(row)) for row in stored] if stored.ndim else json.loads(str(stored))
        return _compare_documents(name, found, rows, tolerance)
    found = np.asarray(found)
    if found.shape != stored.shape:
        return verdict(name, float("inf"), 0.0, f"shape {found.shape}, stored {stored.shape}")
    if name.rpartition(".")[2] == "gender":
        return _different(name, genders(found), genders(stored))
    if stored.dtype.kind in "USb":
        same_kind = found.astype(str if stored.dtype.kind in "US" else stored.dtype)
        return _different(name, same_kind, stored)
    if found.dtype.kind not in "biuf":
        return verdict(name, float("inf"), 0.0, f"of type {found.dtype}, stored {stored.dtype}")
    rotation = name.endswith(ROTATION_ENTRIES) and name not in NO_ROTATION
    if rotation and stored.ndim and stored.shape[-1] % 3 == 0:
        both = [_matrices(array) for array in (found, stored)]
        return verdict(name, worst(*both), ROTATIONS)
    if name not in NO_PICTURE and any(fnmatchcase(name, p) for p in PICTURE_ENTRIES):
        return _compare_pictures(name, found, stored, max(tolerance, PIXELS))
    return verdict(name, worst(found, stored), tolerance)


def verdict(name: str, off: float, tolerance: float, note: str = "") -> ArrayCheck:
    """-> the verdict on an array whose largest difference is `off`."""
    ok = bool(off <= tolerance)
    return ArrayCheck(name=name, worst=off, tolerance=tolerance, unit="", ok=ok, note=note)


def worst(found: np.ndarray, stored: np.ndarray) -> float:
    """-> the largest difference; NaN in both is none, NaN in one is infinite."""
    found, stored = found.astype(np.float64), stored.astype(np.float64)
    absent = np.isnan(found), np.isnan(stored)
    difference = np.where(absent[0] & absent[1], 0.0, np.abs(found - stored))
    difference[absent[0] != absent[1]] = np.inf
    return float(difference.max(initial=0.0))


def genders(array: np.ndarray) -> np.ndarray:
    """Genders in any spelling, SURREAL's numbers too -> male, female, neutral or ""."""
    if array.dtype.kind in "iu":
        known = [SURREAL_GENDERS[n] if n in (0, 1) else str(n) for n in array.ravel()]
    else:
        known = [GENDERS.get(str(word).lower(), str(word)) for word in array.ravel()]
    return np.array(known, dtype=str).reshape(array.shape)


def numbers(document: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """A document of dictionaries and lists -> (place, number or text) of everything in it."""
    if isinstance(document, Mapping):
        for key in document:
            word = "|".join(map(str, key)) if isinstance(key, tuple) else str(key)
            yield from numbers(document[key], f"{place}.{word}")
    elif isinstance(document, list | tuple) or (isinstance(document, np.ndarray) and document.ndim):
        for number, item in enumerate(document):
            yield from numbers(item, f"{place}[{number}]")
    else:
        yield place, document.item() if isinstance(document, np.generic) else document


def _compare_documents(name: str, found: Any, stored: Any, tolerance: float) -> ArrayCheck:
    """Cameras and other dictionaries: every number that is stored; a camera's `name` is only that."""
    ours = dict(numbers(json.loads(found) if isinstance(found, str) else found))
    off, note, count = 0.0, "", 0
    for place, value in numbers(stored):
        if place.endswith(".name"):
            continue
        count += 1
        mine = ours.get(place)
        if isinstance(value, int | float) and isinstance(mine, int | float):
            distance = abs(float(value) - float(mine))
        else:
            distance = 0.0 if value == mine else float("inf")
        if not distance <= max(off, tolerance):
            note = note or f"{place.strip('.')}: {mine}, stored {value}"
        off = max(off, distance if distance == distance else float("inf"))
    return verdict(name, off, tolerance, note or f"{count} numbers")


def _compare_pictures(
    name: str, found: np.ndarray, stored: np.ndarray, tolerance: float
) -> ArrayCheck:
    """Pixels after the authors' crop: all but a few within."""
    difference = np.abs(found.astype(np.float64) - stored.astype(np.float64)).ravel()
    outside = float((difference > tolerance).mean()) if difference.size else 0.0
    if not np.isfinite(difference).all() or outside > FEW:
        return verdict(name, float(difference.max()), tolerance, f"{outside:.1%} of pixels differ")
    kept = np.sort(difference)[: len(difference) - round(outside * len(difference))]
    note = f"without {outside:.1%} of pixels" if outside else ""
    return verdict(name, float(kept.max(initial=0.0)), tolerance, note)


def _different(name: str, found: np.ndarray, stored: np.ndarray) -> ArrayCheck:
    wrong = np.flatnonzero(np.asarray(found != stored).ravel())
    note = ""
    if len(wrong):
        first = wrong[0]
        note = f"{len(wrong)} differ; row {first}: {found.ravel()[first]}, stored "
        note += str(stored.ravel()[first])
    return verdict(name, float(len(wrong)), 0.0, note)


def _matrices(array: np.ndarray) -> np.ndarray:
    """Axis-angle (..., 3n) -> rotation matrices, flat."""
    import torch

    from hpscli.body.rotations import axis_angle_to_matrix

    turned = torch.from_numpy(np.array(array, np.float64).reshape(-1, 3))
    return axis_angle_to_matrix(turned).numpy()
