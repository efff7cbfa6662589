"""A body's root seen from a camera."""

import numpy as np
import pytest
import torch

from hpscli.body.assets.files import write_asset
from hpscli.body.free import free_arrays
from hpscli.body.layer import load_body
from hpscli.body.placement import moved_translation, rest_pelvis, turned_root
from hpscli.body.rotations import axis_angle_to_matrix

NUMBERS = np.random.default_rng(5)
BETAS = NUMBERS.normal(0, 0.5, 8)
ROOT, TRANSL = NUMBERS.normal(size=3), NUMBERS.normal(size=3)
CAMERA = axis_angle_to_matrix(torch.tensor(NUMBERS.normal(size=3))).numpy()
TRANSLATION = NUMBERS.normal(size=3)


def mesh(root: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """-> vertices (V,3) of the free body."""
    values = {"betas": BETAS, "transl": transl}
    parameters = {k: torch.tensor(v, dtype=torch.float32)[None] for k, v in values.items()}
    turned = axis_angle_to_matrix(torch.tensor(root))[None, None]
    body = load_body("smpl", source="free")
    return np.asarray(body({**parameters, "global_orient": turned})[0][0])


@pytest.fixture
def imported() -> None:
    """The free body under the name of an official one."""
    arrays = free_arrays("smpl")
    count = arrays["shapedirs"].shape[-1]
    write_asset("smpl-male", arrays, {"kind": "smpl", "gender": "male", "betas": count})


@pytest.mark.usefixtures("imported")
def test_a_body_placed_in_the_camera_is_the_body_seen_by_it() -> None:
    pelvis = rest_pelvis("smpl", "male", BETAS)
    assert pelvis is not None
    moved = moved_translation(TRANSL, pelvis, CAMERA, TRANSLATION)
    seen = mesh(ROOT, TRANSL) @ CAMERA.T + TRANSLATION
    np.testing.assert_allclose(mesh(turned_root(ROOT, CAMERA), moved), seen, atol=2e-6)


def test_the_pelvis_of_a_body_that_is_not_here_is_unknown() -> None:
    assert rest_pelvis("smpl", "female", BETAS) is None
