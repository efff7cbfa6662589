"""Who is drawn: the worst, the typical and the best."""

import numpy as np
import pytest

from hpscli.metrics.protocols import METRICS
from hpscli.metrics.results import Result
from hpscli.metrics.rules import metric
from hpscli.render.pictures import draw_in_crop
from hpscli.run.pictures.gallery import chosen_people
from hpscli.run.pictures.shown import camera_remark


def result(values: np.ndarray) -> Result:
    empty: dict[str, str] = {}
    return Result(
        protocol=empty,
        checkpoint=empty,
        model="",
        body=empty,
        data=empty,
        settings=empty,
        metrics={name: metric(METRICS[name].figure, 0.0, 1) for name in ("mpjpe", "pck")},
        keys=tuple(f"p{index}" for index in range(len(values))),
        errors={"mpjpe": values, "pck": 100 - values},
    )


@pytest.mark.parametrize("metric", ["mpjpe", "pck"])
def test_the_worst_come_first_whatever_the_direction(metric: str) -> None:
    values = np.array([5.0, 90.0, 50.0, np.nan, 10.0, 70.0])
    places, captions = chosen_people(result(values), metric, 1)
    assert places == [1, 2, 0]
    assert captions[0].startswith("worst") and captions[2].endswith("p0")


def test_few_people_are_enough() -> None:
    places, captions = chosen_people(result(np.array([1.0, 2.0])), "mpjpe", 4)
    assert set(places) == {0, 1} and len(places) == len(captions)


def test_a_person_behind_the_camera_is_not_drawn() -> None:
    crop = np.full((32, 32, 3), 128, np.uint8)
    triangle = np.array([[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]])
    faces = np.array([[0, 1, 2]])
    for scale in (-1.0, 0.0, float("nan")):
        drawn = draw_in_crop(crop, triangle, faces, np.array([scale, 0, 0]))
        np.testing.assert_array_equal(drawn, crop)
        assert "behind the camera" in camera_remark(np.array([scale, 0, 0]))
    drawn = draw_in_crop(crop, triangle, faces, np.array([0.5, 0, 0]))
    assert (drawn != crop).any() and camera_remark(np.array([0.5, 0, 0])) == ""
