"""Boxes: typed, from COCO files, and the windows around them."""

import json
from pathlib import Path

import numpy as np
import pytest

from hpscli.data.preparation import BOX_MARGIN, crop_window
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError
from hpscli.run.predicting.boxes import parse_box, read_coco_boxes


def test_a_typed_box_is_read() -> None:
    assert parse_box("10,20.5,30,40").tolist() == [10, 20.5, 30, 40]


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,x", "1,2,0,4", "1,2,3,-4", "nan,1,2,3"])
def test_a_box_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="x,y,w,h"):
        parse_box(text)


@pytest.mark.parametrize("window", [(64, 64), (256, 192), (384, 512)])
@pytest.mark.parametrize("box", [[10, 20, 30, 90], [10, 20, 90, 30]])
def test_a_window_has_its_proportions_and_contains_the_box(window, box) -> None:
    centre, width = crop_window(np.array(box, float), (480, 640), window)
    height = width * window[0] / window[1]
    assert centre.tolist() == [10 + box[2] / 2, 20 + box[3] / 2]
    assert width >= box[2] * BOX_MARGIN - 1e-9 and height >= box[3] * BOX_MARGIN - 1e-9
    assert np.isclose(width, box[2] * BOX_MARGIN) or np.isclose(height, box[3] * BOX_MARGIN)


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_annotations_are_matched_by_file_name(tmp_path: Path) -> None:
    document = {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "train/b.jpg"}],
        "annotations": [
            {"image_id": 8, "bbox": [1, 2, 3, 4]},
            {"image_id": 7, "bbox": [5, 6, 7, 8], "score": 0.5},
            {"image_id": 8, "bbox": [9, 9, 9, 9]},
        ],
    }
    images = [Path("here/a.jpg"), Path("here/b.jpg"), Path("here/c.jpg")]
    boxes = read_coco_boxes(write(tmp_path / "boxes.json", document), images)
    assert boxes[images[0]].tolist() == [[5, 6, 7, 8, 0.5]]
    assert len(boxes[images[1]]) == 2 and boxes[images[2]].shape == (0, 5)


def test_only_people_are_taken_where_categories_are_named(tmp_path: Path) -> None:
    document = {
        "images": [{"id": 7, "file_name": "a.jpg"}],
        "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
        "annotations": [
            {"image_id": 7, "category_id": 18, "bbox": [1, 2, 3, 4]},
            {"image_id": 7, "category_id": 1, "bbox": [5, 6, 7, 8], "iscrowd": 0},
            {"image_id": 7, "category_id": 1, "bbox": [0, 0, 90, 9], "iscrowd": 1},
        ],
    }
    image = Path("a.jpg")
    boxes = read_coco_boxes(write(tmp_path / "boxes.json", document), [image])
    assert boxes[image].tolist() == [[5, 6, 7, 8, 1]]


def test_bare_detections_are_matched_by_number(tmp_path: Path) -> None:
    path = write(tmp_path / "d.json", [{"image_id": 42, "bbox": [1, 2, 3, 4], "score": 0.9}])
    images = [Path("COCO_val2014_000000000042.jpg"), Path("COCO_val2014_000000000043.jpg")]
    assert len(read_coco_boxes(path, images)[images[0]]) == 1


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"images": []}, InvalidData),
        ([{"bbox": [1, 2, 3, 4]}], InvalidData),
        ([{"image_id": 1, "bbox": [1, 2, 3]}], InvalidData),
        ([{"image_id": 1, "bbox": [1, 2, 0, 3]}], InvalidData),
        ([{"image_id": 99, "bbox": [1, 2, 3, 4]}], UsageError),
        ("text", InvalidData),
        (["text"], InvalidData),
    ],
)
def test_a_file_without_usable_boxes_is_explained(
    tmp_path: Path, document: object, error: type[HpsError]
) -> None:
    with pytest.raises(error):
        read_coco_boxes(write(tmp_path / "boxes.json", document), [Path("1.jpg")])


def test_a_boxes_file_that_is_missing_or_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="none.json"):
        read_coco_boxes(tmp_path / "none.json", [])
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InvalidData, match="bad.json"):
        read_coco_boxes(tmp_path / "bad.json", [])
