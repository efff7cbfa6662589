"""Surrogate bodies have the structure of the official ones, and the numbers of their seeds."""

import numpy as np
import pytest

from hpscli.body.free import free_arrays
from hpscli.body.layer import Body
from hpscli.testing.surrogates import (
    surrogate_body,
    surrogate_mean_parameters,
    surrogate_regressor,
)


@pytest.mark.parametrize("kind", ["smpl", "mano", "smplx"])
def test_a_surrogate_has_the_shapes_and_the_tree_of_its_kind(kind: str) -> None:
    surrogate, free = surrogate_body(kind), free_arrays(kind)
    for name in ("v_template", "shapedirs", "J_regressor", "weights", "f", "kintree_table"):
        assert surrogate[name].shape == free[name].shape, name
    assert surrogate["kintree_table"][0].tolist() == free["kintree_table"][0].tolist()
    np.testing.assert_allclose(surrogate["weights"].sum(axis=1), 1)


def test_arrays_are_drawn_in_the_order_of_the_references() -> None:
    draw = np.random.RandomState(9)
    template = draw.standard_normal((778, 3)) * 0.3
    shape = draw.standard_normal((778, 3, 10)) * 0.01
    pose = draw.standard_normal((135, 778 * 3)) * 0.001
    surrogate = surrogate_body("mano")
    np.testing.assert_array_equal(surrogate["v_template"], template)
    np.testing.assert_array_equal(surrogate["shapedirs"], shape)
    # the file holds (V,3,P); the layer of smplx turns it into (P, 3V), as it was drawn
    np.testing.assert_array_equal(surrogate["posedirs"].reshape(-1, 135).T, pose)
    faces = np.random.RandomState(10).randint(0, 778, (1538, 3))
    np.testing.assert_array_equal(surrogate["f"], faces)


def test_another_seed_gives_another_body() -> None:
    assert not np.array_equal(
        surrogate_body("mano", 21)["v_template"], surrogate_body("mano")["v_template"]
    )


def test_a_surrogate_can_be_posed() -> None:
    import torch

    body = Body("mano", surrogate_body("mano"), source="surrogate")
    vertices, joints = body({"betas": torch.zeros(2, 10)})
    assert vertices.shape == (2, 778, 3)
    assert joints.shape == (2, 16, 3)


def test_regressor_rows_sum_to_one() -> None:
    rows = surrogate_regressor(9, 6890, 13)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-5)


def test_mean_parameters_lie_near_the_identity_of_their_layout() -> None:
    interleaved = surrogate_mean_parameters()["pose6d"].reshape(24, 6)
    concatenated = surrogate_mean_parameters("concatenated")["pose6d"].reshape(24, 6)
    assert np.abs(interleaved.mean(axis=0) - [1, 0, 0, 1, 0, 0]).max() < 0.1
    np.testing.assert_allclose(
        interleaved - concatenated, np.tile([0, 0, 0, 1, -1, 0], (24, 1)), atol=1e-6
    )
