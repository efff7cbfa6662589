"""What OpenPose detected of a labelled person of COCO."""

from pathlib import Path, PurePosixPath

import numpy as np

from hpscli.body.joints import convert
from hpscli.data.forms.openpose import (
    LIMBS,
    REJECT_ABOVE,
    REJECT_BELOW_PX,
    WITHOUT,
    limb_distance,
    match_openpose,
    read_openpose,
)
from hpscli.data.people import inside


def detection_of(folder: Path, image: str, points: np.ndarray, *, spin: bool) -> np.ndarray | None:
    """Detections of all pictures, a picture's name, labels (17,3) -> joints (25,3), or None.

    The nearest person whose limbs are all detected, if near: within a tenth of the person's size or ten
    pixels. `spin`: by SPIN's rule, which rejects the near ones; zeros when nobody is taken.
    """
    name = PurePosixPath(image).with_suffix("")
    people = read_openpose(inside(folder, f"{name}_keypoints.json"), fix=WITHOUT)
    labels = convert(points, "coco17", "spin_gt24")[0]
    if spin:
        return match_openpose(people, labels, "coco")
    limbs = labels[: len(LIMBS)]
    if not people or not (limbs[:, 2] > 0).all():
        return None
    nearest = min(people, key=lambda person: limb_distance(person, labels))
    seen = labels[labels[:, 2] > 0, :2]
    enough = max(REJECT_ABOVE * float(np.ptp(seen, axis=0).max()), REJECT_BELOW_PX["coco"])
    return nearest if limb_distance(nearest, labels) <= enough else None
