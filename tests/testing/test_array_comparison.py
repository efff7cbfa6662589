"""What a stored array is decides how it is compared."""

import json

import numpy as np
import pytest

from hpscli.testing.array_comparison import compare

FLIPPED = np.array([[np.pi, 0, 0]]), np.array([[-np.pi, 0, 0]])
CAMERA = {"in_mat": [[2.0, 0, 1], [0, 2.0, 1], [0, 0, 1]], "W": 8, "H": 6, "name": "default"}
PICTURE = np.linspace(-2, 2, 400).reshape(1, 20, 20)
FEW_OFF = PICTURE + (np.arange(400) < 4).reshape(1, 20, 20)
MANY_OFF = PICTURE + (np.arange(400) < 40).reshape(1, 20, 20)


@pytest.mark.parametrize(
    ("name", "found", "stored", "ok"),
    [
        ("image_path", np.array(["a.jpg"]), np.array(["a.jpg"]), True),
        ("image_path", np.array(["a/much/longer.jpg"]), np.array(["a.jpg"]), False),
        ("keypoints2d", np.full((1, 2), 1.00005), np.ones((1, 2)), True),
        ("keypoints2d", np.full((1, 2), 1.0002), np.ones((1, 2)), False),
        ("keypoints2d", np.ones((1, 3)), np.ones((1, 2)), False),
        ("keypoints2d", np.array([np.nan]), np.array([np.nan]), True),
        ("keypoints2d", np.array([np.nan]), np.array([1.0]), False),
        ("smpl.body_pose", *FLIPPED, True),
        ("smpl.betas", *FLIPPED, False),
        ("meta.gender", np.array(["male", "female"]), np.array(["m", "f"]), True),
        ("meta.gender", np.array(["male", "female"]), np.array([1, 0]), True),
        ("meta.gender", np.array(["male"]), np.array(["f"]), False),
        ("cam_param_json", [CAMERA], np.array(json.dumps([CAMERA | {"name": "x"}])), True),
        ("cam_param_json", [CAMERA], np.array(json.dumps([CAMERA | {"W": 9}])), False),
        ("cam_param_json", [], np.array(json.dumps([CAMERA])), False),
        (
            "cam_param_json",
            {("S1", "5"): CAMERA, ("S1", "6"): CAMERA},
            np.array(json.dumps({"S1|5": CAMERA})),
            True,
        ),
        ("img_stride16", FEW_OFF, PICTURE, True),
        ("img_stride16", MANY_OFF, PICTURE, False),
        ("vertices", None, np.ones(1), False),
    ],
)
def test_an_array_is_compared_by_what_it_is(
    name: str, found: object, stored: np.ndarray, ok: bool
) -> None:
    assert compare(name, found, stored, 1e-4).ok is ok
