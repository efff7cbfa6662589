"""Cameras of studios: Human3.6M's metadata.xml and MPI-INF-3DHP's camera.calibration."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from hps_datasets.studio.labels import MM_PER_M
from hps_datasets.studio.takes import CAMERAS, SIZES_PX
from hpscli.errors import InvalidData, MissingError
from hpscli.records import Person

SUBJECTS = 11
PLACE = 6  # numbers of a camera before a subject: 3 angles, 3 of the translation
LENS = 9  # numbers of a camera: focal lengths, centre, 3 radial and 2 tangential coefficients
FIRST_LENS = PLACE * SUBJECTS * len(CAMERAS)
NEAREST = 0.1  # metres before the camera
FEWEST_POINTS = 17
EXACT = 0.001  # metres
EXACT_PX = 1.0  # labels are rounded, lenses may bend a little


@dataclass(frozen=True, kw_only=True)
class StudioCamera:
    """A camera that was calibrated. rotation (3,3), translation (3,) metres: world -> camera."""

    intrinsics: np.ndarray  # (3,3) px
    rotation: np.ndarray
    translation: np.ndarray
    distortion: np.ndarray = field(default_factory=lambda: np.empty(0))  # (8,) k1 .. k6, p1, p2

    def arrays(self) -> dict[str, np.ndarray]:
        """-> what a person's record says of the camera."""
        found = {
            "camera.intrinsics": self.intrinsics,
            "camera.rotation": self.rotation,
            "camera.translation": self.translation,
        }
        return found | {"extra.distortion": self.distortion} if self.distortion.size else found


def h36m_cameras(path: Path, reference: str = "") -> dict[tuple[str, str], StudioCamera]:
    """metadata.xml -> {(subject, camera): camera}.

    The file holds R = Rx Ry Rz and the camera's place C: x_camera = R (x_world - C). mmhuman3d stores
    the transposed R and C itself; asked for by `reference`.
    """
    numbers = _numbers(path)
    found = {}
    for index, camera in enumerate(CAMERAS):
        fx, fy, cx, cy, *bent = numbers[FIRST_LENS + LENS * index :][:LENS]
        for subject in range(SUBJECTS):
            place = numbers[PLACE * (SUBJECTS * index + subject) :][:PLACE]
            rotation, center = turned(place[:3]), place[3:] / MM_PER_M
            official = bool(reference)
            lens = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
            found[f"S{subject + 1}", camera] = StudioCamera(
                intrinsics=lens.astype(np.float32).astype(np.float64) if official else lens,
                rotation=rotation.T if official else rotation,
                translation=center if official else -rotation @ center,
                distortion=np.array([*bent[:3], 0, 0, 0, *bent[3:]]),
            )
    return found


def _numbers(path: Path) -> np.ndarray:
    try:
        element = next(ElementTree.parse(path).getroot().iter("w0"))
        numbers = np.array((element.text or "").strip(" []\n").split(), np.float64)
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None
    except (ElementTree.ParseError, StopIteration, ValueError) as error:
        raise InvalidData(f"{path} is no metadata of Human3.6M: no numbers w0 ({error}).") from None
    if len(numbers) < FIRST_LENS + LENS * len(CAMERAS) or not np.isfinite(numbers).all():
        raise InvalidData(f"{path}: w0 has {len(numbers)} numbers, expected 300.")
    return numbers


def turned(angles: np.ndarray) -> np.ndarray:
    """Angles (3,) about x, y and z -> Rx Ry Rz (3,3)."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_x @ about_y @ about_z)


def h36m_camera_document(root: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """The data set's folder -> `cam_param` of mmhuman3d's file: cameras by subject and camera."""
    found = {}
    for (subject, name), camera in h36m_cameras(root / "metadata.xml", "mmhuman3d").items():
        lens = zip(("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2"), camera.distortion, strict=True)
        height, width = SIZES_PX[name]
        found[subject, name] = {
            "in_mat": camera.intrinsics.tolist(),
            **{word: float(value) for word, value in lens},
            "H": height,
            "W": width,
            "rotation_mat": camera.rotation.tolist(),
            "translation": camera.translation.tolist(),
        }
    return found


def calibration(path: Path) -> dict[str, StudioCamera]:
    """camera.calibration of MPI-INF-3DHP -> {camera: camera}."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None
    found: dict[str, StudioCamera] = {}
    name, entries = "", dict[str, np.ndarray]()
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "name":
            name, entries = rest.strip(), {}
        elif word in ("intrinsic", "extrinsic"):
            entries[word] = _square(path, name, word, rest)
        if len(entries) == 2:
            place = entries["extrinsic"]
            found[name] = StudioCamera(
                intrinsics=entries["intrinsic"][:3, :3],
                rotation=place[:3, :3],
                translation=place[:3, 3] / MM_PER_M,
            )
            entries = {}
    return found


def _square(path: Path, name: str, word: str, text: str) -> np.ndarray:
    try:
        return np.array(text.split(), np.float64).reshape(4, 4)
    except ValueError:
        raise InvalidData(f"{path} camera {name}: {word} is not 16 numbers.") from None


def fitted_intrinsics(flat: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """Joints (N,2) px and (N,3) metres in the camera's frame -> the (3,3) that projects one to the other.

    For data sets that ship both and no camera. None where no pinhole camera does so exactly.
    """
    seen = np.isfinite(flat).all(1) & np.isfinite(points).all(1) & (points[:, 2] > NEAREST)
    if seen.sum() < FEWEST_POINTS or not seen.all():
        return None
    found = np.eye(3)
    for axis in (0, 1):
        slopes = np.stack([points[:, axis] / points[:, 2], np.ones(len(points))], axis=1)
        solved = np.linalg.lstsq(slopes, flat[:, axis], rcond=None)[0]
        if solved[0] <= 0 or np.abs(slopes @ solved - flat[:, axis]).max() > EXACT_PX:
            return None
        found[axis, axis], found[axis, 2] = solved
    return found


def with_camera(person: Person, intrinsics: np.ndarray | None) -> Person:
    """-> the same person, with a camera that was fitted to the labels, if there is one."""
    if intrinsics is None:
        return person
    arrays = {**person.arrays, "camera.intrinsics": intrinsics}
    return replace(person, arrays=arrays, meta={**person.meta, "camera_from": "labels"})


def placed(camera: StudioCamera, world: np.ndarray, seen: np.ndarray) -> StudioCamera:
    """The same joints (N,3) metres in the world and before a camera -> the camera where they put it.

    As it was when the joints are not the same up to a rotation and a translation.
    """
    middle, middle_seen = world.mean(0), seen.mean(0)
    left, _, right = np.linalg.svd((world - middle).T @ (seen - middle_seen))
    mirrored = np.diag([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = (left @ mirrored @ right).T
    translation = middle_seen - rotation @ middle
    if np.abs(world @ rotation.T + translation - seen).max() > EXACT:
        return camera
    return replace(camera, rotation=rotation, translation=translation)
