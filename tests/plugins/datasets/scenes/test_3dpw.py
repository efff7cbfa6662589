"""3DPW: people of a moving camera."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hps_datasets.scenes.threedpw import metro_box
from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.people import Layout, make_sample
from hpscli.data.preparation import METRO
from hpscli.errors import MissingError
from tests.plugins.datasets.scenes.scene_files import (
    import_free_body,
    picture,
    read,
    sequence,
    write_3dpw,
)


def test_a_body_stands_in_the_camera(tmp_path: Path) -> None:
    import_free_body("smpl", "male")
    content = sequence()
    write_3dpw(tmp_path, content)
    people, bad = read("3dpw", tmp_path, "train")
    assert not bad
    assert [(p.image[-6:-4], p.key[-1], p.meta["gender"]) for p in people] == [
        *(("00", "0", "male"), ("01", "0", "male"), ("02", "0", "male")),
        *(("00", "1", "female"), ("01", "1", "female"), ("02", "1", "female")),
    ]
    arrays, camera = people[0].arrays, content["cam_poses"][0]
    root = camera[:3, :3] @ cv2.Rodrigues(content["poses"][0][0, :3])[0]
    np.testing.assert_allclose(cv2.Rodrigues(arrays["smpl.global_orient"])[0], root, atol=1e-7)
    joints = content["jointPositions"][0][0].reshape(24, 3) @ camera[:3, :3].T + camera[:3, 3]
    np.testing.assert_allclose(arrays["keypoints3d.smpl24"][:, :3], joints, atol=1e-9)
    assert people[0].meta["body_source"] == "imported"
    assert "smpl.transl" in arrays  # about the pelvis: tests/body/test_placement.py
    assert "smpl.transl" not in people[3].arrays  # the female body is not here


def test_only_frames_with_a_valid_camera_are_read(tmp_path: Path) -> None:
    content = sequence(betas=300)
    content["campose_valid"] = [np.array([0, 1, 0]), np.array([1, 0, 1])]
    write_3dpw(tmp_path, content)
    people, _ = read("3dpw", tmp_path, "train")
    assert [p.key for p in people] == ["walk_00-00001-0", "walk_00-00000-1", "walk_00-00002-1"]
    assert people[0].arrays["smpl.betas"].shape == (10,)


def test_a_frame_without_detections_has_the_box_of_its_projected_joints(tmp_path: Path) -> None:
    content = sequence(frames=1, actors=1)
    content["poses2d"][0][0, 2] = 0
    write_3dpw(tmp_path, content)
    for reference in ("", "mmhuman3d"):
        ((person,), _) = read("3dpw", tmp_path, "train", reference=reference)
        camera, seen = content["cam_poses"][0], content["jointPositions"][0].reshape(24, 3)
        seen = (seen @ camera[:3, :3].T + camera[:3, 3]) @ content["cam_intrinsics"].T
        points = seen[:, :2] / seen[:, 2:]
        assert person.box is not None
        np.testing.assert_allclose(person.box[2:], 1.2 * np.ptp(points, axis=0))
        np.testing.assert_allclose(
            person.box[:2] + person.box[2:] / 2, np.ptp(points, axis=0) / 2 + points.min(0)
        )


def test_converters_keep_neither_joints_nor_whole_words(tmp_path: Path) -> None:
    write_3dpw(tmp_path, sequence())
    people, _ = read("3dpw", tmp_path, "train", reference="mmhuman3d")
    assert not any(name.startswith("keypoints") for name in people[0].arrays)
    assert {p.meta["human_data.gender"] for p in people} == {"m", "f"}


def test_broken_records_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    content = sequence()
    content["betas"][1] = np.zeros(4)
    write_3dpw(tmp_path, content, "a")
    write_3dpw(tmp_path, {"poses": 3}, "b")
    write_3dpw(tmp_path, [1], "c")
    (tmp_path / "sequenceFiles/train/d.pkl").write_bytes(b"\x80\x02broken")
    hidden = sequence(frames=1, actors=1)
    hidden["poses2d"][0][:], hidden["cam_poses"][:, 2, 3] = 0, -50
    write_3dpw(tmp_path, hidden, "e")
    people, bad = read("3dpw", tmp_path, "train")
    assert len(people) == 3
    assert [message.split(".")[0][:8] for message in bad] == [
        "a",
        "b",
        "c",
        str(tmp_path)[:8],
        "imageFil",
    ]
    assert "person 1: shape" in bad[0]
    with pytest.raises(MissingError, match="validation holds no .pkl"):
        read("3dpw", tmp_path, "validation")


def test_metro_sees_the_projected_joints_inside_the_picture_with_two_margins(
    tmp_path: Path,
) -> None:
    """Pose2Mesh's boxes are 1.2 times those joints', METRO's crops 1.2 times its boxes."""
    content = sequence(frames=2, actors=1)
    write_3dpw(tmp_path, content)
    (tmp_path / "imageFiles/walk_00").mkdir(parents=True)
    (tmp_path / "imageFiles/walk_00/image_00000.jpg").write_bytes(b"no picture")
    picture(tmp_path / "imageFiles/walk_00/image_00001.jpg", (24, 34))
    people, bad = read("3dpw", tmp_path, "train")
    assert not bad and len(people) == 2
    for person in people:
        joints = person.arrays["keypoints3d.smpl24"][:, :3] @ content["cam_intrinsics"].T
        points = joints[:, :2] / joints[:, 2:]
        seen = points[(points >= 0).all(1) & (points[:, 0] < 34) & (points[:, 1] < 24)]
        assert 1 < len(seen) < 24  # some lie outside
        official = 1.2 * (1.2 * np.ptp(seen, axis=0)).max()
        box = person.arrays["extra.box_metro"]
        np.testing.assert_allclose(box[2:], official)
        np.testing.assert_allclose(box[:2] + box[2:] / 2, (seen.min(0) + seen.max(0)) / 2)
    sample = make_sample(tmp_path, people[1], Layout())
    batch = prepared_batch([sample], METRO.window, "smpl24", METRO)
    assert METRO.window[1] / batch.affine[0, 0, 0] == pytest.approx(official, rel=1e-5)
    theirs, _ = read("3dpw", tmp_path, "train", reference="mmhuman3d")
    assert not any("extra.box_metro" in person.arrays for person in theirs)


def test_without_a_joint_in_the_picture_there_is_no_box_of_metro() -> None:
    lens = np.array([[50.0, 0, 30], [0, 50, 20], [0, 0, 1]])
    joints = np.tile([9.0, 0.0, 1.0], (24, 1))
    joints[0] = 0.0, 0.0, 1.0
    assert metro_box(joints, lens, (40, 60)) == {}
    joints[1] = 0.1, 0.2, 1.0
    np.testing.assert_allclose(metro_box(joints, lens, (40, 60))["extra.box_metro"][2:], 14.4)
