"""What the data sets of labelled joints share: classes of visibility, boxes, coordinates from 0 or 1."""

from pathlib import Path

import numpy as np

from hpscli.body.joints import convert
from hpscli.data.forms.openpose import WITHOUT, match_openpose, read_openpose
from hpscli.data.people import BOX_SCALE, padded_box, square_box

HIDDEN, VISIBLE = 1, 2  # as COCO's: 0 no label, 1 labelled but hidden, 2 visible
FIRST_PIXEL = 1.0  # px: MATLAB counts from 1


def labelled_joints(
    points: np.ndarray, known: np.ndarray, visible: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points (J,2), which have a label, which are visible -> joints (J,3), classes (J,) uint8."""
    joints = np.zeros((len(points), 3))
    joints[known, :2] = points[known]
    joints[known, 2] = 1
    return joints, (np.where(visible, VISIBLE, HIDDEN) * known).astype(np.uint8)


def box_around(joints: np.ndarray) -> np.ndarray | None:
    """Joints (J,3) -> (4,) x, y, width, height px around those with confidence, both sides times 1.2.

    A line gets a square, and a single point is nothing to put a box around: None.
    """
    seen = joints[joints[:, 2] > 0, :2]
    extent = np.ptp(seen, axis=0) if len(seen) else np.zeros(2)
    if not extent.any():
        return None
    if not extent.all():
        return square_box((seen.min(0) + seen.max(0)) / 2, BOX_SCALE * float(extent.max()))
    return padded_box(seen)


def detected_by_openpose(
    folder: Path, image: str, joints: np.ndarray, joint_set: str, dataset: str
) -> np.ndarray:
    """The JSON files of OpenPose, a picture and its labels -> the detection (25,3) that SPIN takes."""
    part = convert(joints, joint_set, "spin_gt24")[0]
    name = f"{Path(image).stem}_keypoints.json"
    return match_openpose(read_openpose(folder / name, fix=WITHOUT), part, dataset)
