"""Labels that are worked out while a training runs: SPIN's fits that hold, body parts of PARE."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from hps_models.hmr.losses import (
    mmhuman3d_l1_losses,
    mmhuman3d_losses,
    mmhuman3d_mse_losses,
    spin_losses,
)
from hps_models.pare.losses import pare_losses
from hpscli.body.layer import Body, load_body, matrices
from hpscli.data.labels import labels_of
from hpscli.records import Batch, Prediction, Sample
from hpscli.render.raster import rasterize
from hpscli.train.losses.fits import MMHUMAN3D, Rule, checked_fits, fit_error, mmhuman3d_error
from hpscli.train.losses.parts import FOCAL, part_labels, render_parts
from hpscli.train.losses.placing import fit_translation

DEPTH = 1.1 * FOCAL  # people are three quarters of a crop there
SIZE = (56, 56)


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("smpl", source="free")


def projected(targets: Mapping[str, Tensor], body: Body, joints: str) -> Tensor:
    """-> the 2D joints of labelled bodies (B,J,3), each seen."""
    names = ("global_orient", "body_pose", "betas")
    posed = body(matrices({name: targets[f"smpl.{name}"] for name in names}))
    found = body.regress(posed.vertices, joints, joints=posed.joints)
    flat = FOCAL * found[..., :2] / (found[..., 2:] + DEPTH)
    return torch.cat([flat, torch.ones(*flat.shape[:2], 1)], dim=2)


def labelled(body: Body, count: int, joints: str = "smpl24", **changes: Any) -> Batch:
    """-> people who stand in the middle of their crop, with 2D joints of their own bodies."""
    draw = torch.Generator().manual_seed(0)
    upright = torch.tensor([3.1416, 0.0, 0.0]).expand(count, 3)
    targets: dict[str, Tensor] = {
        "smpl.global_orient": upright.clone(),
        "smpl.body_pose": 0.2 * torch.randn(count, 69, generator=draw),
        "smpl.betas": 0.5 * torch.randn(count, 10, generator=draw),
    }
    targets[f"keypoints2d.{joints}"] = projected(targets, body, joints)
    settings: dict[str, Any] = {
        "keys": tuple(map(str, range(count))),
        "image": torch.zeros(count, 3, 224, 224),
        "targets": targets,
        "present": {name: torch.ones(count, dtype=torch.bool) for name in targets},
        "affine": torch.zeros(count, 2, 3),
        "flipped": torch.zeros(count, dtype=torch.bool),
        "meta": tuple({"fitted": True} for _ in range(count)),
    }
    return Batch(**{**settings, **changes})


def moved(batch: Batch, body: Body) -> Tensor:
    names = ("global_orient", "body_pose", "betas")
    vertices: Tensor = body(matrices({n: batch.targets[f"smpl.{n}"] for n in names})).vertices
    return vertices + torch.tensor([0.0, 0.0, DEPTH])


def test_a_body_is_placed_where_its_2d_joints_are(body: Body) -> None:
    joints = torch.randn(3, 24, 3, generator=torch.Generator().manual_seed(1)) * 0.4
    place = torch.tensor([[0.1, -0.2, 60.0], [0.0, 0.3, 90.0], [-0.4, 0.0, 120.0]])
    there = joints + place[:, None]
    points = FOCAL * there[..., :2] / there[..., 2:]
    found = fit_translation(joints, points, torch.ones(3, 24), FOCAL)
    torch.testing.assert_close(found, place, rtol=1e-4, atol=1e-3)


def test_a_fit_on_its_2d_joints_is_kept(body: Body) -> None:
    batch = labelled(body, 3, "smpl49")
    error = fit_error(batch, body)
    assert error is not None
    assert float(error.max()) < 0.1
    checked = checked_fits(batch, body)
    assert bool(checked.present["smpl.body_pose"].all())


def test_a_fit_beside_its_2d_joints_is_no_label(body: Body) -> None:
    batch = labelled(body, 3, "smpl49")
    batch.targets["smpl.body_pose"][1] += 1.5
    checked = checked_fits(batch, body)
    assert checked.present["smpl.body_pose"].tolist() == [True, False, True]
    assert checked.present["smpl.betas"].tolist() == [True, False, True]
    assert bool(checked.present["keypoints2d.smpl49"].all())


def test_measured_parameters_are_never_doubted(body: Body) -> None:
    batch = labelled(body, 2, "smpl49", meta=({"fitted": True}, {}))
    batch.targets["smpl.body_pose"][:] += 1.5
    batch.targets["smpl.betas"][:] = 5.0
    checked = checked_fits(batch, body)
    assert checked.present["smpl.body_pose"].tolist() == [False, True]
    assert checked.targets["smpl.betas"][:, 0].tolist() == [0.0, 5.0]


def at_rest() -> Prediction:
    return Prediction(
        camera=torch.ones(1, 3, requires_grad=True),
        parameters={
            "global_orient": torch.eye(3).expand(1, 1, 3, 3),
            "body_pose": torch.eye(3).expand(1, 23, 3, 3),
            "betas": torch.ones(1, 10),
        },
    )


LOSSES = (spin_losses, mmhuman3d_losses, mmhuman3d_l1_losses, mmhuman3d_mse_losses)


@pytest.mark.parametrize("joints", ["smpl49", "spin49"])  # the same joints under two names
def test_joints_that_spin_leaves_out_of_a_fits_error_do_not_count(joints: str, body: Body) -> None:
    batch = labelled(body, 1, joints)
    batch.targets[f"keypoints2d.{joints}"][:, [1, 9, 12], :2] += 0.5  # OpenPose's neck and hips
    error = fit_error(batch, body)
    assert error is not None and float(error) < 0.1


@pytest.mark.parametrize("losses", LOSSES)
def test_a_bad_fit_teaches_neither_pose_nor_shape(losses: Any, body: Body) -> None:
    batch = labelled(body, 1, "smpl49")
    batch.targets["smpl.global_orient"][0] = torch.tensor([0.0, 0.0, 1.5])  # another way up
    found = losses(at_rest(), batch, body, ["pose", "betas", "vertices"])
    assert {name: float(value.detach()) for name, value in found.items()} == {
        "pose": 0.0,
        "betas": 0.0,
        "vertices": 0.0,
    }
    good = losses(at_rest(), labelled(body, 1, "smpl49"), body, ["pose"])
    assert float(good["pose"].detach()) > 0


@pytest.mark.parametrize("losses", LOSSES)
def test_an_extreme_shape_of_a_fit_teaches_the_mean_shape(losses: Any, body: Body) -> None:
    """Of measured people it is learnt as it is."""
    found = {}
    for fitted in (True, False):
        batch = labelled(body, 1, "smpl49", meta=({"fitted": fitted},))
        batch.targets["smpl.betas"][0, 3] = 3.5
        # joints move with the shape, so that the fit is a good one
        batch.targets["keypoints2d.smpl49"][:] = projected(batch.targets, body, "smpl49")
        found[fitted] = float(losses(at_rest(), batch, body, ["betas"])["betas"].detach())
    assert found[True] == pytest.approx(1.0)
    assert found[False] > 1.2


def test_mmhuman3d_judges_by_its_own_sum() -> None:
    """Its registrant's loss as it stands there: joints over half the crop, squared twice, summed."""
    random = torch.Generator().manual_seed(0)
    points, target = 224 * torch.rand(2, 2, 49, 2, generator=random)
    confidence = torch.rand(2, 49, generator=random)
    normalised = [2 * value / 223 - 1 for value in (points, target)]
    squares = torch.nn.functional.mse_loss(*normalised, reduction="none")
    kept = 100.0**2 * squares**2 / (100.0**2 + squares**2)
    wanted = (kept * confidence[..., None]).sum(dim=-1).sum(dim=-1)
    torch.testing.assert_close(mmhuman3d_error(points - target, confidence), wanted)


