"""Labels of a training batch follow its crop as those of mmhuman3d's and SPIN's own loaders do."""

import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hpscli.data.augmentations.changes import Changes, unchanged
from hpscli.data.batch import Packed, pack
from hpscli.records import Sample

METRES = RADIANS = 1e-5
SIDE = 224


class Loader(NamedTuple):
    golden: str
    joints2d: str
    joints3d: str
    names: tuple[str, str, str, str]  # what goes in: 2D, 3D; what comes out: 2D, 3D
    pixels: float


MMHUMAN3D = ("keypoints2d_in", "keypoints3d_in", "keypoints2d", "keypoints3d")
SPIN = ("kp2d_in", "kp3d_in", "kp2d_norm", "kp3d")
LOADERS = [
    Loader("preprocess_mmhuman3d", "smpl54", "smpl54", MMHUMAN3D, 1e-3),
    # SPIN cuts corners and points to whole pixels; training does not
    Loader("preprocess_spin", "smpl49", "spin_gt24", SPIN, 2.01),
]


def sample(golden: dict[str, np.ndarray], loader: Loader, case: dict) -> Sample:
    pose = golden["pose_in"].astype(np.float32)
    arrays = {
        "image.affine": np.array([[1, 0, 0], [0, 1, 0]], np.float32),
        "box.center": np.array(case["center"], np.float32),
        "box.size": np.array([case["scale"] * 200], np.float32),
        f"keypoints2d.{loader.joints2d}": golden[loader.names[0]].astype(np.float32),
        f"keypoints3d.{loader.joints3d}": golden[loader.names[1]].astype(np.float32),
        "smpl.global_orient": pose[:3],
        "smpl.body_pose": pose[3:],
        "smpl.betas": np.zeros(10, np.float32),
    }
    picture = cv2.imencode(".png", np.zeros((480, 640, 3), np.uint8))[1].tobytes()
    return Sample(key="0000000", image=picture, arrays=arrays, meta={})


def change(loader: Loader, case: dict) -> Changes:
    """-> the turn of a case, the other way round; mmhuman3d's is one of the mirrored picture."""
    made = unchanged(1)
    made.flip[0] = bool(case["flip"])
    mirrored_first = loader.golden == "preprocess_mmhuman3d" and case["flip"]
    made.rotation_degrees[0] = case["rot"] if mirrored_first else -case["rot"]
    return made


def theirs(golden: dict[str, np.ndarray], loader: Loader, number: int) -> dict[str, np.ndarray]:
    points, joints = (golden[f"case{number}_{name}"] for name in loader.names[2:])
    if loader.golden == "preprocess_spin":
        return {"2d": points, "3d": joints, "pose": golden[f"case{number}_pose"]}
    unit = np.concatenate([points[:, :2] * 2 / SIDE - 1, points[:, 2:]], 1)
    parts = [golden[f"case{number}_smpl_{part}"].ravel() for part in ("global_orient", "body_pose")]
    return {"2d": unit, "3d": joints, "pose": np.concatenate(parts)}


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.golden)
def test_labels_are_moved_as_in_the_authors_loader(
    loader: Loader, number: int, reference: Path
) -> None:
    with np.load(reference / "hmr" / "goldens" / f"{loader.golden}.npz") as archive:
        golden = dict(archive)
    case = json.loads(str(golden["cases_json"]))[number]
    packed = [
        pack([sample(golden, loader, case)], (SIDE, SIDE), joints, changes=change(loader, case))
        for joints in (loader.joints2d, loader.joints3d)
    ]
    wanted = theirs(golden, loader, number)
    points = packed[0].targets[f"keypoints2d.{loader.joints2d}"][0]
    np.testing.assert_array_equal(points[:, 2], wanted["2d"][:, 2])
    seen = points[:, 2] > 0
    assert np.abs(points - wanted["2d"])[seen, :2].max() * SIDE / 2 < loader.pixels
    joints = packed[1].targets[f"keypoints3d.{loader.joints3d}"][0]
    np.testing.assert_array_equal(joints[:, 3], wanted["3d"][:, 3])
    assert np.abs(joints - wanted["3d"])[joints[:, 3] > 0, :3].max() < METRES
    assert np.abs(turns(pose(packed[0])) - turns(wanted["pose"])).max() < RADIANS


def pose(packed: Packed) -> np.ndarray:
    return np.concatenate(
        [packed.targets[f"smpl.{part}"][0] for part in ("global_orient", "body_pose")]
    )


def turns(pose: np.ndarray) -> np.ndarray:
    """(72,) axis-angles -> (24,3,3)."""
    return Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix()
