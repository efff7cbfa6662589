"""People that OpenPose found in a picture, and which of them is the person with the labels.

SPIN stores beside the labels of LSP, HR-LSPET, MPII, COCO and MPI-INF-3DHP what OpenPose (BODY_25) says
about the same person. The rule by which it chooses is kept here as it is, its threshold included.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hpscli.errors import BAD_RECORD, InvalidData, MissingError, in_words

BODY_JOINTS = 25
BODY = {"pose_keypoints_2d": BODY_JOINTS}
HANDS = {"hand_left_keypoints_2d": 21, "hand_right_keypoints_2d": 21}
WHOLE_BODY = {**BODY, **HANDS, "face_keypoints_2d": 70}  # openpose137
WITHOUT = "SPIN's files hold detections of OpenPose; without them: openpose=''"
LIMBS = (11, 10, 9, 12, 13, 14, 4, 3, 2, 5, 6, 7)  # of openpose25: the first 12 joints of spin_gt24
REJECT_ABOVE = 0.1  # distance / size of the person, as SPIN
REJECT_BELOW_PX = {"mpii": 30.0, "coco": 10.0}  # as SPIN; it never rejects in other data sets


def read_openpose(
    path: Path, parts: Mapping[str, int] = BODY, *, name: str = "", fix: str = ""
) -> list[np.ndarray]:
    """The JSON of one picture -> joints (25,3) px, px, confidence of each person in it.

    `parts`: entries and their joints, one after the other; errors name the file as `name`.
    """
    name = name or str(path)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return [
            np.concatenate(
                [np.array(person[part], float).reshape(n, 3) for part, n in parts.items()]
            )
            for person in document["people"]
        ]
    except OSError as error:
        raise MissingError(f"{name} cannot be read: {error.strerror}.", fix) from None
    except BAD_RECORD as error:
        raise InvalidData(f"{name} is no result of OpenPose: {in_words(error)}.") from None


def match_openpose(people: Sequence[np.ndarray], part: np.ndarray, dataset: str) -> np.ndarray:
    """Detections (25,3) and labels (24,3) in spin_gt24 -> the detection (25,3) that SPIN takes.

    Nearest in the mean distance of the limbs among people whose limbs are all detected; the first
    one when nobody is; zeros without people. SPIN rejects a match that is *near* in pixels and far
    in relation to the person (both were probably meant to be "far"): kept, since its files have it.
    """
    if not people:
        return np.zeros((BODY_JOINTS, 3))
    size = float(np.ptp(part[:, :2], axis=0).max())  # missing joints count as (0, 0), as in SPIN
    distances = np.array([limb_distance(person, part) for person in people])
    nearest = int(np.argmin(distances))
    distance = distances[nearest]
    far = distance > REJECT_ABOVE * size
    if far and distance < REJECT_BELOW_PX.get(dataset, 0.0):
        return np.zeros((BODY_JOINTS, 3))
    return people[nearest]


def limb_distance(person: np.ndarray, part: np.ndarray) -> float:
    """Detection (25,3), labels (24,3) -> mean distance of the limbs px; inf when one is undetected."""
    limbs = person[list(LIMBS)]
    if not (limbs[:, 2] > 0).all():
        return float("inf")
    return float(np.linalg.norm(limbs[:, :2] - part[: len(LIMBS), :2], axis=1).mean())