def test_a_fit_may_be_bad_for_spin_and_good_for_mmhuman3d(body: Body) -> None:
    batch = labelled(body, 1, "smpl49")
    batch.targets["smpl.body_pose"][0] += 0.5
    kept = {
        name: bool(checked_fits(batch, body, *rule).present["smpl.body_pose"])
        for name, rule in (("spin", ()), ("mmhuman3d", (MMHUMAN3D,)))
    }
    assert kept == {"spin": False, "mmhuman3d": True}
    strict = Rule(mmhuman3d_error, 0.0)
    assert not bool(checked_fits(batch, body, strict).present["smpl.body_pose"])


def test_rendered_parts_lie_where_the_mesh_lies(body: Body) -> None:
    """The outline agrees with the rasteriser of our pictures, but for pixels that are cut by it."""
    batch = labelled(body, 2)
    labels, present = part_labels(batch, body, SIZE)
    assert bool(present.all())
    for row, vertices in enumerate(moved(batch, body)):
        flat = (FOCAL * vertices[:, :2] / vertices[:, 2:] + 1) / 2 * SIZE[0] - 0.5
        screen = torch.cat([flat, vertices[:, 2:]], dim=1).numpy()
        wanted = rasterize(screen, body.faces, *SIZE).mask
        found = (labels[row] > 0).numpy()
        assert (wanted & found).sum() / (wanted | found).sum() > 0.85
        assert (wanted & found).sum() / wanted.sum() > 0.99


