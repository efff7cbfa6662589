"""Inputs that official converters take in ways one would not guess, read as reference.

Expected values are what those programs gave when they were run on such files.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from hps_datasets.scenes.up3d import picture_number
from hpscli.data.official_crops.osx import person_box
from hpscli.records import Person
from hpscli.testing.data_goldens import nobody, read_people
from tests.plugins.datasets.scenes.scene_files import picture, sequence, write_3dpw

HIDDEN, SEEN = ["5", "6", "1"], ["7", "8", "0"]  # joints of LIP


def labelled(count: int, visibility: Any = 2) -> list[Any]:
    """-> keypoints of COCO: joint i at (i, 2i)."""
    return [number for joint in range(count) for number in (joint, 2 * joint, visibility)]


def written(path: Path, content: Any) -> Path:
    """A JSON file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def coco(root: Path, *people: dict[str, Any], file: str = "person_keypoints_train2014") -> None:
    """People of pictures 7 and 5, which stand in this order."""
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 99, "height": 99} for n in (7, 5)]
    document = {"annotations": list(people), "images": images}
    written(root / f"annotations/{file}.json", document)


def unsorted_people_without_numbers(root: Path) -> None:
    """Nobody has an id; pictures alternate; flags of visibility are 1, 3 and 0.5."""
    for_picture = ((7, 1), (5, 3), (7, 0.5), (5, 0))
    people = [
        {"image_id": image, "keypoints": labelled(17, v), "bbox": [v, 0, 0, 9]}
        for image, v in for_picture
    ]
    coco(root, *people)


def flat_boxes(root: Path) -> None:
    """A box without width, and a picture in a folder of detections."""
    person = {"id": 1, "image_id": 7, "keypoints": labelled(17), "bbox": [10, 20, 0, 50]}
    coco(root, person)
    written(root / "openpose/7_keypoints.json", {"people": []})


def parts_without_boxes(root: Path) -> None:
    """Hands that are valid, but have no box; feet with fractions; a face that is not valid."""
    person = {"id": 1, "image_id": 7, "keypoints": labelled(17), "bbox": [1, 2, 3, 4]}
    for part, count in (("foot", 6), ("lefthand", 21), ("righthand", 21)):
        person |= {f"{part}_valid": True, f"{part}_kpts": labelled(count, 0.5)}
    person["face_valid"] = False
    coco(root, person, file="coco_wholebody_train_v1.0")


def actors_without_joints(root: Path) -> None:
    """Two actors, flags -1, 0 and 2, and only what converters read."""
    content = sequence()
    del content["trans"], content["jointPositions"]
    content["campose_valid"] = [np.array([-1, 0, 2]), np.array([0, 0, 1])]
    for points in content["poses2d"]:
        points[:, 2] = 0
        points[:, :, 4] = [30, 40, 0.01]  # one joint: a box without size
    write_3dpw(root, content)


def frames_by_any_name(root: Path) -> None:
    """Twelve pictures of a camera, two of them without numbers; joint 3 of the second is outside."""
    flat, cells = np.full((12, 28, 2), 100.0), np.empty((14, 1), object)
    flat[1, 3, 0] = 2048
    flat[:, 0, 1] = np.arange(12)
    points = np.empty((14, 1), object)
    for camera in range(14):
        cells[camera, 0], points[camera, 0] = flat.reshape(12, 56), np.zeros((12, 84))
    folder = root / "S1/Seq1"
    for name in [f"{number:06d}" for number in range(3, 13)] + ["a b", "last"]:
        picture(folder / f"video_0/{name}.jpg", (4, 4))
    scipy.io.savemat(folder / "annot.mat", {"annot2": cells, "annot3": points})


def csv_of_pandas(root: Path) -> None:
    """Five joints count, also of visibility 0.4; a name with a comma; words for nothing."""
    rows = [
        ["four.jpg", *HIDDEN * 12, *SEEN * 4],
        ['"a,b.jpg"', *["NA", "", "null"] * 11, *SEEN * 4, "9", "20", "0.4"],
    ]
    (root / "lip_train_set.csv").write_text("\n".join(",".join(row) for row in rows))


def compositions(root: Path) -> None:
    """Pictures 9 and 2, people in mixed order; visibility 2 of the root is none, 1.9 is 1."""
    image = {
        "width": 9,
        "height": 9,
        "f": [1, 1],
        "c": [0, 0],
        "R": np.eye(3).tolist(),
        "T": [0] * 3,
    }
    images = [{**image, "id": n, "file_name": f"augmented_set/{n}.jpg"} for n in (9, 2)]
    people = []
    for number, (owner, root_seen) in enumerate([(2, 1), (9, 2), (9, 1), (2, 1.9), (9, 1)]):
        seen = [1.0] * 14 + [root_seen] + [0.5] * 6
        joints = {"keypoints_img": np.zeros((21, 2)).tolist(), "keypoints_vis": seen}
        joints["keypoints_cam"] = np.zeros((21, 3)).tolist()
        people.append({**joints, "id": number, "image_id": owner, "bbox": [number, 0, 1, 1]})
    written(root / "extras/MuCo-3DHP.json", {"annotations": people, "images": images})
    fit = {"pose": [0.0] * 72, "shape": [0.0] * 10, "trans": [0.0] * 3}
    written(root / "muco/SMPLX/smpl_param.json", {str(n): fit for n in range(4)})  # 4 has none


def folders_with_dashes(root: Path) -> None:
    """Official code sorts whole paths, in which - comes before /; a text with three columns."""
    for camera, name in (("cam", "1.jpg"), ("cam-b", "1.jpg"), ("cam", "0.png")):
        picture(root / f"rgb/man01/walk/{camera}/x/{name}", (4, 4))
        text = root / f"skeleton/man01/walk/{camera}/{name[0]}.txt"
        text.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(text, np.arange(201).reshape(67, 3))


