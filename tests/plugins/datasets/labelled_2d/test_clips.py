"""InstaVariety and VLOG out of TFRecord files that are written here, byte by byte."""

import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hps_datasets.labelled_2d.tfrecords import example, records
from hpscli.data.people import Layout, make_sample, picture_bytes
from hpscli.errors import HpsError, InvalidData, MissingError
from hpscli.records import Person
from hpscli.registry import get_registry, resolve

PREFIX = "/data2/Data/instagram_download/frames_raw/"


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    data = bytearray()
    while number > 127:
        data.append(number & 127 | 128)
        number >>= 7
    return bytes([*data, number])


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def feature(values: Any, packed: bool = True) -> bytes:
    if isinstance(values[0], bytes):
        return message(1, b"".join(message(1, value) for value in values))
    if isinstance(values[0], float):
        data = [struct.pack("<f", value) for value in values]
        body = message(1, b"".join(data)) if packed else b"".join(b"\x0d" + d for d in data)
        return message(2, body)
    data = [varint(value) for value in values]
    body = message(1, b"".join(data)) if packed else b"".join(b"\x08" + d for d in data)
    return message(3, body)


def record(packed: bool = True, **values: Any) -> bytes:
    entries = (
        message(1, message(1, name.replace("__", "/").encode()) + message(2, feature(v, packed)))
        for name, v in values.items()
    )
    data = message(1, b"".join(entries))
    return struct.pack("<Q", len(data)) + b"head" + data + b"tail"


def clip(**changes: Any) -> dict[str, Any]:
    """Two pictures of 200 x 100 px: body joints at (10 + j, 20 + j), face and feet found by half."""
    jpeg = cv2.imencode(".jpg", np.full((100, 200, 3), 90, np.uint8))[1].tobytes()
    body = np.stack([10.0 + np.arange(14), 20.0 + np.arange(14)])
    face = np.stack([np.full(5, 60.0), np.full(5, 70.0), np.full(5, 0.5)])
    feet = np.stack([np.full(6, 80.0), np.full(6, 90.0), np.full(6, 0.5)])
    values: dict[str, Any] = {
        "meta__N": [2],
        "image__filenames": [f"{PREFIX}tag/v.{n}/0.png".encode() for n in (0, 1)],
        "image__encoded": [jpeg, jpeg],
        "image__xys": [*body.ravel(), *body.ravel()],
        "image__visibilities": [1] * 14 + [0] * 14,
        "image__face_pts": [*face.ravel(), *face.ravel()],
        "image__toe_pts": [*feet.ravel(), *feet.ravel()],
    }
    values |= changes
    return {name: value for name, value in values.items() if value is not None}


def folder(root: Path, *parts: bytes) -> Path:
    (root / "train").mkdir(exist_ok=True)
    (root / "train/a.tfrecord").write_bytes(b"".join(parts))
    return root


def read(root: Path, reference: str = "", name: str = "insta-variety") -> list[Person | HpsError]:
    return list(resolve(get_registry().dataset(name).people)(root, "train", reference=reference))


def people_of(root: Path, reference: str = "") -> list[Person]:
    return [person for person in read(root, reference) if isinstance(person, Person)]


@pytest.mark.parametrize("packed", [True, False])
def test_pictures_and_joints_come_out_of_the_records(tmp_path: Path, packed: bool) -> None:
    values = clip()
    root = folder(tmp_path, record(packed, **values), record(packed, **values))
    people = people_of(root)
    assert [p.image for p in people] == ["images/tag/v.0/0.png", "images/tag/v.1/0.png"] * 2
    assert [p.key for p in people][1:3] == ["images_tag_v_1_0-0-0-1", "images_tag_v_0_0-0-1-0"]
    for person in people:
        assert person.picture is not None
        assert picture_bytes(root, person.picture) == values["image__encoded"][0]
    sample = make_sample(root, people[2], Layout())
    assert sample.meta["image_size_px"] == [100, 200]
    joints = people[0].arrays["keypoints2d.instavariety25"]
    assert joints[[0, 13, 14, 24]].tolist() == [
        [10, 20, 1],
        [23, 33, 1],
        [60, 70, 0.5],
        [80, 90, 0.5],
    ]