def test_the_nearest_part_covers_what_is_behind(body: Body) -> None:
    """Seen from in front the face is the head's, from behind the back is of the spine."""
    batch = labelled(body, 1)
    turned = moved(batch, body)
    behind = turned.clone()
    behind[..., 2] = 2 * DEPTH - behind[..., 2]
    front, back = render_parts(turned, body, SIZE), render_parts(behind, body, SIZE)
    both = (front > 0) & (back > 0)
    assert float((front[both] != back[both]).float().mean()) > 0.02
    assert set(front.flatten().tolist()) <= set(range(25))
    assert len(set(front.flatten().tolist())) > 15


@pytest.mark.parametrize("joints", ["smpl49", "spin49"])
def test_annotated_joints_say_where_parts_are(joints: str, body: Body) -> None:
    """Where OpenPose's joints lie matters only for those who have no others."""
    batch = labelled(body, 2, joints)
    wanted, _ = part_labels(batch, body, SIZE)
    points = batch.targets[f"keypoints2d.{joints}"]
    points[0, :25, 0] += 0.3
    points[1, 25:, 2] = 0
    found, present = part_labels(batch, body, SIZE)
    assert present.tolist() == [True, True]
    assert torch.equal(found[0], wanted[0])
    assert float((found[1] != wanted[1]).float().mean()) < 0.01


def test_people_without_a_body_have_no_parts(body: Body) -> None:
    batch = labelled(body, 2)
    batch.present["smpl.betas"][1] = False
    labels, present = part_labels(batch, body, SIZE)
    assert present.tolist() == [True, False]
    assert set(labels[1].flatten().tolist()) == {-1}


def test_parts_teach_pare_without_any_stored_label(body: Body) -> None:
    batch = labelled(body, 2)
    labels, _ = part_labels(batch, body, SIZE)
    sure = 20.0 * torch.nn.functional.one_hot(labels, 25).permute(0, 3, 1, 2).float()
    flat = torch.zeros(2, 25, *SIZE, requires_grad=True)

    def loss(logits: Tensor) -> float:
        prediction = Prediction(camera=torch.zeros(2, 3), extras={"part_logits": logits})
        return float(pare_losses(prediction, batch, body, ["parts"])["parts"].detach())

    assert loss(sure) < 1e-3
    assert loss(flat) == pytest.approx(torch.log(torch.tensor(25.0)).item(), rel=1e-4)


def test_labels_of_samples_have_no_fit_unless_they_say_so(body: Body) -> None:
    sample = Sample(key="a", image=b"", arrays={}, meta={})
    targets, _ = labels_of([sample], "smpl24")
    batch = labelled(body, 1, targets=targets, present={}, meta=({},))
    assert checked_fits(batch, body) is batch
