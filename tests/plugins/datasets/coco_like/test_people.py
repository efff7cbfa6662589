"""COCO and its relatives: ours, and as official converters make them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpscli.data.crops import crop_box
from hpscli.data.people import Layout, make_sample
from hpscli.data.preparation import HMR2
from hpscli.errors import InvalidData
from tests.plugins.datasets.coco_like.coco_files import (
    FILES,
    HEIGHT,
    JOINTS,
    WIDTH,
    annotation,
    joints,
    write,
)
from tests.plugins.datasets.reading import (
    box_of,
    checked,
    people_of,
    picture,
    read,
)

OCHUMAN_NAMES = (
    *("right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow"),
    *("left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee"),
    *("left_ankle", "head", "neck", "right_ear", "left_ear", "nose", "right_eye", "left_eye"),
)


@pytest.mark.parametrize("name", list(JOINTS))
def test_the_box_gets_its_margin_unless_a_converter_is_followed(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, [annotation(name, 7, 1)])
    picture(tmp_path / "images/train/000001_bonn_train/1.jpg")
    ours = people_of(name, tmp_path)[0]
    np.testing.assert_allclose(box_of(ours), [30 - 24, 50 - 36, 48, 72])  # 1.2 times 40, 60
    theirs = people_of(name, tmp_path, reference="mmhuman3d")[0]
    np.testing.assert_allclose(box_of(theirs), [10, 20, 40, 60])


@pytest.mark.parametrize(("name", "folder"), [("coco", "train2014"), ("posetrack18", "")])
def test_networks_get_the_crops_of_their_authors(tmp_path: Path, name: str, folder: str) -> None:
    """An upright person of 120 x 300 px: 4D-Humans cuts 360 px, with a square box it were 480."""
    write(tmp_path, name, [annotation(name, 7, 1, bbox=[10, 20, 120, 300])])
    path = folder or "images/train/000001_bonn_train"
    picture(tmp_path / path / "1.jpg")
    (ours,) = people_of(name, tmp_path)
    sample = make_sample(tmp_path, ours, Layout())
    center, side = crop_box(sample, HMR2.window, HMR2.seen)
    official = max(1.2 * 120 * 256 / 192, 1.2 * 300)
    assert (side, official) == (pytest.approx(360), pytest.approx(360))
    np.testing.assert_allclose(center, [70, 170])
    assert crop_box(sample, (224, 224))[1] == pytest.approx(360)  # SPIN's square


@pytest.mark.parametrize("name", ["coco", "coco-wholebody", "crowdpose"])
def test_groups_of_people_are_left_out_unless_a_converter_is_followed(
    tmp_path: Path, name: str
) -> None:
    write(tmp_path, name, [annotation(name, 7, 1, iscrowd=1), annotation(name, 8, 1)])
    assert [p.key[-1] for p in people_of(name, tmp_path)] == ["8"]
    assert len(people_of(name, tmp_path, reference="mmhuman3d")) == 2


@pytest.mark.parametrize("name", ["coco", "coco-wholebody", "crowdpose"])
def test_people_are_sorted_by_picture_unless_a_converter_is_followed(
    tmp_path: Path, name: str
) -> None:
    write(tmp_path, name, [annotation(name, n, i) for n, i in ((5, 2), (6, 1), (4, 2), (3, 1))])
    assert [p.key[-1] for p in people_of(name, tmp_path)] == ["6", "3", "5", "4"]
    reference = "hmr-benchmarks" if name == "coco" else "mmhuman3d"
    in_file = people_of(name, tmp_path, reference=reference)
    assert [p.key[-1] for p in in_file] == ["5", "6", "4", "3"]
    if name == "coco":
        sorted_too = people_of(name, tmp_path, reference="mmhuman3d")
        assert [p.key[-1] for p in sorted_too] == ["6", "3", "5", "4"]
        spin = people_of(name, tmp_path, reference="spin")
        assert [p.key[-1] for p in spin] == ["5", "6", "4", "3"]
        np.testing.assert_allclose(box_of(spin[0]), [30 - 36, 50 - 36, 72, 72])


def test_people_need_as_many_labelled_joints_as_the_option_says(tmp_path: Path) -> None:
    hidden_head = joints(17)
    hidden_head[2] = hidden_head[5] = 0.0
    no_ankle = joints(17)
    no_ankle[16 * 3 + 2] = 0.0
    entries = [hidden_head, no_ankle, joints(17, 0.0)]
    write(tmp_path, "coco", [annotation("coco", n, 1, keypoints=k) for n, k in enumerate(entries)])
    assert [len(people_of("coco", tmp_path, least_joints=n)) for n in (12, 11, 0)] == [1, 2, 3]
    # a converter's own rule is not an option
    assert len(people_of("coco", tmp_path, least_joints=0, reference="mmhuman3d")) == 1
    person = people_of("coco", tmp_path)[0]
    np.testing.assert_array_equal(person.arrays["extra.visibility"][:3], [0, 0, 2])
    np.testing.assert_array_equal(person.arrays["keypoints2d.coco17"][:3, 2], [0, 0, 1])


def test_people_of_crowdpose_lie_inside_their_picture(tmp_path: Path) -> None:
    outside = joints(14)
    outside[0] = float(WIDTH)  # the last column is WIDTH - 1
    image = {"id": 1, "file_name": "1.jpg", "width": WIDTH, "height": HEIGHT, "crowdIndex": 0.7}
    write(tmp_path, "crowdpose", [annotation("crowdpose", 1, 1, keypoints=outside)], [image])
    assert not people_of("crowdpose", tmp_path)
    (person,) = people_of("crowdpose", tmp_path, least_joints=13)
    assert person.meta == {"annotation": 1, "crowd_index": 0.7}


def test_parts_of_the_whole_body_count_by_their_flags_and_their_numbers(tmp_path: Path) -> None:
    parts = {
        "foot_kpts": joints(6, 1.0),
        "foot_valid": True,
        "face_kpts": joints(68, 0.4),
        "face_valid": True,
        "face_box": [1, 2, 3, 4],
        "lefthand_kpts": joints(21, 0.0),
        "lefthand_valid": True,
        "lefthand_box": [5, 6, 7, 8],
        "righthand_kpts": joints(21, 0.9),
        "righthand_valid": False,
        "righthand_box": [0, 0, 0, 0],
    }
    write(tmp_path, "coco-wholebody", [annotation("coco-wholebody", 1, 1, **parts)])
    ours = people_of("coco-wholebody", tmp_path)[0]
    expected = np.repeat([1, 1, 1, 0, 0], [17, 6, 68, 21, 21])
    np.testing.assert_array_equal(ours.arrays["keypoints2d.coco_wholebody133"][:, 2], expected)
    raw = np.repeat([2, 1, 0.4, 0, 0], [17, 6, 68, 21, 21])
    np.testing.assert_allclose(ours.arrays["extra.visibility"], raw)
    np.testing.assert_array_equal(ours.arrays["extra.face_box"], [1, 2, 3, 4])
    assert "extra.lefthand_box" in ours.arrays
    assert "extra.righthand_box" not in ours.arrays
    theirs = people_of("coco-wholebody", tmp_path, reference="mmhuman3d")[0]
    kept = np.repeat([1, 1, 0.4, 0, 0], [17, 6, 68, 21, 21])
    np.testing.assert_allclose(theirs.arrays["keypoints2d.coco_wholebody133"][:, 2], kept)
    assert theirs.image == "train_2017/train2017/1.jpg"
    assert ours.image == "train2017/1.jpg"


def test_pictures_are_found_where_people_keep_them(tmp_path: Path) -> None:
    write(tmp_path, "coco", [annotation("coco", 1, 1)])
    (tmp_path / "images/train2014").mkdir(parents=True)
    assert people_of("coco", tmp_path)[0].image == "images/train2014/1.jpg"
    theirs = people_of("coco", tmp_path, reference="spin")[0]
    assert theirs.image == "train2014/1.jpg"
    assert theirs.picture is not None
    assert theirs.picture.path == "images/train2014/1.jpg"


def test_frames_that_are_missing_are_reported_unless_a_converter_is_followed(
    tmp_path: Path,
) -> None:
    entries = [annotation("posetrack18", 10, 1), annotation("posetrack18", 20, 2)]
    write(tmp_path, "posetrack18", entries)
    picture(tmp_path / "images/train/000001_bonn_train/2.jpg")
    sound, (bad,) = checked("posetrack18", tmp_path)
    assert sound == 1
    assert "images/train/000001_bonn_train/1.jpg" in bad
    theirs = people_of("posetrack18", tmp_path, reference="mmhuman3d")
    assert [p.key for p in theirs] == ["000001_bonn_train-20"]


def test_people_in_videos_may_lack_boxes_and_joints(tmp_path: Path) -> None:
    boxless = annotation("posetrack18", 10, 1, track_id=3, person_id=4)
    del boxless["bbox"]
    write(tmp_path, "posetrack18", [boxless, annotation("posetrack18", 20, 1, keypoints=[])])
    picture(tmp_path / "images/train/000001_bonn_train/1.jpg")
    ours = people_of("posetrack18", tmp_path)
    assert [(p.box, p.meta["track"], p.meta["person"]) for p in ours] == [(None, 3, 4)]
    assert checked("posetrack18", tmp_path) == (1, [])
    theirs = read("posetrack18", tmp_path, reference="mmhuman3d")
    assert [str(error) for error in theirs] == [
        "000001_bonn_train.json annotation 10: there is no entry 'bbox'."
    ]


def test_a_broken_video_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path, "posetrack18", [annotation("posetrack18", 10, 1)])
    folder = (tmp_path / FILES["posetrack18"]).parent
    (folder / "000000_a_train.json").write_text('{"images": [')
    (folder / "000002_b_train.json").write_text('{"images": [], "annotations": []}')
    found = read("posetrack18", tmp_path)
    assert [type(record).__name__ for record in found] == ["InvalidData", "Person"]
    assert "000000_a_train.json ends in the middle" in str(found[0])


def write_humans(root: Path, *people: tuple[list[float], Any]) -> Path:
    path = root / FILES["ai-challenger"]
    path.parent.mkdir(parents=True)
    names = [f"human{n}" for n in range(1, len(people) + 1)]
    image = {
        "image_id": "ab",
        "keypoint_annotations": dict(zip(names, [p[0] for p in people], strict=True)),
        "human_annotations": dict(zip(names, [p[1] for p in people], strict=True)),
    }
    path.write_text(json.dumps([image]))
    return root


def test_ai_challenger_has_corners_and_a_class_that_means_not_labelled(tmp_path: Path) -> None:
    points = joints(14, 1.0)
    points[3:6] = [30.0, 40.0, 2.0]
    points[6:9] = [0.0, 0.0, 3.0]
    write_humans(tmp_path, (points, [10, 20, 50, 80]))
    ours = people_of("ai-challenger", tmp_path)[0]
    np.testing.assert_allclose(box_of(ours), [30 - 24, 50 - 36, 48, 72])
    np.testing.assert_array_equal(ours.arrays["keypoints2d.aic14"][:4, 2], [1, 1, 0, 1])
    np.testing.assert_array_equal(ours.arrays["extra.visibility"][:4], [1, 2, 3, 1])
    assert not people_of("ai-challenger", tmp_path, least_joints=14)
    theirs = people_of("ai-challenger", tmp_path, reference="hmr-benchmarks")[0]
    np.testing.assert_allclose(box_of(theirs), [10, 20, 50, 80])
    np.testing.assert_array_equal(theirs.arrays["keypoints2d.aic14"][:4, 2], [1, 2, 3, 1])


def write_ochuman(root: Path, names: Sequence[str], *people: Any) -> Path:
    image = {"image_id": "0007", "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}
    image |= {"annotations": list(people)}
    (root / "ochuman.json").write_text(json.dumps({"images": [image], "keypoint_names": names}))
    return root


def test_ochuman_has_corners_and_names_the_order_of_its_joints(tmp_path: Path) -> None:
    labelled = {"bbox": [10, 20, 50, 80], "keypoints": joints(19, 3.0), "max_iou": 0.5}
    turned = OCHUMAN_NAMES[::-1]
    write_ochuman(tmp_path, turned, labelled, {"bbox": [1, 1, 2, 2], "keypoints": None})
    (ours,) = people_of("ochuman", tmp_path)
    given = np.reshape(joints(19, 1.0), (19, 3))
    np.testing.assert_allclose(ours.arrays["keypoints2d.ochuman19"], given[::-1])
    np.testing.assert_allclose(box_of(ours), [30 - 24, 50 - 36, 48, 72])
    assert (ours.key, ours.meta["max_iou"]) == ("ochuman-0007-0", 0.5)
    (theirs,) = people_of("ochuman", tmp_path, reference="hmr-benchmarks")
    np.testing.assert_allclose(theirs.arrays["keypoints2d.ochuman19"], given)
    np.testing.assert_allclose(box_of(theirs), [10, 20, 50, 80])
    write_ochuman(tmp_path, ["tail", *turned[1:]], labelled)
    with pytest.raises(InvalidData, match="names other joints"):
        read("ochuman", tmp_path)


def test_ochumans_other_files_are_in_cocos_format(tmp_path: Path) -> None:
    file = "ochuman_coco_format_val_range_0.00_1.00.json"
    write(tmp_path, "coco", [annotation("coco", 1, 1)], file=file)
    (person,) = people_of("ochuman", tmp_path, "validation")
    assert "keypoints2d.coco17" in person.arrays
    np.testing.assert_allclose(box_of(person), [30 - 24, 50 - 36, 48, 72])
    assert not people_of("ochuman", tmp_path, "validation", reference="hmr-benchmarks")
