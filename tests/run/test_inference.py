"""The flip test: a mirrored crop says the mirrored thing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hpscli.body.joints import joint_set
from hpscli.body.layer import load_body, matrices
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import UsageError
from hpscli.records import Prediction
from hpscli.run.inference import average, mirror_prediction, nearest_rotation
from tests.run.people import parameters


def predicted(kind: str, seed: int) -> Prediction:
    flat = {k.partition(".")[2]: torch.tensor(v)[None] for k, v in parameters(kind, seed).items()}
    return Prediction(camera=torch.tensor([[0.9, 0.1, -0.2]]), parameters=matrices(flat))


@pytest.mark.parametrize("kind", ["smpl", "smplx"])
def test_the_mirrored_prediction_is_the_mirrored_skeleton(kind: str) -> None:
    """The free template is symmetric to a fraction of a millimetre, so zero shape must mirror."""
    body = load_body(kind, source="free")
    one = predicted(kind, 3)
    rest = {k: v * 0 if k in ("betas", "expression") else v for k, v in one.parameters.items()}
    one = Prediction(camera=one.camera, parameters=rest)
    other = mirror_prediction(one, body)
    plain, mirrored = (body.kinematics(p.parameters)[0].numpy() for p in (one, other))
    plain, mirrored = plain - plain[0], mirrored - mirrored[0]
    order = list(joint_set(body.joint_set).mirror)
    np.testing.assert_allclose(mirrored, plain[order] * [-1, 1, 1], atol=2e-3)
    assert other.camera.tolist() == [pytest.approx([0.9, -0.1, -0.2])]


def test_mirroring_twice_gives_the_same_back() -> None:
    body = load_body("smplx", source="free")
    one = predicted("smplx", 5)
    twice = mirror_prediction(mirror_prediction(one, body), body)
    for name, value in one.parameters.items():
        torch.testing.assert_close(twice.parameters[name], value)
    torch.testing.assert_close(twice.camera, one.camera)


def test_the_average_of_equal_predictions_is_the_prediction() -> None:
    one = predicted("smpl", 1)
    same = average(one, one)
    for name, value in one.parameters.items():
        torch.testing.assert_close(same.parameters[name], value, atol=1e-5, rtol=0)


def test_the_average_rotation_lies_halfway() -> None:
    quarter = axis_angle_to_matrix(torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    half = nearest_rotation(quarter.mean(dim=0))
    torch.testing.assert_close(half, axis_angle_to_matrix(torch.tensor([0.0, 0.0, 0.5])))


def test_a_mesh_beside_parameters_is_not_replaced_by_that_of_the_parameters() -> None:
    body = load_body("smpl", source="free")
    both = replace(predicted("smpl", 0), vertices=torch.zeros(1, 6890, 3))
    with pytest.raises(UsageError, match="bare mesh"):
        mirror_prediction(both, body)


def test_a_hand_or_a_bare_mesh_cannot_be_flipped() -> None:
    with pytest.raises(UsageError, match="--flip"):
        mirror_prediction(predicted("mano", 0), load_body("mano", source="free"))
    mesh = Prediction(camera=torch.zeros(1, 3), vertices=torch.zeros(1, 6890, 3))
    with pytest.raises(UsageError, match="--flip"):
        mirror_prediction(mesh, load_body("smpl", source="free"))
