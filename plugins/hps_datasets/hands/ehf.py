"""EHF: one hundred pictures of one person, detections of OpenPose, and scans fitted with SMPL-X meshes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.containers.ply import ply_vertices
from hpscli.data.forms.openpose import WHOLE_BODY, read_openpose
from hpscli.data.people import BOX_SCALE, padded_box
from hpscli.data.sample import MESHES
from hpscli.errors import HpsError, InvalidData, MissingError
from hpscli.records import Person

PICTURE, DETECTIONS, MESH = "_img.jpg", "_2Djnt.json", "_align.ply"
# The one camera of all pictures, world -> camera: EHF_camera.txt of its owner. Its rotation is the one
# that mmhuman3d has; translation and intrinsics are as several evaluation programs quote them.
ROTATION = (-2.98747896, 0.01172457, -0.05704687)  # axis-angle
TRANSLATION = (-0.03609917, 0.43416458, 2.37101226)  # metres
FOCAL_PX = 1498.22426237
CENTER_PX = (790.263706, 578.90334)  # of pictures of 1600 x 1200 px


def ehf(root: Path, split: str, *, reference: str) -> Iterator[Person | HpsError]:
    """EHF -> its people, the mesh in the camera frame."""
    names = sorted(path.name for path in root.glob("*.jpg" if reference else f"*{PICTURE}"))
    if not names:
        raise MissingError(f"{root} holds no pictures *{PICTURE}.")
    for name in names:
        stem = name.partition("_")[0] if reference else name.removesuffix(PICTURE)
        try:
            people = read_openpose(root / f"{stem}{DETECTIONS}", WHOLE_BODY)
            mesh = ply_vertices(root / f"{stem}{MESH}")
        except HpsError as error:
            yield error
            continue
        if not people:
            yield InvalidData(f"{stem}{DETECTIONS} has no person of OpenPose.")
            continue
        make = _as_reference if reference else ehf_person
        yield make(name, people[0], mesh)


def ehf_person(image: str, points: np.ndarray, mesh: np.ndarray) -> Person:
    """Detections and a mesh in the world -> a person; what OpenPose did not find has no label."""
    found = (points[:, 2] > 0) & np.isfinite(points).all(1)
    joints = np.where(found[:, None], points, 0.0)
    joints[:, 2] = joints[:, 2].clip(0, 1)
    rotation = camera_rotation()
    placed = mesh @ rotation.T + TRANSLATION
    whole = mesh.shape == (MESHES["vertices.smplx"], 3)
    intrinsics = np.array([[FOCAL_PX, 0, CENTER_PX[0]], [0, FOCAL_PX, CENTER_PX[1]], [0, 0, 1]])
    return Person(
        image=image,
        arrays={
            "keypoints2d.openpose137": joints,
            "vertices.smplx" if whole else "extra.vertices": placed,
            "camera.intrinsics": intrinsics,
            "camera.rotation": rotation,
            "camera.translation": np.array(TRANSLATION),
        },
        box=padded_box(joints[found, :2]) if found.sum() > 1 else None,
        meta={"body_source": "imported"},
    )


def _as_reference(image: str, points: np.ndarray, mesh: np.ndarray) -> Person:
    """As mmhuman3d: every point is certain, found or not, and the mesh is turned but not moved."""
    joints = np.concatenate([points[:, :2], np.ones((len(points), 1))], axis=1)
    low, high = (f(joints[:, :2].astype(np.float32), axis=0) for f in (np.min, np.max))
    half, middle = (high - low) * np.float32(BOX_SCALE) / 2, (high + low) / 2
    corners = middle - half, middle + half  # in single precision, as the file has them
    return Person(
        image=image,
        arrays={
            "keypoints2d.openpose137": joints,
            "extra.human_data.vertices": mesh @ camera_rotation().T,
        },
        box=np.concatenate([corners[0], corners[1] - corners[0]]).astype(np.float64),
    )


def camera_rotation() -> np.ndarray:
    """-> (3,3), world -> camera."""
    return axis_angle_to_matrix(torch.tensor(ROTATION, dtype=torch.float64)).numpy()
