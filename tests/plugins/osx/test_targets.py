"""What OSX is trained towards: frames, masks, boxes, turned and mirrored people."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hps_models.osx.cells import depth_cells
from hps_models.osx.geometry import FACE, JOINT_SET, LEFT_HAND, RIGHT_HAND
from hps_models.osx.mesh import part_relative
from hps_models.osx.targets import Targets, from_batch, part_roots
from hpscli.body.joints import joint_set
from hpscli.body.layer import Body, load_body
from hpscli.data.augmentations.changes import unchanged
from hpscli.data.batch import make_batch
from hpscli.records import Batch
from tests.data.people import person
from tests.plugins.osx.osx_people import people

ASIDE = [81, 114]  # points of nose and lip that the free body has beside its plane of symmetry


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("smplx", source="free")


def test_annotated_joints_and_those_of_the_fitted_body_agree(body: Body) -> None:
    targets = from_batch(people(body), body)
    assert torch.allclose(targets.joint_metres, targets.body_metres, atol=1e-4)
    seen = (targets.joint_seen * targets.body_seen) > 0
    assert seen.float().mean() > 0.5
    difference = (targets.joint_image - targets.body_image).abs() * seen
    assert difference.max() < 1e-2


@pytest.mark.parametrize("flip", [False, True])
def test_joints_of_the_fitted_body_follow_a_turned_and_mirrored_picture(
    body: Body, flip: bool
) -> None:
    upright = people(body)
    pixels = (upright.targets[f"keypoints2d.{JOINT_SET}"][..., :2] + 1) * torch.tensor(
        [192.0, 256.0]
    )
    arrays = {
        name: values[0].numpy()
        for name, values in upright.targets.items()
        if name.startswith(("smplx.", "keypoints3d."))
    } | {
        f"keypoints2d.{JOINT_SET}": np.concatenate([pixels[0], np.ones((137, 1))], axis=1),
        "camera.intrinsics": upright.targets["camera.crop_intrinsics"][0].numpy(),
        "box.center": np.array([192.0, 256.0]),
        "box.size": np.array([384.0]),
    }
    arrays = {name: np.float32(values) for name, values in arrays.items()}
    changes = replace(
        unchanged(1),
        flip=np.array([flip]),
        rotation_degrees=np.array([25.0]),
        scale=np.array([1.2]),
    )
    batch = make_batch([person(1, arrays=arrays)], (512, 384), JOINT_SET, changes=changes)
    targets = from_batch(batch, body)
    assert targets.body_valid.all() and targets.expression_valid.all()
    even = torch.ones(137, 1)
    even[ASIDE] = 0
    assert ((targets.joint_metres - targets.body_metres).abs() * even).max() < 0.002
    seen = (targets.joint_seen * targets.body_seen * even) > 0
    assert seen.float().mean() > 0.5
    assert ((targets.joint_image - targets.body_image).abs() * seen)[..., :2].max() < 0.02


def test_a_mirrored_person_has_her_own_joints_mirrored_however_uneven_her_face(body: Body) -> None:
    batch = people(body, 1)
    for name in ("betas", "expression"):
        batch.targets[f"smplx.{name}"] *= 5.0
    arrays = {
        name: values[0].numpy()
        for name, values in batch.targets.items()
        if name.startswith("smplx.")
    } | {
        "camera.intrinsics": batch.targets["camera.crop_intrinsics"][0].numpy(),
        "box.center": np.array([192.0, 256.0], np.float32),
        "box.size": np.array([384.0], np.float32),
    }
    change = replace(unchanged(1), flip=np.array([True]))
    sides = [
        from_batch(make_batch([person(1, arrays=arrays)], (512, 384), JOINT_SET, changes=c), body)
        for c in (None, change)
    ]
    order = list(joint_set(JOINT_SET).mirror)
    expected = sides[0].body_metres[:, order] * torch.tensor([-1.0, 1.0, 1.0])
    assert torch.allclose(sides[1].body_metres, expected, atol=1e-5)
    seen = (sides[0].body_seen[:, order] * sides[1].body_seen) > 0
    assert seen.float().mean() > 0.3
    x = sides[0].body_image[:, order, :1] + sides[1].body_image[..., :1]
    assert ((x - 12.0).abs() * seen).max() < 1e-3


def test_a_body_without_hands_and_face_has_joints_where_it_has_labels(body: Body) -> None:
    batch = people(body)
    batch.present["smplx.left_hand_pose"] = torch.tensor([False, True])
    batch.present["smplx.jaw_pose"] = torch.tensor([True, False])
    targets = from_batch(batch, body)
    assert targets.body_valid[:, : LEFT_HAND.start].all()
    parts = (LEFT_HAND, RIGHT_HAND, FACE)
    assert [[bool(targets.body_valid[n, part].all()) for part in parts] for n in (0, 1)] == [
        [False, True, True],
        [True, True, False],
    ]
    assert not targets.body_seen[0, LEFT_HAND].any() and not targets.body_metres[1, FACE].any()


@pytest.mark.parametrize("group", ["Human36M", "MPII", "MPI_INF_3DHP"])
def test_ankles_wrists_and_feet_of_fits_that_osx_does_not_trust_teach_nothing(
    body: Body, group: str
) -> None:
    batch = replace(people(body), meta=({"set": group}, {"set": "MSCOCO"}))
    targets = from_batch(batch, body)
    assert targets.pose_valid.sum(dim=1).tolist() == [159 - 4 * 3, 159]
    assert targets.body_valid.sum(dim=(1, 2)).tolist() == [137 - 6, 137]
    names = joint_set("osx_smplx_pose53").joints
    rotations = targets.pose_valid[0].reshape(53, 3).any(dim=1).tolist()
    doubted = [name for name, valid in zip(names, rotations, strict=True) if not valid]
    assert sorted(doubted) == ["L_Ankle", "L_Wrist", "R_Ankle", "R_Wrist"]
    joints = zip(joint_set(JOINT_SET).joints, targets.body_valid[0, :, 0].tolist(), strict=True)
    feet = [name for name, valid in joints if not valid]
    assert feet == ["L_Big_toe", "L_Small_toe", "L_Heel", "R_Big_toe", "R_Small_toe", "R_Heel"]
    assert not (targets.body_seen[0] * (1 - targets.body_valid[0])).any()


def test_a_shape_far_from_the_mean_is_the_mean_and_its_joints_stay(body: Body) -> None:
    batch = people(body)
    batch.targets["smplx.betas"][0, 3] = 3.5
    targets = from_batch(batch, body)
    assert not targets.betas[0].any() and targets.betas[1].any() and targets.betas_valid.all()
    assert targets.body_valid.all()


def test_hands_are_from_their_wrists_and_the_root_of_a_part_lies_at_half_depth(body: Body) -> None:
    targets = from_batch(people(body), body)
    assert targets.joint_metres[:, LEFT_HAND].norm(dim=2).max() < 0.3
    assert torch.allclose(depth_cells(torch.zeros(1, 137, 3)), torch.tensor(8.0))
    metres = torch.zeros(1, 137, 3)
    metres[0, 0, 2], metres[0, 30, 2] = 1.0, 0.15  # half of each part's size
    assert torch.allclose(depth_cells(metres)[0, [0, 30], 0], torch.tensor(16.0))


def test_poses_of_hands_are_measured_from_the_mean_hand(body: Body) -> None:
    batch = people(body)
    mean = torch.as_tensor(body.hand_means["hands_meanl"])
    expected = batch.targets["smplx.left_hand_pose"] - mean
    assert torch.allclose(from_batch(batch, body).pose[:, 66:111], expected, atol=1e-6)


def test_people_without_depth_are_compared_in_the_picture_alone(body: Body) -> None:
    batch = people(body)
    flat = {k: v for k, v in batch.targets.items() if k.startswith("keypoints2d")}
    present = {name: torch.ones(len(batch), dtype=torch.bool) for name in flat}
    targets = from_batch(replace(batch, targets=flat, present=present), body)
    assert not targets.has_depth.any() and not targets.joint_image[..., 2].any()
    assert targets.joint_seen.any()


def test_a_missing_wrist_leaves_its_hand_out(body: Body) -> None:
    batch = people(body)
    batch.targets[f"keypoints3d.{JOINT_SET}"][:, 12, 3] = 0
    valid = from_batch(batch, body).joint_valid
    assert not valid[:, LEFT_HAND].any() and valid[:, 45:65].all()


def test_a_part_that_is_not_in_the_picture_has_no_box(body: Body) -> None:
    batch = people(body)
    batch.targets[f"keypoints2d.{JOINT_SET}"][:, LEFT_HAND, 2] = 0
    targets = from_batch(batch, body)
    assert targets.boxes_valid.tolist() == [[0, 1, 1]] * 2
    assert (targets.box_sizes[:, 1:] > 0).all()


def boxed(body: Body, group: str | None) -> Batch:
    """-> people of whom the first has a box of the left hand: x 0.5 to 1, y -0.5 to 0.5."""
    batch = people(body)
    box = torch.tensor([[0.5, -0.5, 1.0, 0.5], [0.0] * 4])
    return replace(
        batch,
        targets={**batch.targets, "extra.lhand_box": box},
        present={**batch.present, "extra.lhand_box": torch.tensor([True, False])},
        meta=({"set": group}, {"set": group}) if group else ({}, {}),
    )


def test_annotated_boxes_come_before_the_extent_of_joints(body: Body) -> None:
    targets = from_batch(boxed(body, "UBody"), body)
    assert targets.boxes_valid.tolist() == [[1, 0, 0], [0, 0, 0]]
    assert torch.allclose(targets.box_centres[0, 0], torch.tensor([10.5, 8.0]))
    assert torch.allclose(targets.box_sizes[0, 0], torch.tensor([3.0, 8.0]))
    assert not targets.box_sizes[0, 1:].any() and not targets.box_centres[1].any()


def test_who_comes_from_no_set_of_osx_and_has_no_box_is_given_extents(body: Body) -> None:
    targets = from_batch(boxed(body, None), body)
    assert targets.boxes_valid.tolist() == [[1, 0, 0], [1, 1, 1]]
    plain = from_batch(people(body), body)
    assert torch.equal(targets.box_sizes[1], plain.box_sizes[1])


def test_roots_are_read_for_every_joint() -> None:
    values = torch.arange(137.0)[None, :, None]
    roots = part_roots(values)[0, :, 0]
    assert roots[[0, 24, 30, 50, 100]].tolist() == [0, 0, 12, 13, 7]
    assert torch.equal(values - part_relative(values), part_roots(values))


def test_every_target_of_a_person_has_one_row(body: Body) -> None:
    targets: Targets = from_batch(people(body, 3), body)
    assert all(len(getattr(targets, name)) == 3 for name in Targets.__dataclass_fields__)
