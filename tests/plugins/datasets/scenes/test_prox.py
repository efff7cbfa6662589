"""PROX: mirrored pictures, pictures without a fit, hands as coefficients."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from hpscli.body.assets.files import write_asset
from hpscli.body.free import free_arrays
from hpscli.body.joints import joint_set
from hpscli.body.layer import load_body, matrices
from hpscli.errors import MissingError
from hpscli.records import Person
from tests.plugins.datasets.scenes.scene_files import (
    detections,
    openpose,
    pickled,
    picture,
    read,
    smplx_fit,
)

RECORDING = "N3Office_00159_01"
SIZE_PX = (1080, 1920)


def write(root: Path, frame: str, points: np.ndarray | None, fit: Any) -> None:
    """One frame of a recording, its picture at full size."""
    picture(root / f"recordings/{RECORDING}/Color/{frame}.jpg", SIZE_PX)
    openpose(root / f"keypoints/{RECORDING}/{frame}_keypoints.json", points)
    if fit is not None:
        pickled(root / f"PROXD/{RECORDING}/results/{frame}/000.pkl", fit)


def seen(person: Person) -> np.ndarray:
    """-> the joints of the free body with a person's parameters, in its picture (55,2)."""
    names = ("global_orient", "body_pose", "transl", "jaw_pose", "leye_pose", "reye_pose")
    values = {n: torch.tensor(np.float32(person.arrays[f"smplx.{n}"]))[None] for n in names}
    joints = np.asarray(load_body("smplx", source="free").kinematics(matrices(values))[0])
    ahead = joints @ person.arrays["camera.intrinsics"].T
    return np.asarray(ahead[:, :2] / ahead[:, 2:])


def test_labels_are_mirrored_onto_the_picture(tmp_path: Path) -> None:
    points = detections(1920, 1080)
    write(tmp_path, "a", points, smplx_fit(transl=np.array([[0.4, 0.2, 3.0]])))
    ((person,), _) = read("prox", tmp_path, "train")
    ((unmirrored,), _) = read("prox", tmp_path, "train", mirrored=False)
    swapped = points[list(joint_set("openpose25").mirror)]
    found = person.arrays["keypoints2d.openpose25"]
    np.testing.assert_allclose(found[:, 0], 1919 - swapped[:, 0])
    np.testing.assert_allclose(found[:, 1:], swapped[:, 1:])
    mirrored_body = seen(unmirrored)[list(joint_set("smplx55").mirror)]
    np.testing.assert_allclose(
        seen(person), [1919, 0] + mirrored_body * [-1, 1], atol=0.6
    )  # px; the free body is symmetric to a tenth of a millimetre
    assert person.meta["gender"] == "female"
    assert "smplx.expression" not in person.arrays
    assert "smplx.expression" in unmirrored.arrays
    np.testing.assert_allclose(unmirrored.arrays["keypoints2d.openpose25"], points)


def test_doubtful_joints_do_not_stretch_the_box(tmp_path: Path) -> None:
    points = detections(1920, 1080)
    write(tmp_path, "a", points, smplx_fit())
    ((person,), _) = read("prox", tmp_path, "train", mirrored=False)
    ((official,), _) = read("prox", tmp_path, "train", reference="hmr-benchmarks")
    assert person.box is not None and official.box is not None
    np.testing.assert_allclose(person.box[2:], 1.2 * np.ptp(points[:-3, :2], axis=0))
    np.testing.assert_allclose(official.box[2:], [1920 * 1.2, 1080 * 1.2])
    confidences = official.arrays["keypoints2d.openpose25"][:, 2]
    np.testing.assert_allclose(confidences[-4:], [1, 0, 0.1, 0.12])
    np.testing.assert_allclose(person.arrays["keypoints2d.openpose25"], points)


