"""OSX's data sets as we read them, and as OSX lists them: every difference both ways."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hpscli.body.assets.files import write_asset
from hpscli.body.free import free_arrays
from hpscli.data.forms.osx import osx_list
from hpscli.errors import HpsError, InvalidData, UsageError
from hpscli.records import Person
from hpscli.registry import get_registry, resolve
from tests.plugins.datasets.osx_forms.osx_files import (
    BOX,
    FIT,
    agora,
    ehf,
    human36m,
    mscoco,
    ubody,
    whole_body,
)

ROTATION = cv2.Rodrigues(np.array([0.2, -0.4, 0.1]))[0]
LEFT_WRIST, LEFT_HAND_WRIST = 9, 24


def read(root: Path, split: str = "train", name: str = "osx-json", **options: Any) -> list[Any]:
    spec = get_registry().dataset(name)
    return list(resolve(spec.people)(root, split, **{**spec.options, **options}))


def both(root: Path, split: str = "train", **options: Any) -> tuple[Person, Person]:
    """-> the first person as we read it, and as OSX lists it."""
    ours, official = (read(root, split, reference=word, **options)[0] for word in ("", "osx"))
    assert isinstance(ours, Person) and isinstance(official, Person)
    return ours, official


def test_a_box_keeps_its_proportions_with_a_margin_and_is_3_to_4_of_osx(tmp_path: Path) -> None:
    ours, official = both(mscoco(tmp_path, whole_body(5)))
    assert ours.box is not None and official.box is not None
    np.testing.assert_allclose(ours.box, [14, 6, 72, 48])
    np.testing.assert_allclose(official.box, [12.625, -19.666667, 73.75, 98.333333], atol=1e-5)


def test_a_box_without_area_is_a_bad_record_and_nobody_of_osx(tmp_path: Path) -> None:
    root = mscoco(tmp_path, whole_body(5, bbox=[1.0, 2.0, 0.0, 3.0]))
    (bad,) = read(root)
    assert isinstance(bad, InvalidData)
    assert bad.problem == "coco_wholebody_train_v1.0.json annotation 5: 'bbox' is 0 x 3 px."
    assert read(root, reference="osx") == []


def test_wrists_of_hands_are_copied_by_osx_alone(tmp_path: Path) -> None:
    people = both(mscoco(tmp_path, whole_body(5)))
    ours, official = (person.arrays["keypoints2d.osx_mscoco134"] for person in people)
    assert ours[LEFT_HAND_WRIST].tolist() == [0, 0, 0]
    assert official[LEFT_HAND_WRIST].tolist() == official[LEFT_WRIST].tolist()


def test_validation_has_joints_and_of_osx_boxes_of_all(tmp_path: Path) -> None:
    crowd = whole_body(6, iscrowd=1)
    root = mscoco(tmp_path, whole_body(5), crowd, part="val")
    ours, official = read(root, "validation"), read(root, "validation", reference="osx")
    assert [len(ours), len(official)] == [1, 2]
    assert "keypoints2d.osx_mscoco134" in ours[0].arrays
    assert "keypoints2d.osx_mscoco134" not in official[0].arrays


def test_unlabelled_joints_are_zero_and_of_osx_where_the_file_says(tmp_path: Path) -> None:
    person = whole_body(5)
    person["keypoints"][:3] = [90.0, 30.0, 0]
    ours, official = both(mscoco(tmp_path, person))
    assert ours.arrays["keypoints2d.osx_mscoco134"][0].tolist() == [0, 0, 0]
    assert official.arrays["keypoints2d.osx_mscoco134"][0].tolist() == [90, 30, 0]


def test_boxes_of_ubody_differ_in_faces_and_whole_numbers(tmp_path: Path) -> None:
    ours, official = both(ubody(tmp_path, whole_body(1)), interval=1)
    np.testing.assert_allclose(ours.arrays["extra.face_box"], [49, 11, 61, 23])
    np.testing.assert_allclose(official.arrays["extra.face_box"], [-6, -2.2, 66, 24.2])
    np.testing.assert_allclose(ours.arrays["extra.lhand_box"], [26.925, 28.675, 34.075, 42.325])
    assert official.arrays["extra.lhand_box"].tolist() == [26, 28, 34, 42]
    assert "extra.rhand_box" not in ours.arrays


def test_ubody_is_divided_by_videos_and_thinned_as_osx_does(tmp_path: Path) -> None:
    people = [whole_body(n, image_id=1 + n % 3) for n in range(1, 31)]
    root = ubody(tmp_path, *people, whole_body(40, valid_label=0))
    found = {split: read(root, split, "ubody") for split in ("train", "test")}
    assert [len(found["train"]), len(found["test"])] == [20, 10]
    assert {person.meta["video"] for person in found["test"]} == {"B"}
    assert len(read(root, "test", "ubody", split_list="inter")) == 20
    official = read(root, "train", "ubody", reference="osx")
    assert [person.meta["annotation"] for person in official] == [
        30
    ]  # 10 has no picture, 20 is test


def test_joints_in_the_world_come_to_metres_and_osx_lists_them_in_millimetres(
    tmp_path: Path,
) -> None:
    ours, official = both(human36m(tmp_path, ROTATION), "test")
    joints = [person.arrays["keypoints3d.osx_h36m17"][:, :3] for person in (ours, official)]
    np.testing.assert_allclose(joints[0], joints[1], atol=1e-6)
    listed = osx_list([official])
    np.testing.assert_allclose(listed["joint_cam"][0], joints[0] * 1000, atol=1e-3)
    pixels = joints[0][:, :2] / joints[0][:, 2:] * 500 + [100, 50]
    np.testing.assert_allclose(ours.arrays["keypoints2d.osx_h36m17"][:, :2], pixels, atol=1e-9)
    np.testing.assert_allclose(listed["joint_img"][0], pixels, atol=1e-3)


def test_frames_without_a_fit_keep_joints_and_osx_has_none(tmp_path: Path) -> None:
    root = human36m(tmp_path, ROTATION, fitted=False)
    (ours,) = read(root, "test")
    assert not [name for name in ours.arrays if name.startswith("smplx.")]
    assert read(root, "test", reference="osx") == []


def test_hands_and_places_are_told_when_smplx_is_here(tmp_path: Path) -> None:
    root = mscoco(tmp_path, whole_body(5))
    human36m(root, ROTATION)
    (before,) = read(root, set="MSCOCO")
    assert before.arrays["extra.left_hand_pose_from_mean"].tolist() == FIT["lhand_pose"]
    assert (
        "extra.right_hand_pose_from_mean" not in before.arrays
    )  # the annotation says it was not looked at
    arrays = free_arrays("smplx")
    about = {"kind": "smplx", "gender": "neutral", "betas": 10, "expressions": 10}
    write_asset("smplx-neutral", arrays, about)
    (after,) = read(root, set="MSCOCO")
    mean = np.asarray(arrays["hands_meanl"], np.float64)
    np.testing.assert_allclose(after.arrays["smplx.left_hand_pose"] - mean, FIT["lhand_pose"])
    (placed,) = read(root, "test", set="Human36M")
    root_pose = cv2.Rodrigues(placed.arrays["smplx.global_orient"])[0]
    np.testing.assert_allclose(root_pose, ROTATION @ cv2.Rodrigues(np.array(FIT["root_pose"]))[0])
    assert abs(placed.arrays["smplx.transl"][2] - 7.0) < 1.0  # 4 m of the camera, 3 m of the body


def test_agora_shows_the_whole_picture_or_the_crop(tmp_path: Path) -> None:
    whole = read(agora(tmp_path / "whole", whole_picture=True))
    assert [person.image for person in whole] == ["AGORA/data/3840x2160/train_0/a.png"] * 2
    assert whole[0].arrays["keypoints2d.osx_agora127"][0].tolist() == [1100, 700, 1]
    np.testing.assert_allclose(whole[0].box, [980, 460, 240, 480])
    crop, lost = read(agora(tmp_path / "crop", whole_picture=False))
    assert crop.image == "AGORA/data/3840x2160/train_0_crop/a_ann_id_7.png"
    assert crop.arrays["keypoints2d.osx_agora127"][0].tolist() == [100, 150, 1]
    np.testing.assert_allclose(crop.arrays["extra.lhand_box"], [75, 100, 95, 120])
    assert isinstance(lost, InvalidData)


def test_agora_of_osx_is_the_crop_alone(tmp_path: Path) -> None:
    (official,) = read(agora(tmp_path, whole_picture=True), reference="osx")
    assert official.image == "AGORA/data/3840x2160/train_0_crop/a_ann_id_7.png"
    assert official.box.tolist() == [0, 0, 384, 512]
    np.testing.assert_allclose(official.arrays["extra.lhand_box"], [75, 100, 94, 119])
    assert "extra.face_box" not in official.arrays


@pytest.mark.parametrize("text", [False, True], ids=["binary", "text"])
def test_meshes_of_ehf_are_turned_into_the_camera_but_by_osx(tmp_path: Path, text: bool) -> None:
    ours, official = both(ehf(tmp_path, text=text), "test")
    rotation = cv2.Rodrigues(np.array([-2.98747896, 0.01172457, -0.05704687]))[0]
    turned = official.arrays["vertices.smplx"] @ rotation.T
    np.testing.assert_allclose(ours.arrays["vertices.smplx"], turned, atol=1e-9)
    assert ours.arrays["extra.face_box"].tolist() == [20, 10, 80, 50] and len(BOX) == 4


def test_a_folder_of_several_sets_asks_which(tmp_path: Path) -> None:
    root = mscoco(tmp_path, whole_body(5))
    ehf(root)
    with pytest.raises(UsageError, match=r"MSCOCO, EHF\. Say which: set=MSCOCO"):
        read(root)
    assert len(read(root / "MSCOCO")) == 1
    assert read(root / "MSCOCO")[0].image == "images/train2017/000000000001.jpg"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"image_id": 77}, "there is no image 77"),
        ({"keypoints": [1.0, 2.0]}, "'keypoints' is not 17x3 numbers"),
        ({"bbox": [1.0, float("nan"), 3.0, 4.0]}, "'bbox' has numbers that are not finite"),
        ({"lefthand_box": None}, "'lefthand_box' is not 4 numbers"),
    ],
)
def test_a_broken_record_is_one_line_and_the_others_stay(
    tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    found = read(mscoco(tmp_path, whole_body(5, **change), whole_body(6)))
    bad, good = found
    assert isinstance(bad, HpsError) and isinstance(good, Person)
    assert bad.problem == f"coco_wholebody_train_v1.0.json annotation 5: {told}."
