"""What official code does to labels while it crops: keypoints, 3D points, SMPL pose."""

from collections.abc import Sequence

import numpy as np

from hpscli.data.official_crops import mmhuman3d_affine, spin_affine, spin_transform
from hpscli.data.turning import mirror_pose, pose_order, turn_axis_angle, turn_points


def spin_points(
    points: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    mirror: Sequence[int] = (),
    side: int = 224,
) -> np.ndarray:
    """2D keypoints (J,3) original px -> SPIN's crop units; as official, cut to whole pixels first."""
    affine = spin_affine(center, size_px, rotation_degrees, side)
    moved = points.astype(np.float64).copy()
    moved[:, :2] = spin_transform(affine, points[:, :2].astype(np.float64) + 1)
    moved[:, :2] = 2.0 * moved[:, :2] / side - 1.0
    if flip:
        moved = moved[list(mirror)]
        moved[:, 0] *= -1
    return moved.astype(np.float32)


def mmhuman3d_points(
    points: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    rotation_degrees: float = 0.0,
    flip: bool = False,
    mirror: Sequence[int] = (),
    image_width: int = 0,
    side: int = 224,
) -> np.ndarray:
    """2D keypoints (J,3) original px -> crop px; only those with confidence above 0 are moved."""
    moved, x = points.astype(np.float64).copy(), float(center[0])
    if flip:
        moved = moved[list(mirror)]
        moved[:, 0] = image_width - 1 - moved[:, 0]
        x = image_width - 1 - x
    affine = mmhuman3d_affine((x, float(center[1])), size_px, rotation_degrees, side)
    seen = moved[:, 2] > 0
    moved[seen, :2] = moved[seen, :2] @ affine[:, :2].T + affine[:, 2]
    return moved.astype(np.float32)


def turned_labels(
    keypoints3d: np.ndarray,
    pose: np.ndarray,
    *,
    rotation_degrees: float,
    flip: bool,
    mirror3d: Sequence[int],
    flip_first: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """3D points (J,4) and SMPL pose (72,) -> as SPIN (rotate, then flip) or mmhuman3d (flip first)."""
    points, pose = keypoints3d[None].astype(np.float64), pose[None].astype(np.float64)
    for step in ("flip", "turn") if flip_first else ("turn", "flip"):
        if step == "turn":
            angle = np.array([-rotation_degrees])
            points[..., :3] = turn_points(points[..., :3], angle, np.array([False]))
            pose = np.concatenate([turn_axis_angle(pose[:, :3], angle), pose[:, 3:]], axis=1)
        elif flip:
            points = points[:, list(mirror3d)] * np.array([-1.0, 1.0, 1.0, 1.0])
            root, body = (
                mirror_pose(pose[:, :3]),
                mirror_pose(pose[:, 3:], pose_order("smpl.body_pose")),
            )
            pose = np.concatenate([root, body], axis=1)
    return points[0].astype(np.float32), pose[0].astype(np.float32)


def metro_labels(
    keypoints2d: np.ndarray,
    keypoints3d: np.ndarray,
    pose: np.ndarray,
    center: Sequence[float],
    size_px: float,
    *,
    root: int,
    mirror: Sequence[int],
    rotation_degrees: float = 0.0,
    flip: bool = False,
    side: int = 224,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """2D (J,3) px, 3D (J,4) m, pose (72,) or (48,) -> the same as METRO trains on, 3D minus `root`.

    2D points are whole pixels of the crop plus one, as in SPIN.
    """
    points2d = spin_points(
        keypoints2d,
        center,
        size_px,
        rotation_degrees=rotation_degrees,
        flip=flip,
        mirror=mirror,
        side=side,
    )
    centred = keypoints3d.astype(np.float64)
    centred[:, :3] -= centred[root, :3]
    points3d, turned = turned_labels(
        centred,
        pose,
        rotation_degrees=rotation_degrees,
        flip=flip,
        mirror3d=mirror,
        flip_first=False,
    )
    return points2d, points3d, turned
