from pathlib import Path

import cv2
import numpy as np
import pytest

from hpscli.data.people import Layout, png_trouble
from hpscli.data.prepare import checked_source, prepare
from hpscli.data.preparing.checking import Check, check_people, free_bytes
from hpscli.data.preparing.files import file_groups
from tests.data.people import contents
from tests.data.preparing.pictures import spec, write_pictures

FULL = Layout(kind="full")


def check(root: Path, layout: Layout | None = None, **changes: object) -> Check:
    source = checked_source(spec(**changes), root, "test", layout=layout)
    return check_people(source, root.parent / "shards" / "not" / "there")


def test_the_estimate_of_room_is_what_the_shards_take(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures", 20)
    found = check(root)
    report = prepare(spec(), root, "test", tmp_path / "out")
    assert report.index is not None and found.room
    assert (found.samples, found.bad) == (40, [])
    assert found.bytes == pytest.approx(report.index.shards[0].bytes, rel=0.1)
    assert not Check(bytes=2, free_bytes=1).room and Check(bytes=2).room
    assert free_bytes("s3://bucket/x") == -1
    assert not (tmp_path / "shards").exists()


def test_whole_pictures_that_do_not_decode_are_found_by_the_check(tmp_path: Path) -> None:
    """Preparing does not decode what it copies; it sees cut files only."""
    root = write_pictures(tmp_path / "pictures")
    whole = (root / "02.jpg").read_bytes()
    (root / "02.jpg").write_bytes(whole[:30] + bytes(len(whole) - 32) + whole[-2:])
    (root / "04.jpg").write_bytes(whole[:-40])
    found = check(root, FULL)
    assert [bad.key for bad in found.bad] == ["person-4", "person-5", "person-8", "person-9"]
    assert sum(found.problems.values()) == 4 and len(found.problems) == 2
    assert found.problems["* is a truncated JPG"] == 2
    for bad in found.bad:
        assert "image" in bad.problem or "02.jpg" in bad.problem or "04.jpg" in bad.problem


def test_bad_records_are_named_with_their_file_wherever_the_files_are(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures")
    (root / "03.jpg").write_bytes(b"")
    (root / "unreadable.jpg").write_bytes(b"")
    found = [bad.problem for bad in check(root).bad]
    assert [problem.partition(" ")[0].rstrip(":") for problem in found] == [
        *["03.jpg"] * 2,
        *["unreadable.jpg"] * 2,
    ]
    assert "record 12: nothing in it" in found[2] and str(tmp_path) not in " ".join(found)


def test_a_flipped_byte_in_a_png_is_found_without_decoding() -> None:
    data = bytearray(cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes())
    assert png_trouble(bytes(data)) == png_trouble(b"\xff\xd8") == ""
    data[-20] ^= 1
    assert "PNG whose bytes 33 to" in png_trouble(bytes(data))


def test_files_are_counted_and_optional_ones_may_be_missing(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "pictures")
    groups = file_groups(spec(files={"*.jpg": "pictures", "*.json": "labels"}), root, "test")
    assert [(group.glob, group.found, group.missing) for group in groups] == [
        ("*.jpg", 6, False),
        ("*.json", 0, True),
    ]


@pytest.mark.parametrize("kind", ["jpg", "png", "bmp"])
def test_two_workers_make_the_same_bytes_whoever_copies_the_pictures(
    tmp_path: Path, kind: str
) -> None:
    root = write_pictures(tmp_path / "pictures", 12, kind)
    for name, workers in {"one": 1, "two": 2}.items():
        prepare(spec(), root, "test", tmp_path / name, workers=workers, layout=FULL)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
