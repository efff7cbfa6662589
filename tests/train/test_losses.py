"""The standard losses: what they measure, and what they leave out."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hpscli.body.cameras import project_weak
from hpscli.body.layer import Body, load_body
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import UsageError
from hpscli.records import Batch, Prediction
from hpscli.train.losses import TERMS, root_of, standard_losses

PEOPLE = 3
ALL = tuple(TERMS)


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("smpl", source="free")


@pytest.fixture
def truth(body: Body) -> tuple[Prediction, Batch]:
    """A prediction that is exactly right, and its batch."""
    torch.manual_seed(0)
    flat = {
        "global_orient": torch.randn(PEOPLE, 3) * 0.4,
        "body_pose": torch.randn(PEOPLE, 69) * 0.2,
        "betas": torch.randn(PEOPLE, 10),
    }
    parameters = {
        "global_orient": axis_angle_to_matrix(flat["global_orient"]),
        "body_pose": axis_angle_to_matrix(flat["body_pose"].view(-1, 23, 3)),
        "betas": flat["betas"],
    }
    joints = body.kinematics(parameters)
    camera = torch.tensor([[0.9, 0.1, -0.2]]).repeat(PEOPLE, 1)
    one = torch.ones(PEOPLE, 24, 1)
    targets = {
        "keypoints3d.smpl24": torch.cat([joints + 5.0, one], 2),  # anywhere in the room
        "keypoints2d.smpl24": torch.cat([project_weak(joints, camera), one], 2),
        **{f"smpl.{name}": value for name, value in flat.items()},
    }
    return Prediction(camera=camera, parameters=parameters), batch_of(targets)


def batch_of(targets: dict[str, Tensor]) -> Batch:
    return Batch(
        keys=tuple("abc"),
        image=torch.zeros(PEOPLE, 3, 8, 8),
        targets=targets,
        present={name: torch.ones(PEOPLE, dtype=torch.bool) for name in targets},
        affine=torch.zeros(PEOPLE, 2, 3),
        flipped=torch.zeros(PEOPLE, dtype=torch.bool),
    )


def turned(prediction: Prediction) -> Prediction:
    """-> the prediction with everybody's root turned, and another camera and shape."""
    turn = axis_angle_to_matrix(torch.tensor([0.0, 0.5, 0.0]))
    parameters = dict(prediction.parameters)
    parameters["global_orient"] = turn @ parameters["global_orient"]
    parameters["betas"] = parameters["betas"] + 0.5
    return replace(prediction, parameters=parameters, camera=prediction.camera * 1.1)


def test_the_truth_costs_nothing(truth: tuple[Prediction, Batch], body: Body) -> None:
    losses = standard_losses(*truth, body, ALL)
    assert set(losses) == set(ALL)
    assert all(float(value) < 1e-6 for value in losses.values())


def test_every_term_sees_an_error(truth: tuple[Prediction, Batch], body: Body) -> None:
    losses = standard_losses(turned(truth[0]), truth[1], body, ALL)
    assert all(float(value) > 1e-3 for value in losses.values())


def test_betas_are_a_mean_of_squares(truth: tuple[Prediction, Batch], body: Body) -> None:
    losses = standard_losses(turned(truth[0]), truth[1], body, ["betas"])
    assert float(losses["betas"]) == pytest.approx(0.25)


def test_a_person_without_a_label_changes_no_term(
    truth: tuple[Prediction, Batch], body: Body
) -> None:
    prediction, batch = turned(truth[0]), truth[1]
    alone = {name: torch.tensor([True, False, False]) for name in batch.present}
    spoilt = {name: value.clone() for name, value in batch.targets.items()}
    for value in spoilt.values():
        value[1:] = 7.0
    expected = standard_losses(prediction, replace(batch, present=alone), body, ALL)
    losses = standard_losses(prediction, replace(batch, present=alone, targets=spoilt), body, ALL)
    for name in ALL:
        assert float(losses[name]) == pytest.approx(float(expected[name]), rel=1e-5)


