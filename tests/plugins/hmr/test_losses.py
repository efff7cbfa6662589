"""Losses of SPIN and mmhuman3d on cases that can be worked out by hand; goldens are replayed too."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from hps_models.hmr import losses
from hps_models.hmr.discriminator import Discriminator, discriminator_losses, generator_loss
from hps_models.hmr.raw import project_px, project_spin
from hpscli.body.layer import Body, load_body
from hpscli.errors import UsageError
from hpscli.records import Batch, Prediction

PEOPLE = 2
FUNCTIONS = {
    "spin": losses.spin_losses,
    "mmhuman3d": losses.mmhuman3d_losses,
    "l1": losses.mmhuman3d_l1_losses,
    "mse": losses.mmhuman3d_mse_losses,
}


@cache
def body() -> Body:
    return load_body("smpl", source="free")


def prediction() -> Prediction:
    rest = torch.eye(3).expand(PEOPLE, 24, 3, 3)
    return Prediction(
        camera=torch.tensor([[0.9, 0.0, 0.1]] * PEOPLE, requires_grad=True),
        parameters={
            "global_orient": rest[:, 0],
            "body_pose": rest[:, 1:],
            "betas": torch.zeros(PEOPLE, 10),
        },
    )


def joints(name: str) -> Tensor:
    found = body()(prediction().parameters)
    return body().regress(found.vertices, name, joints=found.joints)


def batch(targets: Mapping[str, Tensor], **present: Tensor) -> Batch:
    everybody = torch.ones(PEOPLE, dtype=torch.bool)
    return Batch(
        keys=tuple("ab"),
        image=torch.zeros(PEOPLE, 3, 224, 224),
        targets=dict(targets),
        present={name: present.get(name.split(".")[0], everybody) for name in targets},
        affine=torch.zeros(PEOPLE, 2, 3),
        flipped=torch.zeros(PEOPLE, dtype=torch.bool),
    )


def seen(points: Tensor, confidence: float = 1.0) -> Tensor:
    return torch.cat([points, torch.full_like(points[..., :1], confidence)], dim=-1)


def loss(family: str, name: str, targets: Mapping[str, Tensor], **present: Tensor) -> Tensor:
    return FUNCTIONS[family](prediction(), batch(targets, **present), body(), [name])[name]


@pytest.mark.parametrize("family", FUNCTIONS)
@pytest.mark.parametrize("name", ["keypoints2d", "keypoints3d", "pose", "betas", "vertices"])
def test_a_term_without_labels_is_zero_with_a_gradient_path(family: str, name: str) -> None:
    value = loss(family, name, {})
    assert value.item() == 0 and value.requires_grad


@pytest.mark.parametrize("family", FUNCTIONS)
def test_moving_a_whole_person_costs_nothing_in_3d(family: str) -> None:
    shift = torch.tensor([1.0, -2.0, 3.0])
    targets = {"keypoints3d.smpl49": seen(joints("smpl49") + shift)}
    assert loss(family, "keypoints3d", targets).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("family", FUNCTIONS)
def test_labels_without_the_root_teach_nothing_in_3d(family: str) -> None:
    target = seen(joints("smpl49") + torch.tensor([0.0, 0.0, 4.0]))
    target[:, 25 + 2 : 25 + 4] = 0  # annotators' hips, as absent joints are
    assert loss(family, "keypoints3d", {"keypoints3d.smpl49": target}).item() == 0


def test_spin_averages_over_joints_that_nobody_saw() -> None:
    """One of 24 joints is 0.6 m off in x: a square of 0.36 among 72 numbers of 2 people."""
    target = seen(joints("spin_gt24"), 0.0)
    target[:, 10] += torch.tensor([0.6, 0, 0, 1])
    expected = 0.36 / 72
    assert loss("spin", "keypoints3d", {"keypoints3d.spin_gt24": target}).item() == (
        pytest.approx(expected, rel=1e-4)
    )


@pytest.mark.parametrize(("family", "expected"), [("mmhuman3d", 0.18), ("l1", 0.6), ("mse", 0.36)])
def test_mmhuman3d_averages_over_the_joints_that_were_seen(family: str, expected: float) -> None:
    target = seen(joints("smpl54"), 0.0)
    target[:, 10] += torch.tensor([0.6, 0, 0, 1])
    value = loss(family, "keypoints3d", {"keypoints3d.smpl54": target})
    assert value.item() == pytest.approx(expected / 3, rel=1e-4)  # y and z are right


def test_flags_make_mmhuman3d_average_over_all_joints_of_labelled_people() -> None:
    target = seen(joints("smpl54"), 0.0)
    target[:, 10] += torch.tensor([0.6, 0, 0, 1])
    flagged = losses.Terms(torch.abs, torch.abs, torch.abs, torch.abs, torch.abs, flagged=True)
    table = losses.mmhuman3d_terms(flagged)
    one = torch.tensor([True, False])
    scene = losses.Scene(
        prediction(), batch({"keypoints3d.smpl54": target}, keypoints3d=one), body()
    )
    assert table["keypoints3d"](scene).item() == pytest.approx(0.6 / (54 * 3), rel=1e-4)


def test_spin_gives_no_weight_to_openpose_joints_in_2d() -> None:
    shown = project_spin(joints("smpl49"), prediction().camera).detach()
    wrong = shown.clone()
    wrong[:, :25] += 7
    assert loss("spin", "keypoints2d", {"keypoints2d.smpl49": seen(wrong)}).item() == (
        pytest.approx(0, abs=1e-9)
    )
    assert loss("spin", "keypoints2d", {"keypoints2d.smpl49": seen(shown + 7)}).item() == (
        pytest.approx(49 * 24 / 49, rel=1e-4)
    )


def test_mmhuman3d_places_2d_labels_half_a_pixel_from_its_projection() -> None:
    pixels = project_px(joints("smpl54"), prediction().camera).detach() + 112
    targets = {"keypoints2d.smpl54": seen(2 * pixels / 224 - 1)}
    expected = 1 - 112 / 111.5  # reference hmr, 9: known, kept
    assert loss("l1", "keypoints2d", targets).item() == pytest.approx(-expected, rel=1e-3)


def test_the_parameters_of_people_without_labels_do_not_count() -> None:
    turned = torch.zeros(PEOPLE, 69)
    turned[1] = 2.0
    targets = {
        "smpl.global_orient": torch.zeros(PEOPLE, 3),
        "smpl.body_pose": turned,
        "smpl.betas": torch.tensor([[1.0] * 10, [9.0] * 10]),
    }
    one = torch.tensor([True, False])
    for family in FUNCTIONS:
        assert loss(family, "pose", targets, smpl=one).item() == pytest.approx(0, abs=1e-6)
        assert loss(family, "betas", targets, smpl=one).item() == pytest.approx(1)
        assert loss(family, "vertices", targets, smpl=one).item() > 0


def test_a_person_behind_the_camera_is_punished() -> None:
    flat = Prediction(camera=torch.tensor([[0.0, 0, 0]]), parameters={})
    found = losses.spin_losses(flat, batch({}), body(), ["camera"])["camera"]
    assert found.item() == pytest.approx(1)


def test_an_unknown_loss_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"no loss named 'vertex'.*Did you mean 'vertices'"):
        losses.spin_losses(prediction(), batch({}), body(), ["vertex"])


def test_scores_of_joints_depend_on_their_own_rotation_only() -> None:
    torch.manual_seed(0)
    judge: Any = Discriminator()
    pose = torch.randn(1, 23, 3, 3)
    other = pose.clone()
    other[0, 5] += 1
    with torch.no_grad():
        changed = (judge(pose, torch.zeros(1, 10)) != judge(other, torch.zeros(1, 10)))[0]
    assert changed.nonzero().flatten().tolist() == [5, 23]


def test_the_adversary_begins_as_mmhuman3ds_which_tells_no_pose_from_another() -> None:
    """Its convolutions are drawn with a deviation of 0.001, without bias; linear layers are torch's."""
    torch.manual_seed(0)
    judge = Discriminator()
    with torch.no_grad():
        scores = judge(torch.randn(50, 23, 3, 3), torch.zeros(50, 10))
    assert float(scores.std(dim=0).max()) < 1e-4 and float(scores.std(dim=1).min()) > 0.01
    for name, parameter in judge.pose_discriminator.conv_blocks.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        else:
            assert float(parameter.detach().std()) == pytest.approx(1e-3, rel=0.15)


def test_the_prior_wants_real_bodies_at_one_and_made_ones_at_zero() -> None:
    real, fake = torch.ones(2, 25), torch.zeros(2, 25)
    assert sum(discriminator_losses(real, fake).values()) == 0
    assert generator_loss(fake) == 1
