"""The packaged free bodies: structure of the real ones, symmetric, and honest about what they are."""

import numpy as np
import pytest

from hpscli.body.free import FREE_KINDS, free_arrays, free_hierarchy, free_poses, free_sha256
from hpscli.errors import UsageError

SIZES = {
    "smpl": (6890, 13776, 24, 10),
    "smplx": (10475, 20908, 55, 20),
    "mano": (778, 1538, 16, 10),
}


@pytest.mark.parametrize("kind", FREE_KINDS)
def test_a_free_body_has_the_structure_of_the_real_one(kind: str) -> None:
    vertices, faces, joints, directions = SIZES[kind]
    arrays = free_arrays(kind)
    assert arrays["v_template"].shape == (vertices, 3)
    assert arrays["f"].shape == (faces, 3)
    assert arrays["shapedirs"].shape == (vertices, 3, directions)
    assert arrays["J_regressor"].shape == (joints, vertices)
    np.testing.assert_allclose(arrays["weights"].sum(axis=1), 1, atol=1e-3)
    np.testing.assert_allclose(arrays["J_regressor"].sum(axis=1), 1, atol=1e-3)
    assert "posedirs" not in arrays


def test_the_free_body_is_symmetric() -> None:
    arrays = free_arrays("smpl")
    mirrored = arrays["v_template"][arrays["mirror_vertices"]] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, arrays["v_template"], atol=1e-6)


def test_the_free_body_is_a_standing_adult_in_metres() -> None:
    template = free_arrays("smpl")["v_template"]
    assert 1.6 < np.ptp(template[:, 1]) < 1.8


def test_free_poses_are_two_thousand_float32_rotations() -> None:
    poses = free_poses()
    assert poses["poses"].shape == (2000, 24, 3) and poses["poses"].dtype == np.float32
    assert np.isfinite(poses["poses"]).all() and len(poses["mode_names"]) == 6


def test_the_sha256_names_the_packaged_file() -> None:
    assert len({free_sha256(kind) for kind in FREE_KINDS}) == 3


@pytest.mark.parametrize("call", [free_arrays, free_hierarchy])
def test_an_unknown_body_is_a_usage_error(call: object) -> None:
    with pytest.raises(UsageError, match="named 'smpll'. Did you mean 'smpl'"):
        call("smpll")  # type: ignore[operator]
