"""Cameras of HumanData files, in every spelling: a list by person, a dictionary by subject and camera."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

INTRINSICS, ROTATION, TRANSLATION = ("in_mat", "K"), ("rotation_mat", "R"), ("translation", "T")
DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")

Arrays = dict[str, np.ndarray]
Size = tuple[int, int] | None


class Cameras:
    """`cam_param` of a file; `of(row, path)` is the camera of one person."""

    def __init__(self, stored: Any) -> None:
        self._list: Sequence[Any] | None = None
        self._named: Mapping[Any, Any] = {}
        self._one: Mapping[str, Any] | None = None
        if isinstance(stored, Mapping) and _is_camera(stored):
            self._one = stored
        elif isinstance(stored, Mapping):
            self._named = stored
        elif stored is not None:
            self._list = list(np.asarray(stored, object).ravel())
        self._of_folder = lru_cache(maxsize=4096)(self._search)

    def rows(self) -> int:
        """-> for how many people the list is; -1 without a list."""
        return -1 if self._list is None else len(self._list)

    def of(self, row: int, path: str) -> tuple[Arrays, Size]:
        """-> arrays camera.*, and height and width of the picture where it tells them."""
        if self._list is not None:
            camera = self._list[row]
        else:
            camera = self._one or self._of_folder(path.rpartition("/")[0] or path)
        return camera_arrays(camera) if isinstance(camera, Mapping) else ({}, None)

    def _search(self, folder: str) -> Any:
        """The camera all of whose key's words are in the path: ("S1", "54138969") in S1/x.54138969."""
        words = set(re.split(r"[/._]", folder))
        for key, camera in self._named.items():
            parts = key if isinstance(key, tuple | list) else (key,)
            if all(str(part) in words for part in parts):
                return camera
        return None


def camera_arrays(camera: Mapping[str, Any]) -> tuple[Arrays, Size]:
    """One camera of mmhuman3d -> camera.intrinsics, .rotation, .translation, extra.distortion; size."""
    found: Arrays = {}
    if (matrix := _first(camera, INTRINSICS)) is not None:
        found["camera.intrinsics"] = _square(matrix)
    if (rotation := _first(camera, ROTATION)) is not None:
        found["camera.rotation"] = _square(rotation)
    if (translation := _first(camera, TRANSLATION)) is not None:
        found["camera.translation"] = np.asarray(translation, np.float64).reshape(3)
    bent = np.array([float(camera.get(word) or 0) for word in DISTORTION])
    if bent.any():
        found["extra.distortion"] = bent
    height, width = camera.get("H"), camera.get("W")
    size = (int(height), int(width)) if height and width else None
    return found, size


def pinhole(focal: Any, principal: Any) -> np.ndarray:
    """Focal lengths (2,) or one, principal point (2,) px -> (3,3)."""
    focal = np.resize(np.asarray(focal, np.float64), 2)
    x, y = np.asarray(principal, np.float64).reshape(2)
    return np.array([[focal[0], 0, x], [0, focal[1], y], [0, 0, 1.0]])


def _square(matrix: Any) -> np.ndarray:
    """(3,3) or (4,4) -> (3,3); a (4,4) matrix of mmhuman3d's own kind has its 1 in the last row."""
    array = np.asarray(matrix, np.float64)
    if array.shape not in ((3, 3), (4, 4)):
        raise ValueError(f"a camera's matrix is {array.shape}")
    array = np.array(array[:3, :3])
    array[2] = [0, 0, 1] if array[2].tolist() == [0, 0, 0] else array[2]
    return array


def _is_camera(stored: Mapping[Any, Any]) -> bool:
    return any(word in stored for word in (*INTRINSICS, *ROTATION))


def _first(camera: Mapping[str, Any], words: Sequence[str]) -> Any:
    return next((camera[word] for word in words if camera.get(word) is not None), None)
