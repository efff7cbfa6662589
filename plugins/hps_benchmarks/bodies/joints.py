"""The 14 and 17 joints that papers evaluate, and where each joint set holds them.

Right ankle, knee, hip, left hip, knee, ankle, right wrist, elbow, shoulder, left shoulder, elbow,
wrist, neck, head of Human3.6M; then pelvis, spine and jaw. Two numberings of Human3.6M's 17 joints
begin with different legs: their lists differ so that the order of the 14 is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpscli.body.joints import conversion_index, joint_set

Array = NDArray[np.float64]

HIPS = (2, 3)  # of the 14: METRO's root is the middle of them
LEFT_FIRST = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10, 0, 7, 9)  # SPIN's H36M_TO_J17
RIGHT_FIRST = (3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13, 8, 10, 0, 7, 9)  # METRO's H36M_J17_TO_J14
J24 = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 18, 14, 16, 17)  # SPIN's J24_TO_J17
OPENPOSE = 25  # joints before the 24 (or 19) in the sets of SPIN and HMR 2.0
# MPI-INF-3DHP's test joints in the order of Human3.6M (SPIN's joints17_idx)
INF_3DHP = (14, 11, 12, 13, 8, 9, 10, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)


@dataclass(frozen=True)
class Places:
    """Where a joint set holds the 17 joints, and its pelvis."""

    seventeen: tuple[int, ...]
    pelvis: int

    def indices(self, count: int) -> list[int]:
        """count: 14 or 17 -> the places of these joints."""
        return list(self.seventeen[:count])


PLACES: Mapping[str, Places] = {
    "h36m17": Places(RIGHT_FIRST, 0),
    "h36m17_lfirst": Places(LEFT_FIRST, 0),
    "metro24": Places(J24, 14),
    "spin_gt24": Places(J24, 14),
    "smpl49": Places(tuple(OPENPOSE + place for place in J24), OPENPOSE + 14),
    "hmr2_44": Places(tuple(OPENPOSE + place for place in J24), OPENPOSE + 14),
    "mpi_inf_3dhp17_test": Places(tuple(INF_3DHP[place] for place in LEFT_FIRST), 14),
}
# Sets that are read through another: mmhuman3d takes Human3.6M's joints out of its 190.
THROUGH: Mapping[str, str] = {"human_data": "h36m17_lfirst"}


def chosen(points: Array, name: str, count: int) -> tuple[Array, Array]:
    """points (N,J,C) of the set `name` -> its 14 or 17 joints (N,count,C), its pelvis (N,1,C)."""
    if name in THROUGH:
        points = points[:, conversion_index(name, THROUGH[name])]
        name = THROUGH[name]
    places = PLACES[name]
    return points[:, places.indices(count)], points[:, [places.pelvis]]


def names(count: int) -> tuple[str, ...]:
    """count: 14 or 17 -> what the joints are called in Human3.6M's set."""
    known = joint_set("h36m17").joints
    return tuple(known[place] for place in RIGHT_FIRST[:count])
