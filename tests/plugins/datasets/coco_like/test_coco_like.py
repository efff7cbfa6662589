import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hpscli.cards import load_card
from hpscli.data.containers import json_records
from hpscli.data.people import Layout
from hpscli.data.sources import Bad, Encoded, Source, encoded
from hpscli.errors import HpsError, InvalidData, MissingError
from hpscli.hooks import DatasetSpec
from hpscli.records import Person
from hpscli.registry import get_registry, resolve

WIDTH, HEIGHT = 200, 100
FILES = {
    "coco": "annotations/person_keypoints_train2014.json",
    "coco-wholebody": "annotations/coco_wholebody_train_v1.0.json",
    "crowdpose": "crowdpose_train.json",
    "posetrack18": "posetrack_data/annotations/train/000001_bonn_train.json",
    "ai-challenger": "ai_challenger_keypoint_train_20170909/"
    "keypoint_train_annotations_20170909.json",
    "ochuman": "ochuman.json",
}
JOINTS = {"coco": 17, "coco-wholebody": 17, "crowdpose": 14, "posetrack18": 17}
OCHUMAN_NAMES = (
    *("right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow"),
    *("left_wrist", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee"),
    *("left_ankle", "head", "neck", "right_ear", "left_ear", "nose", "right_eye", "left_eye"),
)


def spec_of(name: str) -> DatasetSpec:
    return get_registry().dataset(name)


def read(name: str, root: Path, split: str = "train", **options: Any) -> list[Person | HpsError]:
    spec = spec_of(name)
    return list(resolve(spec.people)(root, split, **{**spec.options, **options}))


def people_of(name: str, root: Path, split: str = "train", **options: Any) -> list[Person]:
    found = read(name, root, split, **options)
    assert not [error for error in found if isinstance(error, HpsError)]
    return [person for person in found if isinstance(person, Person)]


def checked(name: str, root: Path, **options: Any) -> tuple[int, list[str]]:
    """-> how many people become samples, and what is wrong with the others."""
    spec, layout = spec_of(name), Layout(kind="crop")
    options = {**spec.options, **options}
    source = Source(spec=spec, root=root, split="train", options=options, layout=layout)
    found = list(encoded(source, 0, None, 1))
    sound = [item for item in found if isinstance(item, Encoded)]
    return len(sound), [item.problem for item in found if isinstance(item, Bad)]


def box_of(person: Person) -> np.ndarray:
    assert person.box is not None
    return person.box


def joints(count: int, visibility: float = 2) -> list[float]:
    points = np.stack(np.unravel_index(np.arange(count), (12, 12)), 1) * 6.0 + 20
    return np.concatenate([points, np.full((count, 1), visibility)], 1).ravel().tolist()


def annotation(name: str, number: int, image: int, **changes: Any) -> dict[str, Any]:
    entry = {
        "id": number,
        "image_id": image,
        "iscrowd": 0,
        "keypoints": joints(JOINTS[name]),
        "bbox": [10, 20, 40, 60],
    }
    return entry | changes


def write(
    root: Path, name: str, annotations: Sequence[Any], images: Sequence[Any] = (), file: str = ""
) -> Path:
    path = root / (file or FILES[name])
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = "images/train/000001_bonn_train/" if name == "posetrack18" else ""
    known = images or [
        {"id": i, "file_name": f"{folder}{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in (1, 2)
    ]
    path.write_text(json.dumps({"images": known, "annotations": list(annotations)}))
    return root


@pytest.mark.parametrize("name", list(JOINTS))
def test_the_box_gets_its_margin_unless_a_converter_is_followed(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, [annotation(name, 7, 1)])
    picture(tmp_path / "images/train/000001_bonn_train/1.jpg")
    ours = people_of(name, tmp_path)[0]
    np.testing.assert_allclose(box_of(ours), [30 - 36, 50 - 36, 72, 72])  # 1.2 times 60, square
    theirs = people_of(name, tmp_path, reference="mmhuman3d")[0]
    np.testing.assert_allclose(box_of(theirs), [10, 20, 40, 60])


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


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


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


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "x" * 3000}
    write(tmp_path, "posetrack18", [annotation("posetrack18", 10, 1)], [image])
    for reference in ("", "mmhuman3d"):
        records = read("posetrack18", tmp_path, reference=reference)
        assert len(records) == 1  # the core says it of ours, the reader of theirs
    (tmp_path / "images").mkdir()
    sound, bad = checked("posetrack18", tmp_path)
    assert sound == 0
    assert "name too long" in bad[0]


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
    np.testing.assert_allclose(box_of(ours), [30 - 36, 50 - 36, 72, 72])
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
    np.testing.assert_allclose(box_of(ours), [30 - 36, 50 - 36, 72, 72])
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
    np.testing.assert_allclose(box_of(person), [30 - 36, 50 - 36, 72, 72])
    assert not people_of("ochuman", tmp_path, "validation", reference="hmr-benchmarks")


def write_openpose(root: Path, *shifts_px: float, confidence: float = 0.9) -> Path:
    """Detections that are the labels of `annotation`, moved."""
    slots = {0: 0, 2: 6, 3: 8, 4: 10, 5: 5, 6: 7, 7: 9, 9: 12, 10: 14, 11: 16, 12: 11}
    slots |= {13: 13, 14: 15}
    labels = np.reshape(joints(17), (17, 3))
    found = []
    for shift in shifts_px:
        points = np.zeros((25, 3))
        for slot, joint in slots.items():
            points[slot] = [labels[joint, 0] + shift, labels[joint, 1], confidence]
        found.append({"pose_keypoints_2d": points.ravel().tolist()})
    (root / "openpose").mkdir(parents=True, exist_ok=True)
    path = root / "openpose/1_keypoints.json"
    path.write_text(json.dumps({"people": found}))
    return root


@pytest.mark.parametrize(
    ("shifts_px", "confidence", "ours", "spin"),
    [
        ((30.0, 1.0), 0.9, 1, 1),  # the nearer one
        ((9.0,), 0.9, 0, None),  # near, yet more than a tenth of the person
        ((40.0,), 0.9, None, 0),  # far: SPIN rejects only what is below 10 px
        ((5.0,), 0.0, None, 0),  # no limb detected: SPIN takes the first
        ((), 0.9, None, None),
    ],
)
def test_a_detection_of_openpose_is_taken_when_it_is_near(
    tmp_path: Path,
    shifts_px: tuple[float, ...],
    confidence: float,
    ours: int | None,
    spin: int | None,
) -> None:
    write(tmp_path, "coco", [annotation("coco", 1, 1)])
    write_openpose(tmp_path, *shifts_px, confidence=confidence)
    nose_x = joints(17)[0]
    for reference, number in (("", ours), ("spin", spin)):
        (person,) = people_of("coco", tmp_path, openpose="openpose", reference=reference)
        found = person.arrays.get("keypoints2d.openpose25")
        if number is not None:
            assert found is not None
            assert found[0, 0] == nose_x + shifts_px[number]
        elif reference:
            assert found is not None
            assert not found.any()
        else:
            assert found is None


def test_detections_that_are_missing_are_told(tmp_path: Path) -> None:
    write(tmp_path, "coco", [annotation("coco", 1, 2)])
    with pytest.raises(MissingError, match="no folder"):
        read("coco", tmp_path, openpose="elsewhere")
    write_openpose(tmp_path)
    (error,) = read("coco", tmp_path, openpose="openpose")
    assert "2_keypoints.json cannot be read" in str(error)


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"keypoints": [1, 2, 3]}, "3 numbers where 51 are expected"),
    ({"keypoints": "many"}, "could not convert"),
    ({"keypoints": None, "id": "x"}, "invalid literal"),
    ({"bbox": [1, 2, 3]}, "3 numbers where 4 are expected"),
    ({"bbox": [1, 2, -3, 4]}, "has no area"),
    ({"image_id": 9}, "no image 9"),
    ({"image_id": None}, "annotation"),
    ({"id": 10**400}, "coco"),
]


