"""OSX's losses: frames of the targets, masks, gradients, and that training lowers them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hps_models.osx.geometry import FACE, JOINT_SET, LEFT_HAND, RIGHT_HAND
from hps_models.osx.losses import TERMS, masked, osx_losses
from hps_models.osx.mesh import part_relative
from hps_models.osx.targets import Targets, depth_cells, from_batch, part_roots
from hpscli.body.joints import conversion_index
from hpscli.body.layer import COEFFICIENTS, PARAMETERS, Body, load_body, matrices
from hpscli.data.augmentations.changes import unchanged
from hpscli.data.batch import make_batch
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model
from hpscli.records import Batch
from tests.data.people import person

ASIDE = [81, 114]  # points of nose and lip that the free body has beside its plane of symmetry
EVERYTHING = [name for name in TERMS if name != "joint_proj_camera"]


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("smplx", source="free")


def people(body: Body, count: int = 2) -> Batch:
    """-> people whose pose, joints and their pictures fit together, seen by one camera."""
    random = torch.Generator().manual_seed(5)
    targets: dict[str, Tensor] = {}
    for name, rotations in PARAMETERS["smplx"].items():
        targets[f"smplx.{name}"] = 0.2 * torch.randn(count, 3 * rotations, generator=random)
    for name, size in COEFFICIENTS["smplx"].items():
        targets[f"smplx.{name}"] = 0.3 * torch.randn(count, size, generator=random)
    turned = matrices({k.removeprefix("smplx."): v for k, v in targets.items()})
    vertices, joints = body(turned)
    package = body.regress(vertices, "smplx144", joints=joints, parameters=turned)
    points = package[:, conversion_index("smplx144", JOINT_SET).tolist()]
    place = torch.tensor([[0.05, 0.3, 30.0]] * count)
    targets["smplx.transl"] = place
    targets["untouched.smplx.transl"] = place
    lens = torch.tensor([[10000.0, 0.0, 192.0], [0.0, 10000.0, 256.0], [0.0, 0.0, 1.0]])
    targets["camera.crop_intrinsics"] = lens.expand(count, 3, 3).clone()
    placed = points + place[:, None]
    pixels = (placed @ lens.T)[..., :2] / placed[..., 2:]
    sure = torch.ones(count, 137, 1)
    units = pixels / torch.tensor([192.0, 256.0]) - 1
    targets[f"keypoints2d.{JOINT_SET}"] = torch.cat([units, sure], dim=2)
    targets[f"keypoints3d.{JOINT_SET}"] = torch.cat([placed, sure], dim=2)
    return Batch(
        keys=tuple(f"person-{i}" for i in range(count)),
        image=torch.rand(count, 3, 512, 384, generator=random),
        targets=targets,
        present={name: torch.ones(count, dtype=torch.bool) for name in targets},
        affine=torch.eye(2, 3).expand(count, 2, 3),
        flipped=torch.zeros(count, dtype=torch.bool),
    )


def tiny(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return build_model("osx", preset="tiny", options=options, body_source="free")[0].train()


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


def test_what_is_not_labelled_weighs_nothing(body: Body) -> None:
    batch = people(body)
    bare = replace(batch, targets={}, present={})
    losses = osx_losses(tiny()(batch.image), bare, body, EVERYTHING)
    assert all(float(loss.detach()) == 0 for loss in losses.values())
    sum(losses.values()).backward()  # type: ignore[union-attr]


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


def test_means_are_over_all_elements() -> None:
    predicted, target = torch.ones(2, 4), torch.zeros(2, 4)
    valid = torch.tensor([[1.0], [0.0]])
    assert masked(predicted, target, valid).mean() == 0.5


def test_roots_are_read_for_every_joint() -> None:
    values = torch.arange(137.0)[None, :, None]
    roots = part_roots(values)[0, :, 0]
    assert roots[[0, 24, 30, 50, 100]].tolist() == [0, 0, 12, 13, 7]
    assert torch.equal(values - part_relative(values), part_roots(values))


def test_the_camera_alone_learns_from_projections_that_say_so(body: Body) -> None:
    batch, module = people(body), tiny()
    osx_losses(module(batch.image), batch, body, ["joint_proj_camera"])[
        "joint_proj_camera"
    ].backward()
    numbers = module.get_submodule("body_regressor")
    assert numbers.get_parameter("camera.weight").grad is not None
    assert numbers.get_parameter("body.weight").grad is None


def test_standard_losses_may_be_mixed_in(body: Body) -> None:
    batch = people(body)
    losses = osx_losses(tiny()(batch.image), batch, body, ["betas", "smplx_expr"])
    assert set(losses) == {"betas", "smplx_expr"}


def test_unknown_losses_and_those_of_absent_parts_are_refused(body: Body) -> None:
    batch = people(body)
    with pytest.raises(UsageError, match="joint_image"):
        osx_losses(tiny()(batch.image), batch, body, ["joint_image"])
    with pytest.raises(UsageError, match="no face decoder"):
        osx_losses(tiny(decoder="hand")(batch.image), batch, body, ["joint_img_face"])


@pytest.mark.parametrize(
    "decoder",
    ["both", "none"],
)
def test_training_steps_lower_the_losses(body: Body, decoder: str) -> None:
    names = [name for name in EVERYTHING if decoder == "both" or name != "joint_img_face"]
    batch = people(body)
    torch.manual_seed(0)
    options = {"decoder": decoder, "drop_path": 0.0}
    module, _, _ = build_model("osx", preset="tiny", options=options, body_source="free")
    optimizer = torch.optim.Adam(module.train().parameters(), lr=3e-3)
    totals, metres = [], []
    for _ in range(10):
        losses = osx_losses(module(batch.image), batch, body, names)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
        metres.append(float(losses["joint_cam"].detach()))
    assert min(totals[-2:]) < 0.95 * totals[0]
    assert min(metres[-2:]) < 0.9 * metres[0]


def test_every_target_of_a_person_has_one_row(body: Body) -> None:
    targets: Targets = from_batch(people(body, 3), body)
    assert all(len(getattr(targets, name)) == 3 for name in Targets.__dataclass_fields__)
