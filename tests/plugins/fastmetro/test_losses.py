"""FastMETRO's losses: centred meshes, the surface, the parametric body."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hps_models.fastmetro.losses import TERMS, fastmetro_losses
from hpscli.body.kit import body_kit
from hpscli.errors import UsageError
from hpscli.nn.mesh.weightings import FASTMETRO
from hpscli.records import Prediction
from tests.nn.mesh.people import Truth, batch_of, spoilt, truth

NAMES = {"smpl": tuple(FASTMETRO["body-smpl-3dpw"]), "mano": tuple(FASTMETRO["hand"])}
OF_MESH = ("vertices_coarse", "vertices_fine", "edges", "normals")


@pytest.fixture(scope="module", params=["smpl", "mano"])
def right(request: pytest.FixtureRequest) -> Truth:
    return truth(request.param)


def names(right: Truth) -> tuple[str, ...]:
    return NAMES[right.space.target.kind]


def measured(prediction: Prediction, right: Truth, terms: tuple[str, ...]) -> dict[str, float]:
    losses = fastmetro_losses(prediction, right.batch, right.body, terms)
    return {name: float(value.detach()) for name, value in losses.items()}


def test_the_truth_costs_nothing_but_the_length_of_its_edges(right: Truth) -> None:
    losses = measured(right.prediction, right, names(right))
    lengths = losses.pop("edge_lengths", None)
    assert lengths is None or 0.01 < lengths < 0.1
    # The regressor's rows do not sum to 1, and finger tips of labels are other vertices.
    assert all(value < 5e-3 for value in losses.values()), losses


def test_every_term_sees_an_error(right: Truth) -> None:
    before = measured(right.prediction, right, names(right))
    after = measured(spoilt(right.prediction), right, names(right))
    assert all(after[name] > before[name] + 1e-3 for name in names(right)), after


def test_where_a_mesh_is_does_not_matter(right: Truth) -> None:
    levels = tuple(level + 0.1 for level in right.prediction.levels)
    moved = replace(right.prediction, levels=levels)
    for name, value in measured(moved, right, OF_MESH).items():
        assert value < 1e-3, name


def test_without_any_label_every_term_is_zero_and_keeps_its_gradient(right: Truth) -> None:
    prediction = spoilt(right.prediction)
    leaves = [prediction.camera, *prediction.levels, *prediction.extras.values()]
    for leaf in leaves:
        leaf.requires_grad_()
    losses = fastmetro_losses(prediction, batch_of({}), right.body, names(right))
    assert all(float(value.detach()) == 0.0 for value in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    for leaf in leaves:
        assert leaf.grad is not None and bool((leaf.grad == 0).all())


def test_a_person_without_labels_changes_no_term(right: Truth) -> None:
    prediction = spoilt(right.prediction)
    flags = torch.tensor([True, False, True])
    present = {name: flags for name in right.batch.present}

    def with_second(value: float) -> dict[str, Tensor]:
        targets = {name: target.clone() for name, target in right.batch.targets.items()}
        for name, target in targets.items():
            target[1] = 0.0 if name.startswith("keypoints2d") else value
        return targets

    one, other = (
        fastmetro_losses(
            prediction,
            replace(right.batch, present=present, targets=with_second(value)),
            right.body,
            names(right),
        )
        for value in (0.0, 7.0)
    )
    for name in names(right):
        assert float(one[name]) == pytest.approx(float(other[name]), rel=1e-6)


def test_2d_joints_of_the_parametric_body_teach_the_camera_nothing() -> None:
    right = truth("smpl")
    prediction = spoilt(right.prediction)
    prediction.camera.requires_grad_()
    prediction.parameters["betas"].requires_grad_()
    loss = fastmetro_losses(prediction, right.batch, right.body, ["smpl_joints2d"])["smpl_joints2d"]
    loss.backward()
    assert prediction.camera.grad is not None  # the path that keeps all processes alike
    assert bool((prediction.camera.grad == 0).all())
    betas = prediction.parameters["betas"].grad
    assert betas is not None and bool((betas != 0).any())


def test_terms_of_the_parametric_body_do_not_reach_the_mesh() -> None:
    right = truth("smpl")
    prediction = spoilt(right.prediction)
    for level in prediction.levels:
        level.requires_grad_()
    prediction.camera.requires_grad_()
    terms = [name for name in NAMES["smpl"] if name.startswith("smpl_")]
    losses = fastmetro_losses(prediction, right.batch, right.body, terms)
    torch.stack(list(losses.values())).sum().backward()
    assert all(level.grad is None for level in prediction.levels)


def test_a_network_without_parameters_is_told_what_to_take() -> None:
    right = truth("smpl")
    bare = replace(right.prediction, parameters={})
    with pytest.raises(UsageError, match="no body parameters.*smpl_"):
        fastmetro_losses(bare, right.batch, right.body, ["smpl_pose"])


def test_pose_and_betas_are_means_of_squares() -> None:
    right = truth("smpl")
    parameters = dict(right.prediction.parameters)
    parameters["betas"] = parameters["betas"] + 0.5
    parameters["global_orient"] = parameters["global_orient"] + 0.1
    wrong = replace(right.prediction, parameters=parameters)
    losses = measured(wrong, right, ("smpl_pose", "smpl_betas"))
    assert losses["smpl_betas"] == pytest.approx(0.25, rel=1e-5)
    assert losses["smpl_pose"] == pytest.approx(0.01 / 24, rel=1e-3)


def test_a_mesh_that_was_first_asked_for_without_gradients_serves_a_training() -> None:
    right = truth("smpl")
    kit = body_kit("smpl", given=right.body)
    terms = FASTMETRO["body"]
    with torch.inference_mode():
        fastmetro_losses(right.prediction, right.batch, kit, terms)
    prediction = spoilt(right.prediction)
    for level in prediction.levels:
        level.requires_grad_()
    losses = fastmetro_losses(prediction, right.batch, kit, terms)
    torch.stack(list(losses.values())).sum().backward()
    assert all(level.grad is not None for level in prediction.levels)


def test_every_weighting_names_losses_that_there_are() -> None:
    assert {name for weights in FASTMETRO.values() for name in weights} == set(TERMS)
