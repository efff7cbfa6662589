"""Official losses and gradients of HMR, SPIN, PARE and HMR2.0, arrived at by the real loop."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hps_models.hmr import goldens as hmr
from hps_models.hmr.discriminator import Discriminator
from hps_models.hmr.losses import MMHUMAN3D_WEIGHTS, SPIN_FACTOR, SPIN_WEIGHTS
from hps_models.hmr2 import goldens as hmr2
from hps_models.pare import goldens as pare
from hpscli.body.joints import convert
from hpscli.body.kit import body_kit
from hpscli.body.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from hpscli.data.motion.real_poses import RealPoses
from hpscli.nn.options import adapted, complete_options
from hpscli.recipe import load_recipe
from hpscli.records import Batch, Prediction
from hpscli.registry import get_registry
from hpscli.testing.goldens import (
    ReplayOptions,
    fill_manifest,
    locate,
    read_golden,
    read_manifest,
)
from hpscli.train.learning.adversary import Contest
from hpscli.train.loop import optimise
from tests.train.golden_steps.golden_job import SGD, STOP, Stated, golden_job

OPTIONS = ReplayOptions()
LOSS = 1e-5  # relative


def stepped(golden: Mapping[str, Any], prefix: str, rotations: str, module: Stated) -> None:
    """The parameters moved against the golden's gradients, by a rate of 1."""
    now = module.now()
    turned = now.parameters
    found = {
        "rotmat": torch.cat([turned["global_orient"][:, None], turned["body_pose"]], dim=1),
        "betas": turned["betas"],
        "cam": now.camera,
    }
    for name, after in found.items():
        wanted = golden[f"{prefix}grad_{rotations if name == 'rotmat' else name}"]
        before = golden[f"pred_{name}"]
        limit = 1e-4 * np.abs(wanted).max() + 2e-7 * np.abs(before).max()
        np.testing.assert_allclose(torch.from_numpy(before) - after, wanted, rtol=0, atol=limit)


def hmr_spec(losses: str) -> Any:
    spec = get_registry().model("hmr")
    return adapted(spec, complete_options(spec, "", {"losses": losses}))


@pytest.mark.parametrize(
    ("losses", "family"),
    [("mmhuman3d", "default"), ("mmhuman3d-l1", "l1"), ("mmhuman3d-mse", "mse")],
)
def test_a_step_on_mmhuman3ds_losses_is_theirs(
    reference: Path, tmp_path: Path, losses: str, family: str
) -> None:
    golden = read_golden(reference / "hmr", "goldens/loss_hmr_mmhuman3d.npz")
    parameters = hmr.parameters_of(golden, "gt_pose_axis_angle", "gt_betas", "has_smpl")
    targets = {
        "keypoints2d.smpl54": (hmr.in_crop_units(golden["gt_keypoints2d"]), ""),
        "keypoints3d.smpl54": (golden["gt_keypoints3d"], ""),
        **parameters,
    }
    batch = hmr.batch_of(golden, targets, joints_flagged=False)
    module, body = Stated(hmr.prediction_of(golden)[0]), hmr.surrogate(OPTIONS)
    with golden_job(module, hmr_spec(losses), body, MMHUMAN3D_WEIGHTS, SGD, tmp_path) as job:
        optimise(job, iter([batch]), STOP)
    prefix = f"{family}_noflag_"
    total = float(golden[f"{prefix}total_without_adv"])
    assert job.meter.sums["loss"] == pytest.approx(total, rel=LOSS)
    for ours, theirs in hmr.MM_TERMS.items():
        found = job.meter.sums[ours] * MMHUMAN3D_WEIGHTS[ours]
        assert found == pytest.approx(float(golden[prefix + theirs]), rel=LOSS)
    stepped(golden, prefix, "pose", module)