def test_the_box_holds_uncertain_joints_unless_official_code_is_asked_for(tmp_path: Path) -> None:
    root = folder(tmp_path, record(**clip()))
    ours, reference = people_of(root)[0], people_of(root, "hmr-benchmarks")[0]
    assert ours.box is not None and reference.box is not None
    assert ours.box.tolist() == pytest.approx([3, 13, 84, 84])
    assert reference.box.tolist() == pytest.approx([8.7, 18.7, 15.6, 15.6])
    slots = np.flatnonzero(reference.arrays["extra.keypoints2d_mask"])
    assert 57 in slots and not (slots >= 153).any()  # not those of OpenPose


def test_a_picture_without_a_certain_joint_is_a_person_of_ours_alone(tmp_path: Path) -> None:
    root = folder(tmp_path, record(**clip()))
    assert (len(people_of(root)), len(people_of(root, "hmr-benchmarks"))) == (2, 1)
    nothing = clip(image__face_pts=[0.0] * 30, image__toe_pts=[0.0] * 36)
    assert len(people_of(folder(tmp_path, record(**nothing)))) == 1


def test_clips_without_feet_have_no_label_there(tmp_path: Path) -> None:
    root = folder(tmp_path, record(**clip(image__toe_pts=None)))
    assert not people_of(root)[0].arrays["keypoints2d.instavariety25"][19:].any()
    assert len(people_of(root, "hmr-benchmarks")) == 1


def test_prepared_clips_are_mapped_back_over_the_pictures_height(tmp_path: Path) -> None:
    values = clip(image__xys=[-1.0] * 28 + [0.5] * 28, image__phis=[0.1] * 16)
    person = people_of(folder(tmp_path, record(**values)))[0]
    assert person.arrays["keypoints2d.instavariety25"][0].tolist() == [0, 0, 1]
    face = person.arrays["keypoints2d.instavariety25"][14]
    assert face.tolist() == pytest.approx([(60 + 1) / 2 * 100, (70 + 1) / 2 * 100, 0.5])


@pytest.mark.parametrize(
    "changes",
    [
        {"meta__N": [9]},
        {"meta__N": None},
        {"image__encoded": None},
        {"image__xys": [1.0]},
        {"image__filenames": [1, 2]},
        {"image__visibilities": [b"x"]},
        {"image__phis": [0.0], "image__encoded": [b"no", b"picture"]},
    ],
)
def test_a_broken_clip_is_named_and_the_next_is_read(tmp_path: Path, changes: Any) -> None:
    found = read(folder(tmp_path, record(**clip(**changes)), record(**clip())))
    assert isinstance(found[0], InvalidData) and "a.tfrecord clip 0: " in found[0].problem
    assert [isinstance(person, Person) for person in found[1:]] == [True, True]


def test_a_file_that_is_cut_ends_with_one_complaint(tmp_path: Path) -> None:
    whole = record(**clip())
    found = read(folder(tmp_path, whole, whole[:-30]))
    assert len(found) == 3 and "goes beyond the end of the file" in str(found[2])
    (tmp_path / "train/a.tfrecord").unlink()
    with pytest.raises(MissingError, match="holds no .tfrecord files"):
        read(tmp_path)
    with pytest.raises(MissingError, match="cannot be read"):
        next(records(tmp_path / "nothing"))


def test_bytes_that_are_no_example_are_a_value_error() -> None:
    for data in (b"\x0a\xff", b"\xff" * 12, b"\x0b", message(1, message(1, b"\x0a\x7f"))):
        with pytest.raises(ValueError, match="byte"):
            example(data, 0)
