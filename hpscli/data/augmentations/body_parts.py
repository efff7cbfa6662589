"""The box of a part of the body, around the joints that are seen of it: EFT's extreme cropping, as 4D-Humans
draws it (shubham-goel/4D-Humans 6ec7965, hmr2/datasets/utils.py, EXTREME_CROP_AUG_LEVEL 1).

Places count in joint set hmr2_44: OpenPose's 25 joints, then 19 of LSP, MPII and Human3.6M.
"""

import numpy as np

from hpscli.data.augmentations import Draws
from hpscli.data.labels import gather_joints
from hpscli.records import Sample

JOINTS = "hmr2_44"
SKULL, NECK = (0, 15, 16, 17, 18, 38, 42, 43), (1, 37)  # nose, eyes, ears, top, jaw, head
TRUNK = (8, 39, 40, 41)  # middle of the hips, pelvis, thorax, spine
HIPS = (9, 12, 27, 28)
RIGHT_ARM, LEFT_ARM = (2, 3, 4, 31, 32, 33), (5, 6, 7, 34, 35, 36)  # from the shoulder
RIGHT_LEG, LEFT_LEG = (9, 10, 11, 22, 23, 24, 25, 26, 27), (12, 13, 14, 19, 20, 21, 28, 29, 30)
HEAD = (*SKULL, *NECK, 2, 5)  # with OpenPose's shoulders
PARTS = {  # -> the joints that its box holds
    "above the knees": (*SKULL, *NECK, *TRUNK, *HIPS, *RIGHT_ARM, *LEFT_ARM),
    "shoulders": (*HEAD, 33, 34),
    "head": HEAD,
    "torso": (*NECK, *TRUNK, *HIPS, 2, 5, 33, 34),
    "right arm": RIGHT_ARM,
    "left arm": LEFT_ARM,
    "legs": (8, 39, *RIGHT_LEG, *LEFT_LEG),
    "right leg": RIGHT_LEG,
    "left leg": LEFT_LEG,
}
WHOLE = (0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1)  # chances of the parts, of a whole person
UPPER = (0.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.0, 0.0, 0.0)  # of one whose legs are not labelled
LIMBS = (
    (2, 33),
    (3, 32),
    (4, 31),
    (5, 34),
    (6, 35),
    (7, 36),
    (10, 26),
    (11, 25),
    (13, 29),
    (14, 30),
)
LOWER = (10, 11, 13, 14, 25, 26, 29, 30)  # knees and ankles
UPPER_SEEN = (0, 1, 15, 16, 17, 18, 33, 34, 37, 38, 42, 43)
ROOM, MORE_ROOM = (
    1.2 * 1.1,
    {"shoulders": 1.2 * 1.2, "head": 1.2 * 1.3},
)  # times the joints' own box
LEAST_PX = 4.0  # smaller boxes are none


def draw_body_part(
    draws: Draws, sample: Sample, center: np.ndarray, size_px: float, *, probability: float
) -> tuple[np.ndarray, float]:
    """Box -> that of a part of the body, for people who are seen whole or from the knees up."""
    if draws.numbers.rand() > probability:
        return center, size_px
    found = gather_joints(
        {name: values[None] for name, values in sample.arrays.items()}, "keypoints2d", JOINTS
    )
    chances = _chances(found[0, :, 2] > 0) if found is not None else None
    if found is None or chances is None:
        return center, size_px
    number = int(np.searchsorted(np.cumsum(chances), draws.numbers.rand(), side="right"))
    part = list(PARTS)[min(number, len(PARTS) - 1)]
    return _around(found[0], part) or (center, size_px)


def _chances(seen: np.ndarray) -> tuple[float, ...] | None:
    """seen (44,) -> the chance of each part; None for people of whom too little is labelled."""
    if all(seen[list(places)].any() for places in LIMBS):
        return WHOLE
    if not seen[list(LOWER)].any() and seen[list(UPPER_SEEN)].sum() >= 2:
        return UPPER
    return None


def _around(points: np.ndarray, part: str) -> tuple[np.ndarray, float] | None:
    """points (44,3) px -> the square around a part; None where hardly anything of it is seen."""
    kept = points[list(PARTS[part])]
    if kept[:, 2].sum() <= 1:
        return None
    places = kept[kept[:, 2] > 0, :2].astype(np.float64)
    low, high = places.min(axis=0), places.max(axis=0)
    size_px = float((high - low).max()) * MORE_ROOM.get(part, ROOM)
    return ((low + high) / 2, size_px) if size_px >= LEAST_PX else None
