"""HO-3D, versions 2 and 3: right hands that hold objects, one pickle of labels for each frame.

Its axes are those of OpenGL (x right, y up, z backward): half a turn about x away from ours.
"""

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.hands.freihand import VERTICES, Row, rows, with_confidence
from hpscli.body.placement import moved_translation, turned_root
from hpscli.data.containers.pickles import load_pickle
from hpscli.data.people import BOX_SCALE, inside, padded_box, square_box
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person

JOINTS = 21
FROM_OPENGL = np.diag([1.0, -1.0, -1.0])
FOLDERS = {"train": "train", "test": "evaluation"}
TRUTH = {"xyz": (JOINTS, 3), "verts": (VERTICES, 3)}  # evaluation_xyz.json, evaluation_verts.json
PICTURES = (".jpg", ".png")  # version 3, version 2

Truth = tuple[Row, Row]


def ho3d(root: Path, split: str) -> Iterator[Person | HpsError]:
    """HO-3D -> its hands; pickles of evaluation frames have the wrist and a box alone.

    Since 2024 the owner gives their joints and meshes in two lists beside evaluation.txt.
    """
    folder = FOLDERS[split]
    frames = listed_frames(root, folder)
    for frame, truth in zip(frames, released_truth(root, folder, len(frames)), strict=False):
        sequence, _, number = frame.rpartition("/")
        try:
            path = inside(root, f"{folder}/{sequence}/meta/{number}.pkl")
            labels = load_pickle(path)
            image = picture_of(root, f"{folder}/{sequence}/rgb/{number}")
            yield ho3d_person(image, labels, truth)
        except HpsError as error:
            yield error
        except BAD_RECORD as error:
            yield InvalidData(f"{folder}/{sequence}/meta/{number}.pkl: {in_words(error)}.")


def listed_frames(root: Path, folder: str) -> list[str]:
    """-> SEQUENCE/NUMBER of each frame: of the owner's list, else of what is there."""
    listing = root / f"{folder}.txt"
    if listing.is_file():
        lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line.strip() for line in lines if line.strip()]
    paths = sorted((root / folder).glob("*/meta/*.pkl"))
    if not paths:
        raise MissingError(f"there is neither {listing} nor a pickle in {root / folder}/*/meta.")
    return [f"{path.parents[1].name}/{path.stem}" for path in paths]


def released_truth(root: Path, folder: str, frames: int) -> Iterator[Truth | None]:
    """-> joints (21,3) and vertices (778,3) of each frame in axes of OpenGL; None where none are given."""
    files = [root / f"{folder}_{name}.json" for name in TRUTH]
    if not all(path.is_file() for path in files) or not (root / f"{folder}.txt").is_file():
        yield from itertools.repeat(None, frames)
        return
    lists = [rows(path, shape) for path, shape in zip(files, TRUTH.values(), strict=True)]
    ends = InvalidData(f"{folder}_xyz.json or _verts.json has fewer entries than {folder}.txt.")
    yield from itertools.islice(itertools.zip_longest(*lists, fillvalue=ends), frames)
    yield from itertools.repeat((ends, ends), frames)


def picture_of(root: Path, stem: str) -> str:
    """-> the picture of a frame in the version that is here."""
    here = [stem + suffix for suffix in PICTURES if (root / (stem + suffix)).is_file()]
    return here[0] if here else stem + PICTURES[0]


def ho3d_person(image: str, labels: Mapping[str, Any], truth: Truth | None = None) -> Person:
    """The content of a pickle, and what was released beside it -> a hand in our camera frame."""
    camera = np.array(labels["camMat"], np.float64).reshape(3, 3)
    joints = np.array(labels["handJoints3D"], np.float64).reshape(-1, 3) @ FROM_OPENGL
    mesh = None
    if truth is not None:
        for part in truth:
            if isinstance(part, InvalidData):
                raise part
        joints, mesh = (np.asarray(part) @ FROM_OPENGL for part in truth)
    if len(joints) not in (1, JOINTS):
        raise ValueError(f"{len(joints)} joints, expected {JOINTS}")
    if not (joints[:, 2] > 0).all():
        raise ValueError("a joint lies behind the camera")
    points, places = np.zeros((JOINTS, 3)), np.zeros((JOINTS, 4))
    points[: len(joints)], places[: len(joints)] = with_confidence(camera, joints)
    arrays = {"keypoints2d.mano21": points, "keypoints3d.mano21": places}
    arrays["camera.intrinsics"] = camera
    if mesh is not None:
        arrays["vertices.mano"] = mesh
    meta: dict[str, Any] = {"hand": "right"}
    if isinstance(labels.get("objName"), str):
        meta["object"] = labels["objName"]
    if labels.get("handPose") is not None:
        arrays |= hand_parameters(labels, joints[0])
        meta["body_source"] = "imported"
    return Person(image=image, arrays=arrays, box=box_of(labels, points), meta=meta)


def hand_parameters(labels: Mapping[str, Any], wrist: np.ndarray) -> dict[str, np.ndarray]:
    """The content of a pickle, the wrist in our frame -> parameters of MANO in our frame."""
    pose = np.array(labels["handPose"], np.float64).reshape(48)
    transl = np.array(labels["handTrans"], np.float64).reshape(3)
    rest = FROM_OPENGL @ wrist - transl  # the wrist of the hand at rest, about which it turns
    return {
        "mano.global_orient": turned_root(pose[:3], FROM_OPENGL),
        "mano.hand_pose": pose[3:],
        "mano.betas": np.array(labels["handBeta"], np.float64).reshape(10),
        "mano.transl": moved_translation(transl, rest, FROM_OPENGL, np.zeros(3)),
    }


def box_of(labels: Mapping[str, Any], points: np.ndarray) -> np.ndarray:
    """-> the owner's box (two corners), longer side times 1.2; else the same around the joints."""
    corners = labels.get("handBoundingBox")
    if corners is None:
        return padded_box(points[points[:, 2] > 0, :2])
    low, high = np.array(corners, np.float64).reshape(2, 2)
    return square_box((low + high) / 2, BOX_SCALE * float((high - low).max()))
