"""The body and the hand as mesh networks see them."""

import numpy as np
import pytest
import torch

from hpscli.body.joints import joint_set
from hpscli.body.kit import body_kit
from hpscli.errors import UsageError
from hpscli.nn.mesh.projection import project_all
from hpscli.nn.mesh.target import (
    MeshTarget,
    joint_regressor,
    joints_from_mesh,
    mesh_levels,
    mesh_target,
    template,
    template_joints,
    tokens_of,
)

BOTH = pytest.mark.parametrize("target", [mesh_target("body"), mesh_target("hand")])


def test_an_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="hand"):
        mesh_target("foot")


def test_the_body_tokens_are_the_official_fourteen_rows_of_h36m() -> None:
    rows = mesh_target("body").token_rows
    assert rows == (3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13, 8, 10)


@BOTH
def test_the_template_is_centred_at_the_root_of_the_regressed_joints(target: MeshTarget) -> None:
    kit = body_kit(target.kind, "free")
    joints, vertices = template(target, kit)
    assert joints.shape == (target.joints, 3)
    assert vertices.shape == (kit.hierarchy().sizes[-1], 3)
    if target.name == "hand":
        assert joints[0].abs().max() == 0


def test_the_template_of_the_body_stands_upright_in_camera_axes() -> None:
    target = mesh_target("body")
    joints, _ = template(target, body_kit("smpl", "free"))
    names = joint_set(target.token_set).joints
    head, ankle = joints[names.index("head_top")], joints[names.index("right_ankle")]
    assert head[1] < 0 < ankle[1]  # y points down


@BOTH
def test_joints_from_a_mesh_are_those_of_the_body_layer(target: MeshTarget) -> None:
    kit = body_kit(target.kind, "free")
    vertices = kit.body().template[None]
    ours = joints_from_mesh(joint_regressor(target, kit), vertices)
    theirs = kit.body().regress(vertices, target.mesh_set)
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert torch.equal(tokens_of(target, ours), ours[:, list(target.token_rows)])


def test_labels_and_predictions_of_a_hand_differ_in_the_middle_finger_tip_alone() -> None:
    target = mesh_target("hand")
    kit = body_kit("mano", "free")
    posed = kit.body()({"betas": torch.zeros(1, 10)})
    label = template_joints(target, kit.body(), posed.vertices, posed.joints)
    predicted = joints_from_mesh(joint_regressor(target, kit), posed.vertices)
    apart = (label - predicted).norm(dim=-1)[0] > 1e-5
    names = np.array(joint_set(target.mesh_set).joints)
    assert list(names[apart.numpy()]) == ["Middle_4"]


@BOTH
def test_levels_go_from_coarse_to_fine(target: MeshTarget) -> None:
    kit = body_kit(target.kind, "free")
    levels = mesh_levels(kit.hierarchy(), kit.body().template[None])
    assert tuple(len(level[0]) for level in levels) == tuple(reversed(kit.hierarchy().sizes))


def test_joints_stay_exact_in_mixed_precision() -> None:
    target = mesh_target("body")
    kit = body_kit("smpl", "free")
    vertices, regressor = kit.body().template[None], joint_regressor(target, kit)
    exact = joints_from_mesh(regressor, vertices)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(joints_from_mesh(regressor, vertices), exact)


def test_projection_moves_by_the_translation_and_scales_afterwards() -> None:
    points = {"joints": torch.tensor([[[1.0, 2.0, 9.0]]])}
    camera = torch.tensor([[2.0, 0.5, -1.0]])
    assert project_all(points, camera)["joints"].tolist() == [[[3.0, 2.0]]]
