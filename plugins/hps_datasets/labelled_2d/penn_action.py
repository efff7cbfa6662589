"""Penn Action: videos as folders of pictures, 13 joints for every frame in a MATLAB file each."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.labelled_2d.labels import FIRST_PIXEL, box_around, labelled_joints
from hpscli.data.containers.mat5 import numbers, read_mat5
from hpscli.data.people import padded_box
from hpscli.errors import HpsError, InvalidData, LostFile, MissingError
from hpscli.records import Person

JOINTS = 13
TRAIN = 1  # the owner's flag: 1 train, -1 test
FIELDS = ("x", "y", "visibility", "nframes", "train")
WORDS = ("action", "pose")  # pose: from which side the camera looks


def penn_action(
    root: Path, split: str, *, reference: str, every: int, all_videos: bool, zero_based: bool
) -> Iterator[Person | HpsError]:
    """Penn Action -> people of every `every`-th frame of each video.

    Published training sets hold the owner's test videos too: `all_videos`.
    """
    paths = sorted((root / "labels").glob("*.mat"))
    if not paths:
        raise MissingError(f"{root}/labels holds no .mat files.")
    for path in paths:
        try:
            video = read_mat5(path, *FIELDS, optional=WORDS)
            tracks = joint_tracks(path, video)
        except HpsError as error:
            yield LostFile(error.problem, error.fix)
            continue
        everything = reference or (all_videos and split == "train")
        if not everything and (video["train"] == TRAIN) != (split == "train"):
            continue
        images = pictures(root, path.stem, len(tracks), reference)
        for frame in range(0, len(images), max(every, 1)):
            if reference:
                yield _as_reference(images[frame], tracks[frame, :, :2])
                continue
            person = penn_person(images[frame], tracks[frame], zero_based)
            if person is not None:
                words = {name: video[name] for name in WORDS if isinstance(video.get(name), str)}
                yield replace(person, meta={"frame": frame, **words})


def joint_tracks(path: Path, video: dict[str, Any]) -> np.ndarray:
    """A video's variables -> (frames,13,3) x, y px, visible."""
    columns = [numbers(path, name, video[name]) for name in FIELDS[:3]]
    count, train = video["nframes"], video["train"]
    if not (isinstance(count, int | float) and isinstance(train, int | float)):
        raise InvalidData(f"{path.name}: nframes and train are no single numbers.")
    if any(column.shape != (count, JOINTS) for column in columns):
        shapes = [column.shape for column in columns]
        raise InvalidData(f"{path.name}: {count} frames, but x, y, visibility are {shapes}.")
    return np.stack(columns, axis=-1)


def pictures(root: Path, video: str, count: int, reference: str) -> list[str]:
    """-> the picture of each frame: frame 0 is 000001.jpg.

    mmhuman3d takes what lies in the folder in order, so that a missing picture shifts all that follow.
    """
    if not reference:
        return [f"frames/{video}/{frame + 1:06d}.jpg" for frame in range(count)]
    found = sorted((root / "frames" / video).glob("*.jpg"))[:count]
    return [f"frames/{video}/{path.name}" for path in found]


def penn_person(image: str, points: np.ndarray, zero_based: bool) -> Person | None:
    """A frame's joints -> a person; what is not visible has no label, for its place is often (1, 1)."""
    visible = (points[:, 2] == 1) & np.isfinite(points).all(1)
    if not visible.any():
        return None
    places = points[:, :2] - FIRST_PIXEL if zero_based else points[:, :2]
    joints, _ = labelled_joints(places, visible, visible)
    return Person(image=image, arrays={"keypoints2d.penn_action13": joints}, box=box_around(joints))


def _as_reference(image: str, points: np.ndarray) -> Person:
    """As mmhuman3d: every joint counts, visible or not."""
    joints = np.concatenate([points, np.ones((JOINTS, 1))], axis=1)
    arrays = {"keypoints2d.penn_action13": joints}
    return Person(image=image, arrays=arrays, box=padded_box(points))