@pytest.mark.parametrize(("changes", "says"), BROKEN)
def test_a_broken_record_is_named_and_the_others_go_on(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    write(tmp_path, "coco", [annotation("coco", 1, 1, **changes), annotation("coco", 2, 1)])
    picture(tmp_path / "train2014/1.jpg")
    sound, (bad,) = checked("coco", tmp_path)
    assert sound == 1
    assert says in bad
    assert "\n" not in bad


def test_a_path_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    image = {"id": 1, "file_name": "../../secret.jpg", "width": WIDTH, "height": HEIGHT}
    root = tmp_path / "root"
    images = [image, image | {"id": 2, "file_name": 7}]
    write(root, "coco", [annotation("coco", 1, 1), annotation("coco", 2, 2)], images)
    picture(tmp_path / "secret.jpg")
    sound, bad = checked("coco", root)
    assert sound == 0
    assert "'7' is no name" in bad[0]
    assert "'train2014/../../secret.jpg' lies outside the folder" in bad[1]
    assert "no image 2" in bad[2]


def test_a_bad_record_names_no_place_of_this_machine(tmp_path: Path) -> None:
    write(tmp_path, "coco", [annotation("coco", 1, 1), annotation("coco", 2, 2)])
    write_openpose(tmp_path)  # of the first picture alone
    (tmp_path / "train2014").mkdir()
    (tmp_path / "train2014/1.jpg").write_bytes(b"\xff\xd8\xff" + bytes(40) + b"\xff\xd9")
    sound, (header, detection) = checked("coco", tmp_path, openpose="openpose")
    assert sound == 0
    assert header.startswith("train2014/1.jpg")
    assert "0x" not in header
    assert "openpose/2_keypoints.json cannot be read" in detection
    assert str(tmp_path) not in detection


@pytest.mark.parametrize("text", ["[]", "{}", '{"images": []}', '{"images": 3, "annotations": []}'])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / FILES["coco"]
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(InvalidData, match=r"person_keypoints_train2014\.json"):
        read("coco", tmp_path)
    (tmp_path / "ochuman.json").write_text(text)
    if '"images": []' not in text:
        with pytest.raises(InvalidData, match=r"ochuman\.json"):
            read("ochuman", tmp_path)


@pytest.mark.parametrize("name", list(FILES))
def test_labels_that_are_not_there_are_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(MissingError, match="has no"):
        read(name, tmp_path)
    card = load_card(spec_of(name).card)
    assert {"download", "tree", "files", "counts", "defects", "box", "frame"} <= set(card)


def test_memory_does_not_grow_with_the_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "WINDOW", 1 << 14)
    entry = annotation("coco", 1, 1, segmentation=[[1.5] * 4000])  # 20 kB each, as text
    write(tmp_path, "coco", [entry | {"id": n} for n in range(60)])
    spec = spec_of("coco")
    tracemalloc.start()
    count = sum(1 for _ in resolve(spec.people)(tmp_path, "train", **spec.options))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 60
    assert peak < 1e6 < (tmp_path / FILES["coco"]).stat().st_size
