"""Boxes are read from whatever people write them into, and reach the right people."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpscli.data.crops import crop_box
from hpscli.data.evalset import EvalSet
from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.preparation import HMR2, OSX, Preparation
from hpscli.errors import InvalidData, MissingError
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.run.evaluating.box_files import read_boxes
from hpscli.run.evaluating.boxes import Matched, detections, overlap, with_boxes
from hpscli.run.evaluating.settings import Settings
from tests.run.people import IMAGE_PX, common_arrays, tiny_model, write_people

PROTOCOL = "synthetic/test@smpl24-v1"


def written(folder: Path, document: Any, name: str = "boxes.json") -> Path:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("agora.json", {"a.png": [{"bbox": [1, 2, 3, 4]}, {"bbox": [5, 6, 7, 8]}]}),
        ("lists.json", {"a.png": [[1, 2, 3, 4], [5, 6, 7, 8]]}),
        (
            "coco.json",
            {
                "images": [{"id": 7, "file_name": "a.png"}],
                "annotations": [
                    {"image_id": 7, "bbox": [1, 2, 3, 4]},
                    {"image_id": 7, "bbox": [0, 0, 9, 9], "iscrowd": 1},
                    {"image_id": 7, "bbox": [5, 6, 7, 8]},
                ],
            },
        ),
        (
            "rows.json",
            [{"image": "a.png", "box": [1, 2, 3, 4]}, {"key": "a.png", "bbox": [5, 6, 7, 8]}],
        ),
        ("boxes.csv", "image,x,y,w,h\na.png,1,2,3,4\na.png,5,6,7,8\n"),
        ("flat.json", {"a.png": [1, 2, 3, 4], "b.png": []}),
    ],
)
def test_every_layout_gives_the_same_boxes(name: str, document: Any, tmp_path: Path) -> None:
    found = read_boxes(written(tmp_path, document, name))
    expected = [[1, 2, 3, 4], [5, 6, 7, 8]][: len(found)]
    assert [box.box.tolist() for box in found] == expected
    assert {box.name for box in found} == {"a.png"}
    assert len(found) == (1 if name == "flat.json" else 2)


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        [],
        {"a.png": [{"bbox": [1, 2, 3]}]},
        {"a.png": [{"bbox": [1, 2, -3, 4]}]},
        {"a.png": [{"bbox": [1, 2, float("nan"), 4]}]},
        [{"bbox": [1, 2, 3, 4]}],
        {"a.png": [{"wrong": 1}]},
        {"annotations": 3},
        [[1, 2, 3, 4]],
        7,
    ],
)
def test_other_content_is_refused_with_the_layouts(document: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidData):
        read_boxes(written(tmp_path, document))


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no file of boxes"):
        read_boxes(tmp_path / "none.json")


@given(st.recursive(st.none() | st.floats() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "bbox", "annotations", "image"]), inner, max_size=3), max_leaves=8))  # fmt: skip
def test_no_json_breaks_the_reader(document: Any) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            found = read_boxes(written(Path(folder), document))
            assert all(box.box.shape == (4,) for box in found)
        except InvalidData:
            pass


def tight(sample: Any) -> list[float]:
    """-> the box that gives the annotated crop after the usual margin."""
    side = float(sample.arrays["box.size"][0]) / 1.2
    x, y = (float(v) - side / 2 for v in sample.arrays["box.center"])
    return [x, y, side, side]


def test_the_annotated_boxes_from_a_file_change_nothing(tmp_path: Path) -> None:
    shards, model = write_people(tmp_path / "test", 5), tiny_model(tmp_path)
    boxes = {sample.key: [{"bbox": tight(sample)}] for sample in EvalSet(shards)}
    file = written(tmp_path, boxes)
    protocol = get_registry().protocol(PROTOCOL)
    plain = evaluate(model, shards, protocol)
    given_ = evaluate(model, shards, protocol, boxes=str(file))
    np.testing.assert_allclose(given_.errors["mpjpe"], plain.errors["mpjpe"], atol=1e-2)  # mm
    small = {key: [{"bbox": [10, 10, 20, 20]}] for key in boxes}
    other = evaluate(model, shards, protocol, boxes=str(written(tmp_path, small)))
    assert other.settings["boxes"].endswith("boxes.json")
    assert abs(other.errors["mpjpe"] - plain.errors["mpjpe"]).max() > 0.1


@pytest.mark.parametrize("crop", ["official", "fast"])
@pytest.mark.parametrize("found", [OSX, HMR2], ids=lambda p: p.name)
def test_a_given_box_replaces_one_that_was_stored_in_proportions(
    found: Preparation, crop: str, tmp_path: Path
) -> None:
    """OSX's people carry 3:4 boxes: a detector's box, widened as the authors do, takes their place."""
    old = {"box.xywh": np.float32([8, 8, 60, 80]), "box.size": np.float32([80])}
    old |= {"extra.box_osx": np.float32([8, 8, 60, 80])}  # of the authors' own evaluation
    people = write_people(
        tmp_path / "test", 2, extra={number: {**common_arrays(), **old} for number in range(2)}
    )
    model = tiny_model(tmp_path)
    model = model.but(
        spec=replace(model.spec, crop=f"hpscli.data.preparation:{found.name.upper()}"),
        input_size=found.window,
    )
    boxes = {f"person-000{number}": [[30, 20, 38, 40]] for number in range(2)}
    settings = Settings(boxes=str(written(tmp_path, boxes)), crop=crop)
    (sample, _) = with_boxes(EvalSet(people), model, settings)
    place = found.place(np.array([30.0, 20, 38, 40]), (IMAGE_PX, IMAGE_PX), found.window)
    center, width = crop_box(sample, found.window, found.seen)
    np.testing.assert_allclose(center, place[0])
    assert width == pytest.approx(place[1])
    assert sample.arrays["box.size"][0] == pytest.approx(width * found.window[0] / found.window[1])
    batch = prepared_batch([sample], found.window, "smpl24", found)
    assert batch.affine[0, 0, 0] == pytest.approx(found.window[1] / width)


def test_who_has_no_box_is_named(tmp_path: Path) -> None:
    shards, model = write_people(tmp_path / "test", 3), tiny_model(tmp_path)
    file = written(tmp_path, {"person-0000": [1, 2, 30, 40]})
    with pytest.raises(InvalidData, match="2 of 3 people have no box .* 'person-0001'"):
        with_boxes(EvalSet(shards), model, Settings(boxes=str(file)))


def crowd(folder: Path) -> Path:
    """-> four people, two in each of two pictures, left and right."""
    places = {i: (24.0 if i % 2 == 0 else 72.0) for i in range(4)}
    extra = {
        i: {
            **common_arrays(),
            "box.center": np.array([x, IMAGE_PX / 2], np.float32),
            "box.size": np.array([40.0], np.float32),
        }
        for i, x in places.items()
    }
    return write_people(folder, 4, shards=1, extra=extra)


class Pictured(EvalSet):
    """The same people, two by two in a picture."""

    def __getitem__(self, position: int) -> Any:

        sample = super().__getitem__(position)
        return replace(sample, meta={**sample.meta, "image_path": f"some/{position // 2}.png"})


def test_in_a_crowd_each_gets_the_box_that_covers_him(tmp_path: Path) -> None:
    people = Pictured(crowd(tmp_path / "test"))
    left, right = [8, 30, 34, 36], [58, 30, 30, 36]
    file = written(tmp_path, {"0.png": [{"bbox": right}, {"bbox": left}], "some/1.png": [left]})
    found = Matched(people, read_boxes(file)).of_people()
    assert [None if box is None else box.box.tolist() for box in found] == [left, right, left, None]


def test_a_short_name_of_two_pictures_is_nobodys(tmp_path: Path) -> None:
    people = Pictured(crowd(tmp_path / "test"))
    boxes = {"one/0.png": [[8, 30, 34, 36]], "two/0.png": [[8, 30, 34, 36]]}
    assert set(Matched(people, read_boxes(written(tmp_path, boxes))).of_people()) == {None}
    numbered = [{"image_id": 0, "bbox": [8, 30, 34, 36]}, {"image_id": 1, "bbox": [58, 30, 30, 36]}]
    found = Matched(people, read_boxes(written(tmp_path, numbered))).of_people()
    assert [box is not None for box in found] == [True, False, False, True]


def test_of_every_box_one_detection_is_made_whoever_it_is(tmp_path: Path) -> None:
    people, model = Pictured(crowd(tmp_path / "test")), tiny_model(tmp_path)
    boxes = {"0.png": [[8, 30, 34, 36], [58, 30, 30, 36], [1, 1, 9, 9]], "9.png": [[1, 1, 2, 2]]}
    found = detections(people, model, Settings(boxes=str(written(tmp_path, boxes))))
    assert len(found) == 3
    sample = found[2]
    assert sample.meta["image_path"] == "some/0.png" and sample.key == "some/0.png#2"
    assert set(sample.arrays) == {"box.center", "box.size", "image.affine"}
    np.testing.assert_allclose(sample.arrays["box.center"], [5.5, 5.5])
    with pytest.raises(InvalidData, match="no box in a picture"):
        detections(people, model, Settings(boxes=str(written(tmp_path, {"9.png": [1, 1, 2, 2]}))))


def test_overlap_is_intersection_over_union() -> None:
    box = np.array([0.0, 0.0, 2.0, 2.0])
    assert overlap(box, box) == 1.0
    assert overlap(box, box + [1, 0, 0, 0]) == pytest.approx(1 / 3)
    assert overlap(box, box + [5, 0, 0, 0]) == 0.0


def test_a_rule_for_everybody_gets_the_detections_without_names(tmp_path: Path) -> None:
    shards, model = write_people(tmp_path / "test", 3), tiny_model(tmp_path)
    boxes = {"person-0000": [[8, 30, 34, 36], [58, 30, 30, 36]], "person-0002": [[1, 1, 90, 90]]}
    protocol = replace(
        get_registry().protocol(PROTOCOL), rule="tests.run.set_rule:Everybody", options={}
    )
    file = str(written(tmp_path, boxes))
    found = evaluate(model, shards, protocol, boxes=file)
    assert found.notes == ("3 predictions, keys False",) and found.metrics["sum"].n == 3
    assert evaluate(model, shards, protocol).notes == ("3 predictions, keys True",)
