"""HMR 2.0's 44 joints, and where the labels of data sets stand among them."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hpscli.body.joints import joint_set

Array = NDArray[np.float64]

SET = "hmr2_44"
NAMES = joint_set(SET).joints
# Eyes to ankles at OpenPose's places, whose hips are the body's own (posetrack_to_npz.py there).
OPENPOSE = (5, 2, 6, 3, 7, 4, 12, 9, 13, 10, 14, 11)
PLACES: Mapping[str, tuple[int, ...]] = {
    SET: tuple(range(44)),
    "coco17": (0, 16, 15, 18, 17, *OPENPOSE),
    "posetrack17": (0, 37, 38, 18, 17, *OPENPOSE),
    "lsp14": tuple(range(25, 39)),
}


def among_44(arrays: Mapping[str, NDArray[np.generic]], prefix: str) -> Array | None:
    """ "keypoints2d." and arrays of one person -> (44,C), NaN where nothing is said; None: no set."""
    for name, places in PLACES.items():
        if prefix + name in arrays:
            given = np.asarray(arrays[prefix + name], np.float64)
            found = np.full((len(NAMES), given.shape[-1]), np.nan)
            found[list(places)] = given
            return found
    return None