def test_joints_without_confidence_weigh_nothing(
    truth: tuple[Prediction, Batch], body: Body
) -> None:
    prediction, batch = truth
    for name in ("keypoints3d.smpl24", "keypoints2d.smpl24"):
        batch.targets[name][:, 20:, :-1] = 99.0
        batch.targets[name][:, 20:, -1] = 0.0
    losses = standard_losses(prediction, batch, body, ["keypoints2d", "keypoints3d"])
    assert all(float(value) < 1e-6 for value in losses.values())


def test_half_a_confidence_is_half_a_cost(truth: tuple[Prediction, Batch], body: Body) -> None:
    prediction, batch = turned(truth[0]), truth[1]
    whole = standard_losses(prediction, batch, body, ["keypoints2d"])["keypoints2d"]
    batch.targets["keypoints2d.smpl24"][..., 2] = 0.5
    half = standard_losses(prediction, batch, body, ["keypoints2d"])["keypoints2d"]
    assert float(half) == pytest.approx(float(whole) / 2)


def test_without_a_root_joint_there_is_no_3d_term_for_that_person(
    truth: tuple[Prediction, Batch], body: Body
) -> None:
    prediction, batch = turned(truth[0]), truth[1]
    batch.targets["keypoints3d.smpl24"][:, 0, 3] = 0.0  # the pelvis
    assert float(standard_losses(prediction, batch, body, ["keypoints3d"])["keypoints3d"]) == 0.0


@pytest.mark.parametrize("name", ALL)
def test_a_term_without_any_label_is_zero_and_keeps_its_gradient(
    name: str, truth: tuple[Prediction, Batch], body: Body
) -> None:
    camera = truth[0].camera.clone().requires_grad_()
    prediction = replace(truth[0], camera=camera)
    loss = standard_losses(prediction, batch_of({}), body, [name])[name]
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert camera.grad is not None


def test_joints_that_only_a_mesh_has_are_regressed(
    truth: tuple[Prediction, Batch], body: Body
) -> None:
    prediction, _ = truth
    vertices, own = body(prediction.parameters)
    joints = body.regress(vertices, "coco17", joints=own)
    target = torch.cat([joints, torch.ones(PEOPLE, 17, 1)], 2)
    batch = batch_of({"keypoints3d.coco17": target})
    assert float(standard_losses(prediction, batch, body, ["keypoints3d"])["keypoints3d"]) < 1e-5


def test_a_model_that_gives_only_joints_has_losses_too(
    truth: tuple[Prediction, Batch], body: Body
) -> None:
    prediction, batch = truth
    bare = Prediction(
        camera=prediction.camera, joints={"smpl24": body.kinematics(prediction.parameters)}
    )
    losses = standard_losses(bare, batch, body, ["keypoints3d", "keypoints2d", "pose", "betas"])
    assert all(float(value) < 1e-6 for value in losses.values())


def test_an_unknown_loss_is_named_with_the_nearest_one(
    truth: tuple[Prediction, Batch], body: Body
) -> None:
    with pytest.raises(UsageError, match="no loss named 'keypoint3d'.*Did you mean 'keypoints3d'"):
        standard_losses(*truth, body, ["keypoint3d"])


@pytest.mark.parametrize(
    ("name", "root"), [("smpl24", ["pelvis"]), ("coco17", ["left_hip", "right_hip"])]
)
def test_the_root_is_the_pelvis_or_between_the_hips(name: str, root: list[str]) -> None:
    from hpscli.body.joints import joint_set

    assert [joint_set(name).joints[index] for index in root_of(name)] == root


def test_the_truth_costs_nothing_in_a_crop_that_is_not_square(
    truth: tuple[Prediction, Batch], body: Body
) -> None:
    prediction, batch = truth
    seen = project_weak(
        body.kinematics(prediction.parameters), prediction.camera, crop_size=(16, 8)
    )
    targets = {
        **batch.targets,
        "keypoints2d.smpl24": torch.cat([seen, torch.ones(PEOPLE, 24, 1)], 2),
    }
    tall = replace(batch, image=torch.zeros(PEOPLE, 3, 16, 8), targets=targets)
    assert float(standard_losses(prediction, tall, body, ["keypoints2d"])["keypoints2d"]) < 1e-6
