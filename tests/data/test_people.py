"""People of a data set become samples: resized pictures, keys, and pictures that lie elsewhere."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from hpscli.data.crops import make_crop, move_points
from hpscli.data.people import Layout, make_sample, stem_of
from hpscli.errors import InvalidData
from hpscli.records import Person, Picture

SIZE = (480, 640)
POINT = np.array([400.0, 200.0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A picture with one bright spot, and the same at half the size."""
    image = np.zeros((*SIZE, 3), np.uint8)
    cv2.circle(image, (400, 200), 12, (255, 255, 255), -1, cv2.LINE_AA)
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    for name, pixels in (("whole.png", image), ("half.png", half)):
        cv2.imwrite(str(tmp_path / name), pixels)
        cv2.imwrite(str(tmp_path / name.replace("png", "jpg")), pixels)
    return tmp_path


def person(image: str, **changes: object) -> Person:
    points = np.array([[*POINT, 1.0]] * 17)
    return Person(
        image=image,
        key="one",
        arrays={"keypoints2d.coco17": points},
        box=np.array([300.0, 100.0, 200.0, 200.0]),
        **changes,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("layout", [Layout(kind="full"), Layout(kind="crop", side_px=150)])
@pytest.mark.parametrize("image", ["whole.png", "half.png", "whole.jpg", "half.jpg"])
def test_labels_fit_a_resized_copy_of_their_picture(
    folder: Path, image: str, layout: Layout
) -> None:
    sample = make_sample(folder, person(image, image_size_px=SIZE), layout)
    crop, affine = make_crop(sample, (96, 96))
    moments = cv2.moments(crop[..., 0])
    seen = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
    np.testing.assert_allclose(seen, move_points(POINT[None], affine)[0], atol=0.3)
    assert sample.meta["image_size_px"] == list(SIZE)


def test_a_turned_picture_is_refused(folder: Path) -> None:
    turned = person("whole.png", image_size_px=SIZE[::-1])
    with pytest.raises(InvalidData, match="640x480 px, and its labels are for 480x640 px"):
        make_sample(folder, turned, Layout(kind="full"))


def test_a_quarter_turn_that_the_labels_ask_for_is_made(folder: Path) -> None:
    upright = person("whole.png", picture=Picture(path="whole.png", turns=1))
    sample = make_sample(folder, upright, Layout(kind="full"))
    assert sample.meta["image_size_px"] == [640, 480]


def test_keys_of_long_names_stay_short_and_different() -> None:
    stems = {stem_of(f"{'a' * 90}/{number}/image.jpg") for number in range(50)}
    assert len(stems) == 50 and max(map(len, stems)) <= 60
