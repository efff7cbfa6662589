"""GTA-Human: people of a video game, a pickle of labels a sequence; known only from descriptions.

All is in the axes of the camera, which is one for all sequences: `keypoints_3d` (T,100,4) and SMPL.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.containers.pickles import load_pickle
from hpscli.data.people import BOX_SCALE, square_box
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, LostFile, MissingError, in_words
from hpscli.records import Person

JOINTS = "mmhuman3d_gta"
COUNT = 100
SIZE = (1080, 1920)  # height, width px
FOCAL_PX = 1158.0337  # mmhuman3d's converter
INTRINSICS = np.array([[FOCAL_PX, 0, 960], [0, FOCAL_PX, 540], [0, 0, 1]])
GENDERS = {"m": "male", "f": "female", "n": "neutral"}
SHAPES = {"global_orient": 3, "body_pose": 69, "betas": 10, "transl": 3}


def gta_human(root: Path, split: str) -> Iterator[Person | HpsError]:
    """annotations/seq_*.pkl -> a person a frame whose box has its centre in the picture."""
    paths = sorted((root / "annotations").glob("*.pkl"))
    if not paths:
        raise MissingError(f"{root / 'annotations'} holds no seq_*.pkl.")
    for path in paths:
        try:
            labels = load_pickle(path)
            frames = range(len(labels["body_pose"]))
        except (HpsError, *BAD_RECORD) as error:
            said = error.problem if isinstance(error, HpsError) else f"{in_words(error)}."
            yield LostFile(f"{path.name}: {said}")
            continue
        for frame in frames:
            try:
                person = _person(path.stem, labels, frame)
            except BAD_RECORD as error:
                yield InvalidData(f"{path.name} frame {frame}: {in_words(error)}.")
                continue
            if person is not None:
                yield person


def _person(sequence: str, labels: Mapping[str, Any], frame: int) -> Person | None:
    """One frame of a sequence -> its person, None when its box lies outside of the picture."""
    box = np.array(labels["bbox_xywh"][frame], np.float64)[:4]
    center = box[:2] + box[2:] / 2
    if not (0 <= center[0] < SIZE[1] and 0 <= center[1] < SIZE[0]):
        return None
    arrays = {
        f"smpl.{name}": np.array(labels[name][frame], np.float64).reshape(-1)[:count]
        for name, count in SHAPES.items()
    }
    points = np.array(labels["keypoints_2d"][frame], np.float64).reshape(COUNT, 3)
    joints = np.array(labels["keypoints_3d"][frame], np.float64).reshape(COUNT, 4)
    gender = labels.get("gender", "neutral")
    gender = str(gender if isinstance(gender, str) else np.ravel(gender)[0])
    side = BOX_SCALE * box[2:].max()
    return Person(
        image=f"images/{sequence}/{frame:08d}.jpeg",
        image_size_px=SIZE,
        arrays={
            f"keypoints2d.{JOINTS}": points,
            f"keypoints3d.{JOINTS}": joints,
            "camera.intrinsics": INTRINSICS,
            **arrays,
        },
        meta={
            "gender": GENDERS[gender[:1].lower()],
            "body_source": "imported",
            "root_relative": True,  # their origin is not described
            "sequence": sequence,
            "frame": frame,
        },
        box=square_box(center, side),
    )
