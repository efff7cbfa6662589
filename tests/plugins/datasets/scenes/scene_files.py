"""Small downloads of 3DPW, PROX, MTP, UP-3D and RICH, as their owners lay them out."""

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hpscli.body.assets.files import write_asset
from hpscli.body.free import free_arrays
from hpscli.errors import HpsError
from hpscli.records import Person
from hpscli.registry import get_registry, resolve

NUMBERS = np.random.default_rng(11)


def read(name: str, root: Path, split: str, **options: Any) -> tuple[list[Person], list[str]]:
    """-> the people of a data set, and what is wrong with the others."""
    spec = get_registry().dataset(name)
    records = list(resolve(spec.people)(root, split, **{**spec.options, **options}))
    bad = [str(record) for record in records if isinstance(record, HpsError)]
    return [record for record in records if isinstance(record, Person)], bad


def import_free_body(kind: str, gender: str) -> None:
    """The free body under the name of an official one."""
    arrays = free_arrays(kind)
    expressions = 10 if kind == "smplx" else 0
    about = {"kind": kind, "gender": gender, "expressions": expressions}
    betas = arrays["shapedirs"].shape[-1] - expressions
    write_asset(f"{kind}-{gender}", arrays, {**about, "betas": betas})


def picture(path: Path, size_px: tuple[int, int] = (40, 60)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size_px, 3), 90, np.uint8))


def pickled(path: Path, content: Any) -> None:
    """As Python 2 wrote them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=2))


def openpose(path: Path, points: np.ndarray | None) -> None:
    people = [] if points is None else [{"pose_keypoints_2d": points.ravel().tolist()}]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"people": people}))


def detections(width: int = 60, height: int = 40) -> np.ndarray:
    """-> joints (25,3) of which the last three are doubtful, one not found and two faint and far."""
    points = NUMBERS.uniform(0.3, 0.6, (25, 3)) * [width, height, 1]
    points[-3] = 0
    points[-2:] = [[0, 0, 0.1], [width, height, 0.12]]
    return points


def sequence(frames: int = 3, actors: int = 2, betas: int = 10) -> dict[str, Any]:
    """-> the content of a 3DPW pickle: people in front of a turned camera."""
    axis = np.array([0.1, 0.7, -0.2])
    camera = np.eye(4)
    camera[:3, :3], camera[:3, 3] = cv2.Rodrigues(axis)[0], [0.1, 0.2, 4.0]

    def each(*shape: int, scale: float = 0.3) -> list[np.ndarray]:
        return [NUMBERS.normal(0, scale, shape) for _ in range(actors)]

    points = NUMBERS.uniform(5, 35, (actors, frames, 3, 18))
    points[:, :, 2] = 0.9
    return {
        "sequence": "walk_00",
        "poses": each(frames, 72),
        "betas": each(betas),
        "trans": each(frames, 3),
        "jointPositions": each(frames, 72),
        "poses2d": list(points),
        "genders": ["m", "f"][:actors],
        "campose_valid": [np.ones(frames, np.int64) for _ in range(actors)],
        "cam_poses": np.tile(camera, (frames, 1, 1)),
        "cam_intrinsics": np.array([[50.0, 0, 30], [0, 50, 20], [0, 0, 1]]),
    }


def write_3dpw(root: Path, content: Any, name: str = "walk_00", split: str = "train") -> None:
    pickled(root / f"sequenceFiles/{split}/{name}.pkl", content)


def smplx_fit(**changes: Any) -> dict[str, np.ndarray]:
    """-> the content of a fit of SMPLify-X."""
    counts = {"global_orient": 3, "body_pose": 63, "betas": 10, "transl": 3, "expression": 10}
    counts |= {"jaw_pose": 3, "leye_pose": 3, "reye_pose": 3, "pose_embedding": 32}
    counts |= {"left_hand_pose": 12, "right_hand_pose": 12}
    fit = {k: NUMBERS.normal(0, 0.3, (1, n)).astype(np.float32) for k, n in counts.items()}
    fit["camera_rotation"] = np.eye(3, dtype=np.float32)[None]
    fit["camera_translation"] = np.zeros((1, 3), np.float32)
    return {**fit, **changes}