class GivenPoses(Contest):
    """A contest whose captured bodies are those of the golden, one after the other."""

    def draw(
        self, people: int, step: int, micro: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        pose = torch.from_numpy(self.poses.body_pose).reshape(-1, 23, 3)
        return axis_angle_to_matrix(pose), torch.from_numpy(self.poses.betas)


def test_the_adversarys_losses_in_the_loop_are_mmhuman3ds(reference: Path, tmp_path: Path) -> None:
    golden = read_golden(reference / "hmr", "goldens/loss_hmr_mmhuman3d.npz")
    entries = read_manifest(locate(reference / "hmr", "keys/mmhuman3d_hmr_resnet50.json"))
    entries = {key: entry for key, entry in entries.items() if key.startswith("disc.")}
    critic = Discriminator()
    critic.load_state_dict(
        {key.removeprefix("disc."): value for key, value in fill_manifest(entries).items()}
    )
    real = np.asarray(golden["adv_real_body_pose"], np.float32).reshape(-1, 69)
    played = GivenPoses(
        critic,
        torch.optim.SGD(critic.parameters(), lr=0.0),  # it stays what the golden was made with
        RealPoses(real, np.asarray(golden["adv_real_betas"], np.float32)),
        weight=1.0,
        seed=0,
    )
    parameters = hmr.parameters_of(golden, "gt_pose_axis_angle", "gt_betas", "has_smpl")
    batch, module = hmr.batch_of(golden, parameters), Stated(hmr.prediction_of(golden)[0])
    body, spec = hmr.surrogate(OPTIONS), hmr_spec("mmhuman3d")
    with golden_job(module, spec, body, {"pose": 3.0}, SGD, tmp_path, played) as job:
        optimise(job, iter([batch]), STOP)
    for ours, theirs in (
        ("adversary", "adv_gen_loss"),
        ("disc_real", "adv_disc_real"),
        ("disc_fake", "adv_disc_fake"),
    ):
        assert job.meter.sums[ours] == pytest.approx(float(golden[theirs]), rel=LOSS)


def test_a_step_on_spins_losses_is_theirs(reference: Path, tmp_path: Path) -> None:
    golden = read_golden(reference / "hmr", "goldens/loss_spin.npz")
    targets = {
        "keypoints2d.smpl49": (golden["gt_keypoints2d_norm49"], ""),
        "keypoints3d.spin_gt24": (golden["gt_joints3d_24"], "has_pose_3d"),
        **hmr.parameters_of(golden, "target_pose_axis_angle", "target_betas", "valid_fit"),
    }
    batch = hmr.batch_of(golden, targets)
    module, body = Stated(hmr.prediction_of(golden)[0]), hmr.surrogate(OPTIONS)
    weights = {name: SPIN_FACTOR * weight for name, weight in SPIN_WEIGHTS.items()}
    with golden_job(module, hmr_spec("spin"), body, weights, SGD, tmp_path) as job:
        optimise(job, iter([batch]), STOP)
    assert job.meter.sums["loss"] == pytest.approx(float(golden["total"]), rel=LOSS)
    stepped(golden, "", "rotmat", module)


@pytest.mark.parametrize("name", ["hmr/spin_official", "mp2022", "pare/mixed"])
def test_spins_losses_are_theirs_in_the_joints_and_weights_of_a_recipe(
    reference: Path, tmp_path: Path, name: str
) -> None:
    """Labels come in SPIN's own sets and are gathered into the recipe's, as a batch has them."""
    golden, recipe = read_golden(reference / "hmr", "goldens/loss_spin.npz"), load_recipe(name)
    joints = recipe.data.joints
    flat, _ = convert(golden["gt_keypoints2d_norm49"], "smpl49", joints)
    solid, _ = convert(golden["gt_joints3d_24"], "spin_gt24", joints)
    targets = {
        f"keypoints2d.{joints}": (flat, ""),
        f"keypoints3d.{joints}": (solid, "has_pose_3d"),
        **hmr.parameters_of(golden, "target_pose_axis_angle", "target_betas", "valid_fit"),
    }
    spec = get_registry().model(recipe.model.name)
    spec = adapted(spec, complete_options(spec, recipe.model.preset, recipe.model.options))
    module, body = Stated(hmr.prediction_of(golden)[0]), hmr.surrogate(OPTIONS)
    batch = hmr.batch_of(golden, targets)
    with golden_job(module, spec, body, recipe.loss, SGD, tmp_path) as job:
        optimise(job, iter([batch]), STOP)
    assert job.meter.sums["loss"] == pytest.approx(float(golden["total"]), rel=LOSS)
    stepped(golden, "", "rotmat", module)


def test_pares_losses_in_the_loop_with_its_recipes_weights_are_theirs(
    reference: Path, tmp_path: Path
) -> None:
    folder = reference / "hmr"
    golden = read_golden(folder, "goldens/loss_pare.npz")
    prediction, batch = pare.scene(read_golden(folder, "goldens/loss_spin.npz"), golden)
    body = body_kit("smpl", given=pare.surrogate(OPTIONS)).body()
    module, spec = Stated(prediction), get_registry().model("pare")
    weights = load_recipe("pare/mixed").loss
    with golden_job(module, spec, body, weights, SGD, tmp_path) as job:
        optimise(job, iter([batch]), STOP)
    assert job.meter.sums["loss"] == pytest.approx(float(golden["total_loss"]), rel=LOSS)
    for ours, (theirs, _) in pare.WEIGHTS.items():
        found = job.meter.sums.get(ours, 0.0) * weights[ours]  # what weighs 0 is not computed
        assert found == pytest.approx(pare.TOTAL * float(golden[theirs]), rel=LOSS), ours


def hmr2_scene(golden: Mapping[str, Any]) -> tuple[Prediction, Batch]:
    """-> what the network said, and the labels, in our records.

    The golden's points in 2D are no projection of those in 3D: they are stated as a second set of
    joints, larger by joints that nobody labelled, which the camera sees where the golden has them.
    """
    tensor = {name: torch.from_numpy(value) for name, value in golden.items() if value.ndim}
    solid, flat, turned = (tensor[f"pred_{n}"] for n in ("keypoints3d", "keypoints2d", "rotmat"))
    people, joints = flat.shape[:2]
    seen = torch.zeros(people, 49, 3)
    seen[:, :joints, :2] = 2 * flat  # at depth 0 a scale of 1 sees crops that are 2 m wide
    labels = torch.zeros(people, 49, 3)
    labels[:, :joints] = tensor["gt_keypoints2d"] * torch.tensor([2.0, 2.0, 1.0])
    vectors = matrix_to_axis_angle(tensor["gt_rotmat"]).reshape(people, -1)
    targets = {
        "keypoints2d.smpl49": (labels, ""),
        "keypoints3d.hmr2_44": (tensor["gt_keypoints3d"], ""),
        "smpl.global_orient": (vectors[:, :3], "has_param"),
        "smpl.body_pose": (vectors[:, 3:], "has_param"),
        "smpl.betas": (tensor["gt_betas"], "has_param"),
    }
    prediction = Prediction(
        camera=torch.tensor([[1.0, 0.0, 0.0]]).repeat(people, 1),
        joints={"hmr2_44": solid, "smpl49": seen},
        parameters={
            "global_orient": turned[:, 0],
            "body_pose": turned[:, 1:],
            "betas": tensor["pred_betas"],
        },
    )
    everybody = torch.ones(people)
    return prediction, Batch(
        keys=tuple(str(row) for row in range(people)),
        image=torch.zeros(people, 3, hmr2.CROP_PX, hmr2.CROP_PX),
        targets={name: value for name, (value, _) in targets.items()},
        present={n: tensor.get(flag, everybody) > 0 for n, (_, flag) in targets.items()},
        affine=torch.zeros(people, 2, 3),
        flipped=torch.zeros(people, dtype=torch.bool),
    )


def part(batch: Batch, rows: slice) -> Batch:
    cut = batch.each_tensor(lambda tensor: tensor[rows])
    return replace(cut, keys=batch.keys[rows])


def again(batch: Batch, times: int) -> Batch:
    """-> the same people one after the other, `times` times."""
    more = batch.each_tensor(lambda tensor: torch.cat([tensor] * times))
    return replace(more, keys=batch.keys * times)


@pytest.mark.parametrize(
    ("name", "people"), [("hmr2/published", 48), ("hmr2/budget", 48), ("hmr2/published", 96)]
)
def test_hmr2s_sums_in_the_loop_with_its_recipes_weights_are_theirs(
    reference: Path, tmp_path: Path, name: str, people: int
) -> None:
    """The golden's four people are repeated to the official 48; parts of them and more weigh the same."""
    golden = read_golden(reference / "hmr", "goldens/loss_hmr2.npz")
    prediction, four = hmr2_scene(golden)
    times, batch = 48 // len(four), again(four, people // len(four))
    body = body_kit("smpl", given=hmr2.surrogate(OPTIONS)).body()
    recipe, module = load_recipe(name), Stated(prediction)
    parts, spec = recipe.optim.accumulate, get_registry().model("hmr2")
    size = len(batch) // parts
    cut = (part(batch, slice(start, start + size)) for start in range(0, len(batch), size))
    optim = {**SGD, "accumulate": parts}
    with golden_job(module, spec, body, recipe.loss, optim, tmp_path) as job:
        optimise(job, cut, STOP)
    total = float(golden["total_without_adv"])
    assert job.meter.sums["loss"] == pytest.approx(times * total, rel=LOSS)
    for theirs, weight in hmr2.LOSS_WEIGHTS.items():
        ours = {"loss_keypoints_2d": "keypoints2d", "loss_keypoints_3d": "keypoints3d"}.get(
            theirs, theirs.removeprefix("loss_")
        )
        found = job.meter.sums[ours] * recipe.loss[ours]
        assert found == pytest.approx(times * weight * float(golden[theirs]), rel=LOSS), ours
