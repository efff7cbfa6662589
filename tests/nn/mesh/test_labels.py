"""Labels of a batch in the form that mesh networks learn from."""

from dataclasses import replace

import pytest
import torch

from hpscli.nn.mesh.labels import mesh_labels
from tests.nn.mesh.people import batch_of, truth


@pytest.mark.parametrize("kind", ["smpl", "mano"])
def test_label_meshes_are_every_level_from_the_regressed_root(kind: str) -> None:
    right = truth(kind)
    labels = mesh_labels(right.batch, right.space)
    assert [level.shape[1] for level in labels.levels] == list(
        reversed(right.space.hierarchy.sizes)
    )
    for level, wanted in zip(labels.levels, right.prediction.levels, strict=True):
        assert torch.allclose(level, wanted, atol=1e-6)
    root = right.space.root(right.space.joints(labels.levels[-1]))
    assert float(root.abs().max()) < 1e-3  # rows of a regressor sum to 1 within 4e-4


def test_joints_of_hands_come_from_their_parameters_whatever_is_annotated() -> None:
    right = truth("mano")
    right.batch.targets["keypoints3d.metro_hand21"][:] = 9.0
    labels = mesh_labels(right.batch, right.space)
    tokens = right.prediction.extras["joint_tokens"]
    assert torch.allclose(labels.joints3d[..., :3], tokens, atol=1e-6)
    assert bool((labels.joints3d[..., 3] == 1).all())


def test_joints_of_bodies_are_annotated_ones() -> None:
    right = truth("smpl")
    labels = mesh_labels(right.batch, right.space)
    tokens = right.prediction.extras["joint_tokens"]
    hips = tokens[:, [2, 3]].mean(dim=1, keepdim=True)
    annotated = labels.joints3d[..., :3]
    annotated = annotated - annotated[:, [2, 3]].mean(dim=1, keepdim=True)
    assert torch.allclose(annotated, tokens - hips, atol=1e-5)


def test_of_metros_24_joints_the_head_is_the_19th() -> None:
    right = truth("smpl")
    joints = torch.arange(24.0)[None, :, None].expand(3, 24, 4).clone()
    labels = mesh_labels(batch_of({"keypoints3d.metro24": joints}), right.space)
    assert labels.joints3d[0, :, 0].tolist() == [*range(13), 18]


def test_joints_that_a_set_does_not_have_have_no_confidence() -> None:
    right = truth("smpl")
    batch = batch_of({"keypoints2d.coco17": torch.ones(3, 17, 3)})
    confidence = mesh_labels(batch, right.space).joints2d[0, :, 2]
    assert confidence.tolist() == [1] * 12 + [0, 0]  # neck and head


def test_the_joint_set_with_most_joints_is_taken() -> None:
    right = truth("smpl")
    targets = {
        "keypoints2d.coco17": torch.full((3, 17, 3), 2.0),
        "keypoints2d.h36m17": torch.full((3, 17, 3), 3.0),
    }
    assert float(mesh_labels(batch_of(targets), right.space).joints2d.min()) == 3.0


def test_who_lacks_one_parameter_has_no_mesh() -> None:
    right = truth("smpl")
    present = {**right.batch.present, "smpl.betas": torch.tensor([True, False, True])}
    labels = mesh_labels(replace(right.batch, present=present), right.space)
    assert labels.has_mesh.tolist() == [True, False, True]
    assert float(labels.levels[-1][1].abs().max()) == 0.0


def test_a_batch_without_anything_gives_labels_that_nobody_has() -> None:
    right = truth("smpl")
    labels = mesh_labels(batch_of({}), right.space)
    assert not bool(labels.has_mesh.any()) and not bool(labels.has_joints3d.any())
    assert labels.joints3d.shape == (3, 14, 4)
    assert labels.joints2d.shape == (3, 14, 3)


def test_labels_have_no_gradients() -> None:
    right = truth("smpl")
    right.batch.targets["smpl.betas"].requires_grad_()
    labels = mesh_labels(right.batch, right.space)
    assert not any(level.requires_grad for level in labels.levels)
    right.batch.targets["smpl.betas"].requires_grad_(False)
