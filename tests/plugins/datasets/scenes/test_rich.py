"""RICH: a body in the world, seen by calibrated cameras; files are invented, in the toolkit's layout."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hpscli.body.layer import load_body, matrices
from hpscli.errors import MissingError
from hpscli.records import Person
from tests.plugins.datasets.scenes.scene_files import (
    NUMBERS,
    import_free_body,
    pickled,
    picture,
    read,
    smplx_fit,
)

TURN = cv2.Rodrigues(np.array([0.1, 0.5, 3.0]))[0]
TRANSLATION = np.array([0.1, -0.2, 4.0])
INTRINSICS = np.array([[50.0, 0, 30], [0, 50, 20], [0, 0, 1]])
SEQUENCE = "BBQ_001_guitar"
XML = """<?xml version="1.0"?>
<opencv_storage>
{}</opencv_storage>
"""
MATRIX = """<{0} type_id="opencv-matrix">
  <rows>{1}</rows><cols>{2}</cols><dt>d</dt>
  <data>
    {3}</data></{0}>
"""


def calibration(path: Path) -> None:
    """As OpenCV's FileStorage writes it."""
    camera = np.hstack([TURN, TRANSLATION[:, None]])
    arrays = {
        "CameraMatrix": camera,
        "Intrinsics": INTRINSICS,
        "Distortion": np.arange(1.0, 6)[:, None],
    }
    text = "".join(
        MATRIX.format(name, *a.shape, " ".join(map(repr, a.ravel().tolist())))
        for name, a in arrays.items()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(XML.format(text))


@pytest.fixture
def fit(tmp_path: Path) -> dict[str, np.ndarray]:
    """One subject, two frames, two cameras, of which one saw both."""
    fit = smplx_fit(transl=NUMBERS.normal(0, 0.2, (1, 3)))
    for frame in ("00001", "00002"):
        pickled(tmp_path / f"train_body/{SEQUENCE}/{frame}/009.pkl", fit)
        picture(tmp_path / f"train/{SEQUENCE}/cam_00/{frame}_00.bmp")
    picture(tmp_path / f"train/{SEQUENCE}/cam_01/00002_01.jpeg")
    for number in range(2):
        calibration(tmp_path / f"scan_calibration/BBQ/calibration/{number:03d}.xml")
    return fit


def joints(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """-> the joints (22,3) of the free body without eyes and hands."""
    names = ["global_orient", "body_pose", "betas", "expression", "transl", "jaw_pose"]
    values = {name: torch.tensor(np.float32(arrays[name]).reshape(1, -1)) for name in names}
    return np.asarray(load_body("smplx", source="free").kinematics(matrices(values))[0])[:22]


def body_of(person: Person) -> dict[str, np.ndarray]:
    found = {k.removeprefix("smplx."): v for k, v in person.arrays.items() if "smplx." in k}
    return {name: array for name, array in found.items() if "." not in name}


def test_a_body_is_placed_in_every_camera_that_saw_it(
    tmp_path: Path, fit: dict[str, np.ndarray]
) -> None:
    import_free_body("smplx", "female")
    people, bad = read("rich", tmp_path, "train")
    assert not bad
    assert [person.image.split("/")[-1] for person in people] == [
        *("00001_00.bmp", "00002_00.bmp", "00002_01.jpeg")
    ]
    assert {person.meta["gender"] for person in people} == {"female"}
    assert people[0].arrays["extra.distortion"].tolist() == [1, 2, 5, 0, 0, 0, 3, 4]
    seen = joints(fit) @ TURN.T + TRANSLATION
    for person in people:
        np.testing.assert_allclose(joints(body_of(person)), seen, atol=1e-5)
        np.testing.assert_allclose(person.arrays["keypoints3d.smplx55"][:22, :3], seen, atol=1e-5)
        points = person.arrays["keypoints3d.smplx55"][:, :3] @ INTRINSICS.T
        size = np.ptp(points[:, :2] / points[:, 2:], axis=0)
        assert person.box is not None
        np.testing.assert_allclose(person.box[2:], 1.2 * size, rtol=1e-4)


def test_without_the_body_the_box_is_that_of_the_free_one(
    tmp_path: Path, fit: dict[str, np.ndarray]
) -> None:
    people, _ = read("rich", tmp_path, "train")
    assert people[0].meta["box_from"] == "free"
    assert {"smplx.transl", "keypoints3d.smplx55"}.isdisjoint(people[0].arrays)
    assert people[0].box is not None
    center = people[0].box[:2] + people[0].box[2:] / 2
    pelvis = INTRINSICS @ (TURN @ (fit["transl"][0] + [0.003, -0.351, 0.012]) + TRANSLATION)
    assert np.abs(center - pelvis[:2] / pelvis[2]).max() < people[0].box[2:].max() / 2


def test_broken_records_are_named_and_the_rest_is_read(
    tmp_path: Path, fit: dict[str, np.ndarray]
) -> None:
    (tmp_path / "scan_calibration/BBQ/calibration/001.xml").write_text("<a><CameraMatrix/></a>")
    pickled(tmp_path / f"train_body/{SEQUENCE}/00001/010.pkl", {"betas": 1})
    pickled(tmp_path / f"train_body/{SEQUENCE}/00001/x.pkl", fit)
    people, bad = read("rich", tmp_path, "train")
    assert len(people) == 2
    words = (
        "010.pkl: there is no entry 'global_orient'",
        "subject x: invalid literal",
        "001.xml is no calibration",
    )
    assert all(word in message for word, message in zip(words, bad, strict=True))
    with pytest.raises(MissingError, match="test_body"):
        read("rich", tmp_path, "test")