def test_a_picture_without_a_fit_shifts_nobody_elses(tmp_path: Path) -> None:
    first, last = smplx_fit(), smplx_fit(camera_translation=np.ones((1, 3), np.float32))
    for frame, points, fit in (
        *(("a", detections(), first), ("b", detections(), None), ("c", None, smplx_fit())),
        ("d", detections(), last),
    ):
        write(tmp_path, frame, points, fit)
    ours, _ = read("prox", tmp_path, "train", mirrored=False)
    theirs, _ = read("prox", tmp_path, "train", reference="hmr-benchmarks")
    assert [Path(p.image).stem for p in ours] == list("abd")
    assert [Path(p.image).stem for p in theirs] == list("ad")
    name, official = "smplx.body_pose", "extra.human_data.smplx.body_pose"
    assert name not in ours[1].arrays
    np.testing.assert_allclose(ours[2].arrays[name], last["body_pose"][0])
    np.testing.assert_allclose(theirs[1].arrays[official], last["body_pose"][0])
    np.testing.assert_allclose(
        ours[2].arrays["smplx.transl"], last["transl"][0] + 1, rtol=1e-6
    )  # into the colour camera
    assert [p.arrays["camera.translation"][0] for p in theirs] == [0, 1]


def test_hands_are_rotations_only_with_the_components_of_a_body(tmp_path: Path) -> None:
    fit = smplx_fit()
    write(tmp_path, "a", detections(), fit)
    ((without,), _) = read("prox", tmp_path, "train", mirrored=False)
    assert "smplx.left_hand_pose" not in without.arrays
    np.testing.assert_allclose(without.arrays["extra.left_hand_pca"], fit["left_hand_pose"][0])
    components, mean = np.eye(45, dtype=np.float32)[::-1], np.full(45, 0.25, np.float32)
    hands = {
        f"hands_{k}{s}": v for k, v in (("components", components), ("mean", mean)) for s in "lr"
    }
    about = {"kind": "smplx", "gender": "neutral", "betas": 10, "expressions": 10}
    write_asset("smplx-neutral", {**free_arrays("smplx"), **hands}, about)
    ((person,), _) = read("prox", tmp_path, "train", mirrored=False)
    expected = mean.copy()
    expected[:-13:-1] += fit["left_hand_pose"][0]
    np.testing.assert_allclose(person.arrays["smplx.left_hand_pose"], expected, rtol=1e-6)


def test_labels_follow_a_resized_copy(tmp_path: Path) -> None:
    points = detections(1920, 1080)
    write(tmp_path, "a", points, None)
    picture(tmp_path / f"recordings/{RECORDING}/Color/a.jpg", (540, 960))
    ((person,), _) = read("prox", tmp_path, "train", mirrored=False)
    np.testing.assert_allclose(
        person.arrays["keypoints2d.openpose25"][:, :2], points[:, :2] / 2 - 0.25
    )
    np.testing.assert_allclose(person.arrays["camera.intrinsics"][0, 0], 1060.53 / 2)


def test_a_turned_camera_turns_the_root_and_leaves_the_translation_out(tmp_path: Path) -> None:
    turn = cv2.Rodrigues(np.array([0.2, -0.4, 0.1]))[0]
    fit = smplx_fit(camera_rotation=turn[None])
    write(tmp_path, "a", detections(), fit)
    ((person,), _) = read("prox", tmp_path, "train", mirrored=False)
    root = turn @ cv2.Rodrigues(fit["global_orient"][0].astype(float))[0]
    np.testing.assert_allclose(
        cv2.Rodrigues(person.arrays["smplx.global_orient"])[0], root, atol=1e-6
    )
    assert "smplx.transl" not in person.arrays


def test_broken_records_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    write(tmp_path, "a", detections(), smplx_fit(betas=np.zeros(3)))
    write(tmp_path, "b", detections()[:7], smplx_fit())
    write(tmp_path, "c", np.zeros((25, 3)), smplx_fit())
    write(tmp_path, "d", detections(), [1])
    write(tmp_path, "e", detections(), smplx_fit())
    (tmp_path / f"keypoints/{RECORDING}/f_keypoints.json").write_text("{")
    picture(tmp_path / f"recordings/{RECORDING}/Color/f.jpg")
    picture(tmp_path / f"recordings/{RECORDING}/Color/g.jpg")
    for reference in ("", "hmr-benchmarks"):
        people, bad = read("prox", tmp_path, "train", reference=reference)
        assert [Path(p.image).stem for p in people] == ["e"]
        assert len(bad) == 6
        words = ("shape (3,)", "size 21", "not a joint", "no dictionary", "no result", "No such")
        assert all(word in message for word, message in zip(words, bad, strict=True))
    with pytest.raises(MissingError, match="no recordings"):
        read("prox", tmp_path / "keypoints", "train")
