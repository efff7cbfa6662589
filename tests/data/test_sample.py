import json
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from hpscli.data.sample import complaints, decode_image, decode_record, encode_record
from hpscli.errors import InvalidData
from tests.data.people import person, picture


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text("abc.2", min_size=1, max_size=9),
        arrays_of.arrays(np.float32, arrays_of.array_shapes(max_dims=3, max_side=4)),
        max_size=5,
    ),
    st.dictionaries(st.text(max_size=5), st.integers() | st.text() | st.lists(st.integers())),
)
def test_a_record_comes_back_as_it_went_in(arrays: dict, meta: dict) -> None:
    back, meta_back = decode_record(encode_record(arrays, meta))
    assert meta_back == meta
    assert back.keys() == arrays.keys()
    for name in arrays:
        np.testing.assert_array_equal(back[name], arrays[name])


def test_a_record_is_a_safetensors_file_that_the_package_reads(tmp_path: Path) -> None:
    from safetensors import safe_open

    sample = person(1)
    (tmp_path / "x.safetensors").write_bytes(encode_record(sample.arrays, sample.meta))
    with safe_open(tmp_path / "x.safetensors", "np") as file:
        assert json.loads(file.metadata()["hps"]) == sample.meta
        for name in file.keys():  # noqa: SIM118 (not a dictionary)
            np.testing.assert_array_equal(file.get_tensor(name), sample.arrays[name])


def test_the_bytes_of_a_record_do_not_depend_on_the_order_of_its_arrays() -> None:
    sample = person(1)
    backwards = dict(reversed(list(sample.arrays.items())))
    assert encode_record(sample.arrays, {"a": 1, "b": 2}) == encode_record(
        backwards, {"b": 2, "a": 1}
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04\x95pickle",
        struct.pack("<Q", 1 << 60),
        struct.pack("<Q", 2) + b"[]",
        encode_record({"a": np.zeros(4, np.float32)}, {})[:-4],
    ],
    ids=["empty", "pickle", "endless header", "no object", "cut"],
)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidData, match="not a sample record"):
        decode_record(data)


def test_a_sound_sample_has_no_complaints() -> None:
    assert complaints(person(3)) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"key": "S1_Walking.5413"}, "key 'S1_Walking.5413'"),
        ({"key": "a/b"}, "key 'a/b'"),
        (
            {"arrays": {"smpl.betas": np.zeros(11, np.float32)}},
            "smpl.betas has shape (11,), expected (10,)",
        ),
        (
            {"arrays": {"smpl.body_pose": np.zeros(69)}},
            "smpl.body_pose is float64, expected float32",
        ),
        (
            {"arrays": {"smpl.transl": np.float32([0, np.nan, 0])}},
            "smpl.transl has numbers that are not finite",
        ),
        (
            {"arrays": {"keypoints2d.coco18": np.zeros((18, 3), np.float32)}},
            "unknown joint set 'coco18'",
        ),
        (
            {"arrays": {"keypoints2d.smpl_24": np.ones((24, 3), np.float32)}},
            "must be called 'keypoints2d.smpl24'",
        ),
        ({"arrays": {"smpl.beta": np.zeros(10, np.float32)}}, "unknown array 'smpl.beta'"),
        ({"arrays": {"smpl.global_orient": np.float32([0, 180, 0])}}, "is it in degrees?"),
        ({"arrays": {"box.size": np.float32([0])}}, "box.size is 0.00 px"),
        (
            {"arrays": {"box.center": np.float32([500, 30])}},
            "the box lies outside the image (64x64 px)",
        ),
        (
            {"arrays": {"camera.intrinsics": np.zeros((3, 3), np.float32)}},
            "camera.intrinsics is not [[fx",
        ),
        (
            {"arrays": {"image.affine": np.zeros((2, 3), np.float32)}},
            "image.affine cannot be inverted",
        ),
        ({"meta": {"image_size_px": None}}, "meta image_size_px is None"),
        ({"meta": {"gender": "f"}}, "meta gender is 'f', expected neutral, male, female"),
        (
            {"arrays": {"mano.betas": np.zeros(10, np.float32)}},
            "meta hand is missing: left or right",
        ),
        ({"image": b"GIF89a..."}, "the image is neither JPEG, PNG nor WebP"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_fault_is_named(changes: dict, complaint: str) -> None:
    found = complaints(person(3, **changes))
    assert len(found) == 1 and complaint in found[0]


def test_a_missing_box_is_named() -> None:
    sample = person(3)
    del sample.arrays["box.size"]  # type: ignore[attr-defined]
    assert complaints(sample) == ["array 'box.size' is missing"]


def test_joints_in_millimetres_are_noticed() -> None:
    points = person(3).arrays["keypoints3d.smpl24"] * np.float32([1000, 1000, 1000, 1])
    assert (
        "is it in millimetres?" in complaints(person(3, arrays={"keypoints3d.smpl24": points}))[0]
    )


def test_joints_all_outside_the_image_are_noticed() -> None:
    points = person(3).arrays["keypoints2d.smpl24"] + np.float32([1000, 0, 0])
    found = complaints(person(3, arrays={"keypoints2d.smpl24": points}))
    assert found == ["keypoints2d.smpl24: no joint lies inside the image (64x64 px)"]


def test_a_joint_that_nobody_labelled_may_be_anywhere() -> None:
    points = person(3).arrays["keypoints2d.smpl24"].copy()
    points[0] = [9000, 9000, 0]
    assert complaints(person(3, arrays={"keypoints2d.smpl24": points})) == []


@pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
def test_a_truncated_picture_is_refused_though_decoders_would_paint_it_grey(extension: str) -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    data = bytes(cv2.imencode(extension, image)[1])
    assert decode_image(data).shape == (40, 40, 3)
    with pytest.raises(InvalidData, match="truncated"):
        decode_image(data[: len(data) * 2 // 3])


def test_bytes_after_the_end_of_a_jpeg_are_harmless_but_an_end_in_a_thumbnail_is_none() -> None:
    data = picture(np.random.default_rng(0))
    assert decode_image(data + b"trailer of a camera").shape == (64, 64, 3)
    thumbnail = b"\xff\xe1" + struct.pack(">H", 8) + b"ab\xff\xd9xx"
    with pytest.raises(InvalidData, match="truncated"):
        decode_image(data[:2] + thumbnail + data[2:400])


def test_a_jpeg_whose_header_is_destroyed_cannot_be_decoded() -> None:
    data = picture(np.random.default_rng(0))
    with pytest.raises(InvalidData, match="cannot be decoded"):
        decode_image(data[:4] + bytes(200) + data[204:])


def test_pictures_are_decoded_as_rgb() -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 2] = 255  # OpenCV: blue, green, red
    np.testing.assert_array_equal(
        decode_image(bytes(cv2.imencode(".png", red)[1]))[0, 0], [255, 0, 0]
    )
