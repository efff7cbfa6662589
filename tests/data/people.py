"""Small made-up people for the tests of the data pipe, and data set plugins that give them."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hpscli.body.joints import joint_set
from hpscli.data.prepare import prepare
from hpscli.errors import InvalidData
from hpscli.hooks import DatasetSpec
from hpscli.records import Sample

SIDE_PX = 64
FOCAL_PX = 80.0


def person(number: int, **changes: Any) -> Sample:
    """A person with every kind of SMPL label; its 2D joints are its 3D joints seen by its camera."""
    generator = np.random.default_rng(number)
    intrinsics = np.array([[FOCAL_PX, 0, 32], [0, FOCAL_PX, 32], [0, 0, 1]], np.float32)
    points = generator.uniform(-0.6, 0.6, (24, 3)) + [0.0, 0.0, 3.0]
    projected = points @ intrinsics.T
    seen = np.ones((24, 1))
    arrays = {
        "keypoints2d.smpl24": np.hstack([projected[:, :2] / projected[:, 2:], seen]),
        "keypoints3d.smpl24": np.hstack([points, seen]),
        "smpl.global_orient": generator.normal(size=3),
        "smpl.body_pose": generator.normal(size=69) * 0.3,
        "smpl.betas": generator.normal(size=10),
        "smpl.transl": np.array([0.0, 0.0, 3.0]),
        "camera.intrinsics": intrinsics,
        "box.center": np.array([32.0, 30.0]),
        "box.size": np.array([40.0]),
        "image.affine": np.eye(2, 3),
    }
    arrays = {name: np.float32(array) for name, array in arrays.items()}
    meta = {"image_size_px": [SIDE_PX, SIDE_PX], "dataset": "made-up", "body_source": "free"}
    image = changes.pop("image", None) or picture(generator)
    arrays |= changes.pop("arrays", {})
    meta |= changes.pop("meta", {})
    return Sample(
        key=changes.pop("key", f"person-{number:04d}"), image=image, arrays=arrays, meta=meta
    )


def picture(generator: np.random.Generator) -> bytes:
    """-> a JPEG of coloured blobs."""
    blobs = generator.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    image = cv2.resize(blobs, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])


def dotted_person(number: int, set_name: str = "smpl24") -> Sample:
    """A person on black whose joints are painted: a bright dot of its own colour at each."""
    count = len(joint_set(set_name).joints)
    generator = np.random.default_rng(number)
    image = np.zeros((256, 256, 3), np.uint8)
    points = np.ones((count, 3), np.float32)
    grid = generator.permutation(25)[:count]
    for joint, cell in enumerate(grid):
        points[joint, :2] = 78 + 25 * (cell % 5), 78 + 25 * (cell // 5)
        x, y = int(points[joint, 0]), int(points[joint, 1])
        cv2.circle(image, (x, y), 3, dot_colour(joint), -1)
    encoded = bytes(cv2.imencode(".png", image)[1])
    arrays = {
        f"keypoints2d.{set_name}": points,
        "box.center": np.float32([128, 128]),
        "box.size": np.float32([150]),
        "image.affine": np.float32(np.eye(2, 3)),
    }
    meta = {"image_size_px": [256, 256]}
    return Sample(key=f"dots-{number}", image=encoded, arrays=arrays, meta=meta)


def dot_colour(joint: int) -> tuple[int, int, int]:
    """-> a colour (BGR) that tells joints apart."""
    return 100 + 6 * joint, 255 - 6 * joint, 150 + (joint * 37) % 100


def spec(**changes: Any) -> DatasetSpec:
    """-> the data set `made-up`, whose people are `people_of(options)`."""
    settings: dict[str, Any] = {
        "name": "made-up",
        "samples": "tests.data.people:samples",
        "splits": ("train", "test"),
        "summary": "People for tests",
        "licence": "CC0-1.0",
        "access": "generated",
        "homepage": "-",
        "body": "smpl",
        "needs_root": False,
        "options": {"count": 20, "broken": "", "slow_seconds": 0.0},
    }
    return DatasetSpec(**{**settings, **changes})


def parallel_spec() -> DatasetSpec:
    return spec(parallel="tests.data.people:parallel")


def samples(
    root: Path, split: str, *, count: int, broken: str, slow_seconds: float
) -> Iterator[Sample | InvalidData]:
    for index in range(count):
        try:
            yield _person(index, broken, slow_seconds)
        except InvalidData as error:
            yield error


def parallel(
    root: Path, split: str, *, count: int, broken: str, slow_seconds: float
) -> tuple[int, Callable[[int], Sample]]:
    return count, lambda index: _person(index, broken, slow_seconds)


def _person(index: int, broken: str, slow_seconds: float) -> Sample:
    """`broken` lists numbers and what ails them: "3:cut 5:shape 7:unreadable"."""
    time.sleep(slow_seconds)
    ailment = dict(word.split(":") for word in broken.split()).get(
        str(index), broken[:4] == "all:" and "cut"
    )
    if ailment == "cut":
        whole = person(index)
        return person(index, image=whole.image[: len(whole.image) // 2])
    if ailment == "shape":
        return person(index, arrays={"smpl.betas": np.zeros(7, np.float32)})
    if ailment == "twin":
        return person(index, key="person-0000")
    if ailment == "unreadable":
        raise InvalidData(f"line {index} of the list is not readable.")
    if ailment == "bug":
        raise KeyError("pose")
    if ailment == "killer":
        os.kill(os.getpid(), 9)
    return person(index)


def make_shards(folder: Path, count: int = 20, **settings: Any) -> Path:
    """-> a folder of shards of 8 people each."""
    options = {"count": count, **settings.pop("options", {})}
    arguments = {"split": "train", "shard_samples": 8, **settings}
    prepare(spec(), Path(), arguments.pop("split"), folder, options=options, **arguments)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """-> every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
