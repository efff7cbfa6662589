import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hps_datasets import folder, folder_plugin
from hpscli.data.batch import make_batch
from hpscli.data.evalset import EvalSet
from hpscli.data.prepare import Report, prepare
from hpscli.data.sample import complaints, decode_image
from hpscli.errors import InvalidData, MissingError

SPEC = folder_plugin.hps_datasets()[0]
POINTS = [[10.0 + 4 * joint, 20.0 + 3 * joint, 1.0] for joint in range(17)]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    for name in ("a.jpg", "b c.png", "sub/a.jpg"):
        blobs = np.random.default_rng(len(name)).integers(0, 255, (8, 10, 3), dtype=np.uint8)
        cv2.imwrite(str(root / name), cv2.resize(blobs, (120, 100)))
    return root


def write_lines(root: Path, *people: Any) -> None:
    lines = [person if isinstance(person, str) else json.dumps(person) for person in people]
    (root / "people.jsonl").write_text("\n".join(lines))


def prepared(root: Path, **options: Any) -> Report:
    return prepare(SPEC, root, "train", root.parent / "out", options=options)


def test_people_with_boxes_joints_and_parameters_become_samples(images: Path) -> None:
    write_lines(
        images,
        {"image": "a.jpg", "box": [10, 20, 30, 60]},
        {"image": "a.jpg", "keypoints2d": {"coco17": POINTS}, "gender": "female"},
        {
            "image": "sub/a.jpg",
            "box": [0, 0, 50, 50],
            "smpl": {
                "betas": [0] * 10,
                "body_pose": [[0, 0, 0]] * 23,
                "global_orient": [3.1, 0, 0],
            },
            "intrinsics": [[100, 0, 60], [0, 100, 50], [0, 0, 1]],
        },
    )
    assert prepared(images).bad == []
    people = list(EvalSet(images.parent / "out"))
    assert [person.key for person in people] == ["a-0", "a-1", "sub_a-0"]
    np.testing.assert_allclose(people[0].arrays["box.center"], [25, 50])
    np.testing.assert_allclose(people[0].arrays["box.size"], [72])  # 60 * 1.2
    np.testing.assert_allclose(people[1].arrays["box.center"], [42, 44])
    assert people[1].meta["gender"] == "female"
    assert people[2].arrays["smpl.body_pose"].shape == (69,)
    assert people[2].meta["body_source"] == "imported"
    assert people[0].image == (images / "a.jpg").read_bytes()  # untouched


def test_lines_that_cannot_be_used_are_named_by_number(images: Path) -> None:
    write_lines(
        images,
        {"image": "a.jpg", "box": [10, 20, 30, 60]},
        "{ not json",
        {"image": "a.jpg", "boxx": []},
        {"box": [1, 2, 3, 4]},
        "",
        {"image": "missing.jpg"},
        {"image": "../secret.jpg"},
        {"image": "a.jpg", "box": [10, 20, 30]},
        {"image": "a.jpg", "keypoints2d": [1, 2, 3]},
        {"image": "a.jpg", "smpl": {"betas": [1, 2]}},
        {"image": "a.jpg", "smpl": {"thetas": [1, 2]}},
        {"image": "a.jpg", "keypoints2d": {"coco18": POINTS}},
        {"image": "a.jpg", "box": "wide"},
    )
    report = prepared(images)
    assert report.samples == 1
    problems = [bad.problem for bad in report.bad]
    expected = [
        "people.jsonl line 2: not JSON",
        "people.jsonl line 3: unknown field 'boxx'",
        "people.jsonl line 4: no field 'image'",
        "people.jsonl line 6: image 'missing.jpg' cannot be read: No such file",
        "people.jsonl line 7: image '../secret.jpg' lies outside the folder",
        "people.jsonl line 8: box is [10, 20, 30], expected [x, y, width, height]",
        "people.jsonl line 9: keypoints2d is not an object of named arrays",
        "people.jsonl line 10: smpl.betas has 2 numbers, expected 10",
        "people.jsonl line 11: unknown parameter 'smpl.thetas'",
        "unknown joint set 'coco18' in array 'keypoints2d.coco18'",
        "people.jsonl line 13: box is not a table of numbers",
    ]
    assert len(problems) == len(expected)
    for problem, start in zip(problems, expected, strict=True):
        assert problem.startswith(start)


