"""Broken labels of COCO and its relatives: named, and the others go on."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from hpscli.cards import load_card
from hpscli.data.containers import json_records
from hpscli.errors import InvalidData, MissingError
from hpscli.registry import resolve
from tests.plugins.datasets.coco_like.coco_files import (
    FILES,
    HEIGHT,
    WIDTH,
    annotation,
    write,
    write_openpose,
)
from tests.plugins.datasets.reading import checked, picture, read, spec_of


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