def integers_as_boxes(root: Path) -> None:
    """EHF in OSX's form: a box of integers, the same with a fraction, and one outside."""
    images = [{"id": 0, "file_name": "01_img.jpg", "width": 100, "height": 80}]
    boxes = [[1, 2, 30, 40], [1.0, 2, 30, 40.5], [200, 2, 30, 40]]
    parts = {f"{word}_bbox": [1, 2, 3, 4] for word in ("lefthand", "righthand", "face")}
    people = [{"id": n, "image_id": 0, "body_bbox": box, **parts} for n, box in enumerate(boxes)]
    written(root / "EHF/data/EHF.json", {"images": images, "annotations": people})


def boxes(people: list[Person]) -> list[Any]:
    """-> the box of each person."""
    return [np.round(np.asarray(person.box, np.float64), 4).tolist() for person in people]


def images(people: list[Person]) -> list[Any]:
    """-> the picture's name of each person."""
    return [person.image for person in people]


def confidences(people: list[Person]) -> list[Any]:
    """-> the different confidences of the 2D joints of each person."""
    points = (a for p in people for n, a in p.arrays.items() if n.startswith("keypoints2d"))
    return [sorted(set(array[:, 2].tolist())) for array in points]


SECOND = "S1/Seq1/video_0/{}.jpg"
CASES = [
    (
        *("coco", "train", {"reference": "mmhuman3d"}, unsorted_people_without_numbers),
        *(images, ["train2014/5.jpg", "train2014/7.jpg", "train2014/7.jpg"]),
    ),
    (
        *("coco", "train", {"reference": "mmhuman3d"}, unsorted_people_without_numbers),
        *(boxes, [[3, 0, 0, 9], [1, 0, 0, 9], [0.5, 0, 0, 9]]),
    ),
    (
        *("coco", "train", {"reference": "spin", "openpose": "openpose"}, flat_boxes),
        *(boxes, [[-20, 15, 60, 60]]),
    ),
    (
        *("coco-wholebody", "train", {"reference": "mmhuman3d"}, parts_without_boxes),
        *(confidences, [[0.0, 0.5, 1.0]]),
    ),
    (
        *("3dpw", "train", {"reference": "mmhuman3d"}, actors_without_joints),
        *(images, [f"imageFiles/walk_00/image_{n}.jpg" for n in ("00000", "00002", "00002")]),
    ),
    (
        *("3dpw", "train", {"reference": "mmhuman3d"}, actors_without_joints),
        *(boxes, [[30, 40, 0, 0]] * 3),
    ),
    (
        *("mpi-inf-3dhp", "train", {"reference": "mmhuman3d"}, frames_by_any_name),
        *(images, [SECOND.format("000003"), SECOND.format("last")]),
    ),
    (
        *("lip", "train", {"reference": "hmr-benchmarks"}, csv_of_pandas),
        *(images, ["train_images/a,b.jpg"]),
    ),
    (
        *("lip", "train", {"reference": "hmr-benchmarks"}, csv_of_pandas),
        *(boxes, [[6.8, 6.8, 2.4, 14.4]]),
    ),
    (
        *("muco-3dhp", "train-augmented", {"reference": "hmr-benchmarks"}, compositions),
        *(boxes, [[2, 0, 1, 1], [0, 0, 1, 1], [3, 0, 1, 1]]),
    ),
    (
        *("3dpeople", "train", {"reference": "hmr-benchmarks"}, folders_with_dashes),
        *(images, ["rgb/man01/walk/cam-b/x/1.jpg", "rgb/man01/walk/cam/x/1.jpg"]),
    ),
    (
        *("osx-json", "test", {"reference": "osx", "set": "EHF"}, integers_as_boxes),
        *(boxes, [[-2, -2, 36, 48], [-3.0156, -2.9375, 37.0312, 49.375]]),
    ),
]


@pytest.mark.parametrize(("dataset", "split", "options", "write", "of", "expected"), CASES)
def test_readers_follow_official_converters(
    tmp_path: Path,
    dataset: str,
    split: str,
    options: dict[str, Any],
    write: Callable[[Path], None],
    of: Callable[[list[Person]], list[Any]],
    expected: list[Any],
) -> None:
    write(tmp_path)
    assert of(read_people(dataset, tmp_path, split, options)) == expected


@pytest.mark.parametrize(
    ("line", "number"),
    [("/00001_image.png", "00001"), ("/1 2_image.png", "1 2"), ("/x.y_image.png 512.0", "x.y")],
)
def test_lines_of_up3d_may_hold_spaces_and_dots(line: str, number: str) -> None:
    assert picture_number(line) == number


def test_a_box_of_integers_is_cut_towards_zero() -> None:
    found = [person_box((1, 2, 30, 40), (80, 100), whole=whole) for whole in (True, False)]
    assert [None if box is None else box.tolist() for box in found] == [
        [-2, -2, 36, 48],
        [-2.78125, -2.875, 36.5625, 48.75],
    ]


def test_nobody_agrees_with_a_golden_without_rows_alone() -> None:
    rows = {"image_path": np.empty(0, str), "bbox_xywh": np.empty((0, 5))}
    sets = {"keypoints2d_mask": np.ones(190), "keypoints2d_convention": np.array("human_data")}
    assert set(nobody({**rows, **sets})) == {*rows, *sets}
    assert set(nobody({"image_path": np.array(["a"]), **sets})) == set(sets)