def test_a_corrupt_jpeg_is_named_with_its_line_and_counted(images: Path) -> None:
    whole = (images / "a.jpg").read_bytes()
    (images / "a.jpg").write_bytes(whole[: len(whole) // 2])
    write_lines(images, {"image": "a.jpg"}, {"image": "b c.png"})
    report = prepared(images)
    assert [bad.problem for bad in report.bad] == [
        "people.jsonl line 1: 'a.jpg': the image is a truncated JPG"
    ]
    assert report.samples == 1


def coco(images: Path, *annotations: dict[str, Any]) -> None:
    document = {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b c.png"}],
        "annotations": [{"id": number, **entry} for number, entry in enumerate(annotations)],
    }
    (images / "labels.json").write_text(json.dumps(document))


def test_a_coco_file_is_read_with_its_visibility(images: Path) -> None:
    flat = [number for point in POINTS for number in (point[0], point[1], 2)]
    flat[2], flat[3:6] = 1, [0, 0, 0]
    coco(
        images,
        {"image_id": 7, "bbox": [10, 10, 40, 80], "keypoints": flat},
        {"image_id": 8, "bbox": [0, 0, 10, 10], "iscrowd": 1},
        {"image_id": 9, "bbox": [0, 0, 10, 10], "keypoints": flat},
        {"image_id": 8, "keypoints": flat[:-1]},
    )
    report = prepared(images)
    assert [bad.problem for bad in report.bad] == [
        "labels.json annotation 2: unknown image_id",
        "labels.json annotation 3: 50 numbers in 'keypoints'",
    ]
    (person,) = EvalSet(images.parent / "out")
    assert person.arrays["keypoints2d.coco17"][:3, 2].tolist() == [1, 0, 1]


def test_what_is_no_coco_file_is_refused(images: Path) -> None:
    (images / "labels.json").write_text('{"pictures": []}')
    with pytest.raises(InvalidData, match="labels.json is not a COCO-keypoints file"):
        prepared(images)


def test_a_folder_without_annotations_says_what_is_expected(images: Path) -> None:
    with pytest.raises(MissingError, match="neither people.jsonl nor a JSON file"):
        prepared(images)
    for name in ("one.json", "two.json"):
        (images / name).write_text("{}")
    with pytest.raises(MissingError, match="2 JSON files"):
        prepared(images)


def test_people_are_chosen_by_their_split(images: Path) -> None:
    write_lines(images, {"image": "a.jpg", "split": "test"}, {"image": "b c.png"})
    assert [key.rpartition("-")[0] for key in keys(images, "test")] == ["a", "b_c"]
    assert keys(images, "train") == ["b_c-0"]


def keys(root: Path, split: str) -> list[str]:
    return [sample.key for sample in folder.samples(root, split, **SPEC.options)]  # type: ignore[union-attr]


def test_stored_crops_are_small_and_carry_the_same_labels(images: Path) -> None:
    write_lines(images, {"image": "a.jpg", "keypoints2d": {"coco17": POINTS}})
    (whole,) = folder.samples(images, "train", **SPEC.options)
    (small,) = folder.samples(images, "train", **{**SPEC.options, "crop_px": 64})
    assert isinstance(small, type(whole)) and max(decode_image(small.image).shape) <= 64
    one, other = (make_batch([sample], (48, 48), "coco17") for sample in (whole, small))
    np.testing.assert_array_equal(
        one.targets["keypoints2d.coco17"], other.targets["keypoints2d.coco17"]
    )
    assert (one.image.int() - other.image.int()).abs().float().mean() < 6


def test_a_picture_that_a_camera_turned_is_stored_upright(images: Path) -> None:
    plain = (images / "a.jpg").read_bytes()
    tiff = (
        b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
        + bytes(4)
    )
    body = b"Exif\x00\x00" + tiff
    exif = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    (images / "a.jpg").write_bytes(plain[:2] + exif + plain[2:])
    write_lines(images, {"image": "a.jpg"})
    (sample,) = folder.samples(images, "train", **SPEC.options)
    assert sample.meta["image_size_px"] == [120, 100]  # type: ignore[union-attr]
    upright = np.rot90(decode_image(plain), -1)
    assert np.abs(decode_image(sample.image).astype(int) - upright).mean() < 4  # type: ignore[union-attr]
    assert complaints(sample) == []  # type: ignore[arg-type]
