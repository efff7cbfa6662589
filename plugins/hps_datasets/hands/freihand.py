"""FreiHAND: right hands in front of four backgrounds each, labels in JSON lists with one entry a pose."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.hand_means import mano_hand_pose, mano_mean
from hpscli.data.containers.json_records import json_values
from hpscli.data.forms.human_data import human_data
from hpscli.data.people import square_box
from hpscli.errors import HpsError, InvalidData, UsageError, in_words
from hpscli.records import Person

JOINTS, VERTICES = 21, 778
BACKGROUNDS = 4  # picture i + k * poses shows pose i before background k
SIDE_PX = 224
CROP_PX = (
    180  # of METRO, Mesh Graphormer and FastMETRO: scale 0.9 about (112, 112), as in their tables
)
PARAMETERS = {"global_orient": 3, "hand_pose": 45, "betas": 10, "uv_root": 2, "scale": 1}
OFFICIAL_TRAIN = 0.8  # of the pictures, as mmhuman3d
FOLDERS = {"train": "training", "validation": "training", "test": "evaluation"}

Row = np.ndarray | InvalidData


@dataclass(frozen=True)
class Labels:
    """The lists of one part: an entry for every pose."""

    cameras: list[Row]
    joints: list[Row]
    hands: list[Row]


def freihand(
    root: Path, split: str, *, reference: str, held_out: float
) -> Iterator[Person | HpsError]:
    """FreiHAND -> a right hand for each picture.

    `held_out`: share of the poses that makes the split validation, with all their backgrounds.
    """
    part = FOLDERS[split]
    sizes = {"K": (3, 3), "xyz": (JOINTS, 3), "mano": (sum(PARAMETERS.values()),)}
    labels = Labels(*(list(rows(root / f"{part}_{n}.json", size)) for n, size in sizes.items()))
    lengths = {len(labels.cameras), len(labels.joints), len(labels.hands)}
    if len(lengths) != 1:
        raise InvalidData(f"{part}_K, _xyz and _mano.json have {sorted(lengths)} entries.")
    poses = lengths.pop()
    chosen = chosen_pictures(poses, split, reference, held_out)
    for background in range(BACKGROUNDS if part == "training" else 1):
        meshes = meshes_of(root / f"{part}_verts.json") if not reference else itertools.repeat(None)
        for pose, mesh in zip(range(poses), meshes, strict=False):
            number = background * poses + pose
            if number in chosen:
                yield _picture(part, number, labels, pose, mesh, reference)


def chosen_pictures(poses: int, split: str, reference: str, held_out: float) -> "set[int] | range":
    """-> the numbers of a split's pictures."""
    if split == "test":
        return range(poses)
    count = poses * BACKGROUNDS
    if reference:  # the same poses before other backgrounds are in both
        border = int(OFFICIAL_TRAIN * count)
        return range(border) if split == "train" else range(border, count)
    if not 0 <= held_out < 1:
        raise UsageError(f"held_out is {held_out}, expected 0 to 1.", "For example: held_out=0.1")
    if split == "validation" and not held_out:
        raise UsageError(
            "FreiHAND has no validation pictures of its own.",
            "Take poses out of train for it, in both splits: held_out=0.1   (to measure: --split test)",
        )
    border = poses - round(poses * held_out)
    return {number for number in range(count) if (number % poses < border) == (split == "train")}


def rows(path: Path, shape: tuple[int, ...]) -> Iterator[Row]:
    """A JSON list -> its entries as arrays of this shape, or what is wrong with them."""
    for number, found in enumerate(json_values(path, ("",))):
        try:
            yield np.array(found.value, np.float64).reshape(shape)
        except (ValueError, TypeError, OverflowError) as error:
            yield InvalidData(f"{path.name} entry {number}: {in_words(error)}.")


def meshes_of(path: Path) -> Iterator[Row | None]:
    """-> the vertices of every pose, as far as there is a file of them; it is too large for memory."""
    return rows(path, (VERTICES, 3)) if path.is_file() else itertools.repeat(None)


