"""Which detection of OpenPose belongs to a person of COCO."""

from pathlib import Path

import pytest

from hpscli.errors import MissingError
from tests.plugins.datasets.coco_like.coco_files import annotation, joints, write, write_openpose
from tests.plugins.datasets.reading import (
    people_of,
    read,
)


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
