"""The calibration files of RICH: XML as OpenCV writes it, one for each camera."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from hps_datasets.scenes.labels import numbers
from hpscli.errors import InvalidData, MissingError

MAX_BYTES = 1 << 20  # such a file has 2 kB
OPENCV = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
KEPT = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")  # as extra.distortion has them
ENTRIES = {"CameraMatrix": (3, 4), "Intrinsics": (3, 3)}


@dataclass(frozen=True)
class Camera:
    """World -> picture."""

    intrinsics: np.ndarray  # (3,3) px
    rotation: np.ndarray  # (3,3)
    translation: np.ndarray  # (3,) metres
    distortion: np.ndarray  # (8,) k1 .. k6, p1, p2; nobody applies them


@lru_cache(maxsize=64)
def read_camera(path: Path) -> Camera:
    """An XML file with CameraMatrix (3,4), Intrinsics (3,3) and Distortion -> the camera."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None
    if len(content) > MAX_BYTES or b"<!ENTITY" in content:  # entities can grow without end
        raise InvalidData(f"{path} is no calibration of a camera.")
    try:
        tree = ElementTree.fromstring(content)
        found = {name: _matrix(tree, name).reshape(shape) for name, shape in ENTRIES.items()}
        matrix, intrinsics = found["CameraMatrix"], found["Intrinsics"]
        distortion = _bent(_matrix(tree, "Distortion"))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InvalidData(f"{path} is no calibration of a camera: {error}.") from None
    return Camera(intrinsics, matrix[:, :3], matrix[:, 3], distortion)


def _bent(coefficients: np.ndarray) -> np.ndarray:
    """Coefficients as OpenCV orders them -> (8,) k1 .. k6, p1, p2; those not there are 0."""
    found = np.zeros(len(OPENCV))
    found[: len(coefficients)] = coefficients  # ValueError for more
    return found[[OPENCV.index(name) for name in KEPT]]


def _matrix(tree: ElementTree.Element, name: str) -> np.ndarray:
    text = tree.findtext(f"./{name}/data")
    if text is None:
        raise LookupError(f"no {name}")
    return numbers([float(word) for word in text.split()], -1)