def _picture(
    part: str, number: int, labels: Labels, pose: int, mesh: Row | None, reference: str
) -> Person | HpsError:
    """One picture -> its hand, or what is wrong with its labels."""
    entries = (labels.cameras[pose], labels.joints[pose], labels.hands[pose], mesh)
    for entry in entries:
        if isinstance(entry, InvalidData):
            return entry
    camera, joints, hand, vertices = entries
    if not isinstance(camera, np.ndarray) or not isinstance(joints, np.ndarray):
        return InvalidData(f"{part} pose {pose} has no labels.")
    if (joints[:, 2] <= 0).any() and not reference:
        return InvalidData(f"{part}_xyz.json entry {pose}: a joint lies behind the camera.")
    ends = np.cumsum(list(PARAMETERS.values()))[:-1]
    values = dict(zip(PARAMETERS, np.split(np.asarray(hand), ends), strict=True))
    make = _as_reference if reference else hand_arrays
    arrays = make(camera, joints, values)
    if isinstance(vertices, np.ndarray) and not reference:
        arrays["vertices.mano"] = vertices
    meta = {"hand": "right", "body_source": "imported", "pose": pose}
    side = SIDE_PX if reference else CROP_PX
    return Person(
        image=f"{part}/rgb/{number:08d}.jpg",
        arrays=arrays,
        box=square_box(np.array([SIDE_PX / 2, SIDE_PX / 2]), side),
        image_size_px=(SIDE_PX, SIDE_PX),
        meta={} if reference else meta,
    )


def hand_arrays(
    camera: np.ndarray, joints: np.ndarray, values: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Camera (3,3), joints (21,3) metres, parts of the 61 numbers -> arrays of a hand.

    The owner draws his hands with `use_mean_pose`: they are relative to MANO's mean hand.
    """
    points, places = with_confidence(camera, joints)
    return {
        "keypoints2d.freihand21": points,
        "keypoints3d.freihand21": places,
        "camera.intrinsics": camera,
        **{f"mano.{name}": values[name] for name in ("global_orient", "betas")},
        **mano_hand_pose(values["hand_pose"]),
        **{f"extra.{name}": values[name] for name in ("uv_root", "scale")},
    }


def with_confidence(camera: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Camera (3,3), joints (J,3) metres -> the joints in the picture (J,3), and in space (J,4)."""
    ones = np.ones((len(joints), 1))
    projected = joints @ camera.T
    points = projected[:, :2] / projected[:, 2:]
    return np.concatenate([points, ones], axis=1), np.concatenate([joints, ones], axis=1)


def _as_reference(
    camera: np.ndarray, joints: np.ndarray, values: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """As mmhuman3d: joints under MANO's names, which this file does not follow; the hand of SMPL-X."""
    points, places = with_confidence(camera, joints)
    return {
        "keypoints2d.mano21": points,
        "keypoints3d.mano21": places,
        "smplx.global_orient": values["global_orient"],
        "smplx.right_hand_pose": values["hand_pose"],
        "smplx.betas": values["betas"],
    }


def as_derived(people: list[Person], root: Path) -> dict[str, Any]:
    """People -> the entries of the golden whose joints were put on the right names by hand.

    The golden has poses as the file has them, relative to the mean hand.
    """
    found = human_data(people)
    columns: dict[str, Any] = {
        name: np.stack([person.arrays[name] for person in people]) for name in people[0].arrays
    }
    mean = mano_mean()
    hand = (
        columns["extra.hand_pose_from_mean"] if mean is None else columns["mano.hand_pose"] - mean
    )
    pose = [columns["mano.global_orient"], hand]
    return {
        "image_path": found["image_path"],
        "keypoints2d": found["keypoints2d"],
        "keypoints3d_m": found["keypoints3d"],
        "keypoints_mask": found["keypoints2d_mask"],
        "mano_pose48": np.concatenate(pose, axis=1),
        "mano_betas10": columns["mano.betas"],
        "uv_root": columns["extra.uv_root"],
        "scale": columns["extra.scale"][:, 0],
        "K": columns["camera.intrinsics"],
    }
