"""Official losses, gradients and steps, arrived at by the loop that `hps train` runs."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hps_models.fastmetro import goldens_training as fastmetro
from hps_models.fastmetro.goldens import image as fastmetro_image
from hps_models.fastmetro.goldens import surrogate as fastmetro_surrogate
from hps_models.fastmetro.goldens_losses import CLIP, DECAY, RATE, WEIGHTINGS
from hps_models.goldens_metro_graphormer import training as metro
from hps_models.goldens_metro_graphormer.losses import given
from hps_models.goldens_metro_graphormer.networks import filled_model, pictures_a
from hps_models.hmr import goldens as hmr
from hps_models.hmr.discriminator import Discriminator
from hps_models.hmr.losses import MMHUMAN3D_WEIGHTS, SPIN_FACTOR, SPIN_WEIGHTS
from hps_models.osx.goldens import training as osx
from hps_models.osx.goldens.bodies import surrogate_smplx
from hps_models.osx.goldens.networks import official_model, random_images
from hps_models.osx.losses import osx_terms
from hps_models.osx.targets import Targets
from hpscli.body.layer import Body
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.real_poses import RealPoses
from hpscli.nn.checkpoints import load_model
from hpscli.nn.mesh.weightings import FASTMETRO, METRO
from hpscli.nn.options import adapted, complete_options
from hpscli.records import Batch, Prediction
from hpscli.registry import get_registry, resolve
from hpscli.testing.goldens import ReplayOptions, fill_manifest, locate, read_golden, read_manifest
from hpscli.testing.mesh_goldens import in_training_format, label_batch
from hpscli.train.learning.adversary import Contest
from hpscli.train.loop import optimise
from tests.train.golden_job import NeverStop, golden_job

OPTIONS = ReplayOptions()
SGD = {"name": "sgd", "lr": 1.0, "momentum": 0.0}  # a step is the gradient itself
STOP: Any = NeverStop()


class Stated(nn.Module):
    """A network whose prediction is its parameters: rotations (B,24,3,3), shape, camera."""

    def __init__(self, golden: Mapping[str, Any]) -> None:
        super().__init__()
        self.pose, self.betas, self.cam = (
            nn.Parameter(torch.from_numpy(golden[name]).clone())
            for name in ("pred_rotmat", "pred_betas", "pred_cam")
        )

    def forward(self, image: Tensor) -> Prediction:
        return Prediction(
            camera=self.cam,
            parameters={
                "global_orient": self.pose[:, 0],
                "body_pose": self.pose[:, 1:],
                "betas": self.betas,
            },
        )


def stepped(
    golden: Mapping[str, Any], names: Mapping[str, str], prefix: str, module: Stated
) -> None:
    """The parameters moved against the golden's gradients, by a rate of 1."""
    for ours, theirs in names.items():
        wanted = golden[f"{prefix}grad_{theirs}"]
        before = golden[{"pose": "pred_rotmat", "betas": "pred_betas", "cam": "pred_cam"}[ours]]
        found = torch.from_numpy(before) - getattr(module, ours).detach()
        limit = 1e-4 * np.abs(wanted).max() + 2e-7 * np.abs(before).max()
        np.testing.assert_allclose(found, wanted, rtol=0, atol=limit)


def hmr_spec(losses: str) -> Any:
    spec = get_registry().model("hmr")
    return adapted(spec, complete_options(spec, "", {"losses": losses}))


def test_a_step_on_mmhuman3ds_losses_is_theirs(reference: Path, tmp_path: Path) -> None:
    golden = read_golden(reference / "hmr", "goldens/loss_hmr_mmhuman3d.npz")
    parameters = hmr.parameters_of(golden, "gt_pose_axis_angle", "gt_betas", "has_smpl")
    targets = {
        "keypoints2d.smpl54": (hmr.in_crop_units(golden["gt_keypoints2d"]), ""),
        "keypoints3d.smpl54": (golden["gt_keypoints3d"], ""),
        **parameters,
    }
    batch = hmr.batch_of(golden, targets, joints_flagged=False)
    module, body = Stated(golden), hmr.surrogate(OPTIONS)
    spec = hmr_spec("mmhuman3d")
    with golden_job(module, spec, body, MMHUMAN3D_WEIGHTS, SGD, tmp_path) as job:
        optimise(job, iter([batch]), STOP)
    prefix = "default_noflag_"
    assert job.meter.sums["loss"] == pytest.approx(
        float(golden[f"{prefix}total_without_adv"]), rel=1e-5
    )
    for ours, theirs in hmr.MM_TERMS.items():
        found = job.meter.sums[ours] * MMHUMAN3D_WEIGHTS[ours]
        assert found == pytest.approx(float(golden[prefix + theirs]), rel=1e-5)
    stepped(golden, {"pose": "pose", "betas": "betas", "cam": "cam"}, prefix, module)


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
    batch, module = hmr.batch_of(golden, parameters), Stated(golden)
    body, spec = hmr.surrogate(OPTIONS), hmr_spec("mmhuman3d")
    with golden_job(module, spec, body, {"pose": 3.0}, SGD, tmp_path, played) as job:
        optimise(job, iter([batch]), STOP)
    for ours, theirs in (
        ("adversary", "adv_gen_loss"),
        ("disc_real", "adv_disc_real"),
        ("disc_fake", "adv_disc_fake"),
    ):
        assert job.meter.sums[ours] == pytest.approx(float(golden[theirs]), rel=1e-5)


def test_a_step_on_spins_losses_is_theirs(reference: Path, tmp_path: Path) -> None:
    golden = read_golden(reference / "hmr", "goldens/loss_spin.npz")
    targets = {
        "keypoints2d.smpl49": (golden["gt_keypoints2d_norm49"], ""),
        "keypoints3d.spin_gt24": (golden["gt_joints3d_24"], "has_pose_3d"),
        **hmr.parameters_of(golden, "target_pose_axis_angle", "target_betas", "valid_fit"),
    }
    batch = hmr.batch_of(golden, targets)
    module, body = Stated(golden), hmr.surrogate(OPTIONS)
    weights = {name: SPIN_FACTOR * weight for name, weight in SPIN_WEIGHTS.items()}
    with golden_job(module, hmr_spec("spin"), body, weights, SGD, tmp_path) as job:
        optimise(job, iter([batch]), STOP)
    assert job.meter.sums["loss"] == pytest.approx(float(golden["total"]), rel=1e-5)
    stepped(golden, {"pose": "rotmat", "betas": "betas", "cam": "cam"}, "", module)


@pytest.mark.slow
def test_two_steps_of_fastmetro_are_theirs(reference: Path, tmp_path: Path) -> None:
    folder, run = reference / "fastmetro", "nonparam"
    golden = read_golden(folder, "goldens/train_step_S-R50.npz")
    kit = fastmetro_surrogate("smpl", folder, OPTIONS)
    images = torch.from_numpy(fastmetro_image("blocks", fastmetro.PEOPLE, OPTIONS))
    batch = label_batch(fastmetro.drawn_labels(fastmetro.LABEL_SEED), kit, images)
    entries = read_manifest(locate(folder, "keys/FastMETRO-S-R50-body.json"))
    model = load_model(fill_manifest(entries), body=kit)
    in_training_format(model.module)
    rows = resolve(model.spec.layouts[0].rows)(model.options)
    ours = {row.theirs: row.ours for row in rows if row.ours}
    before = {name: value.detach().clone() for name, value in model.module.named_parameters()}
    optim = {"name": "adamw", "lr": RATE, "weight_decay": DECAY, "clip_norm": CLIP}
    weights = FASTMETRO[WEIGHTINGS[run]]
    with golden_job(model.module, model.spec, kit, weights, optim, tmp_path) as job:
        for step in range(fastmetro.STEPS):
            job.meter = type(job.meter)()
            optimise(job, iter([batch]), STOP)
            wanted = float(golden[f"{run}__total_step{step}"])
            assert job.meter.sums["loss"] == pytest.approx(wanted, rel=fastmetro.STEP)
    start = f"{run}__delta_after_2_steps__"
    keys = [key for key in golden if key.startswith(start) and key.endswith("__L2")]
    assert keys
    for key in keys:
        name = ours[key.removeprefix(start).rsplit("__", 1)[0]]
        change = model.module.get_parameter(name).detach() - before[name]
        norm = float(torch.linalg.vector_norm(change.double()))
        assert norm == pytest.approx(float(golden[key]), rel=fastmetro.CHANGE), key


class Masked(nn.Module):
    """A mesh network with the hidden tokens of the golden, which a training draws itself."""

    def __init__(self, network: nn.Module, masks: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.network, self.masks = network, masks

    def forward(self, image: Tensor) -> Prediction:
        found: Prediction = self.network(image, *self.masks)
        return found


@pytest.mark.slow
def test_a_step_of_metro_is_theirs(reference: Path, tmp_path: Path) -> None:
    method, target = "metro", "hand"
    folder = reference / "metro_graphormer"
    stored = read_golden(folder, "goldens/train_step_dropout0.npz")
    prefix = f"{method}_{target}"
    inputs = given(read_golden(folder, "goldens/losses_end_to_end.npz"), target)
    golden: dict[str, Any] = {**inputs, **metro._of(stored, prefix)}
    backbone = "resnet50" if any(":backbone.0." in key for key in golden) else "hrnet_w64"
    model = filled_model(folder, f"{method}-{target}-{backbone}", OPTIONS)
    network = metro.without_dropout(in_training_format(model.module)).train()
    images = pictures_a(len(golden["pose"]), OPTIONS)
    masks = tuple(torch.from_numpy(golden[name]) for name in ("mjm_mask", "mvm_mask"))
    assert model.kit is not None
    batch, weights = label_batch(golden, model.kit, images), METRO[target]
    optim = {"name": "adam", "lr": metro.RATE}
    module = Masked(network, masks)
    with golden_job(module, model.spec, model.kit, weights, optim, tmp_path) as job:
        optimise(job, iter([batch]), STOP)
    assert job.meter.sums["loss"] == pytest.approx(float(golden["total"]), rel=metro.RELATIVE)
    checked = 0
    for key, name in metro._theirs(golden, "after_adam_step:", model):
        slope = golden[f"grad:{key.partition(':')[2]}"]
        clear = np.abs(slope) > metro.GRADIENT * np.abs(slope).max()
        moved = network.get_parameter(name).detach().numpy()
        np.testing.assert_allclose(moved[clear], golden[key][clear], rtol=0, atol=metro.STEP)
        checked += 1
    assert checked


GIVEN: list[Targets] = []  # of OSX's golden, whose labels are no batch


def given_osx_losses(
    prediction: Prediction, batch: Batch, body: Body, names: list[str]
) -> dict[str, Tensor]:
    """OSX's losses on targets in its own frames."""
    return osx_terms(prediction, GIVEN[0], body, names)


@pytest.mark.slow
def test_a_step_of_osx_is_theirs(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, variant = reference / "osx", "normal"
    stored = read_golden(folder, "goldens/loss.npz")
    golden = {k.removeprefix(f"{variant}/"): v for k, v in stored.items() if k.startswith(variant)}
    manifest, weighted, weight = osx.VARIANTS[variant]
    xor, seed = int(stored.get("key_xor", 0)), int(stored.get("image_seed", 0))
    model = official_model(folder, manifest, xor, surrogate_smplx(OPTIONS))
    network = model.module.train()
    for child in network.children():
        child.eval()
    names = [key.removeprefix("loss_mean/") for key in golden if key.startswith("loss_mean/")]
    weights = {name: weight if name in weighted else 1.0 for name in names}
    monkeypatch.setitem(globals(), "GIVEN", [osx.read_targets(golden)])
    spec = replace(model.spec, losses=f"{__name__}:given_osx_losses")
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    batch = pictures(random_images(seed, len(golden["in/smplx_pose"])))
    with golden_job(network, spec, model.body, weights, SGD, tmp_path) as job:
        optimise(job, iter([batch]), STOP)
    assert job.meter.sums["loss"] == pytest.approx(float(golden["total"]), rel=osx.LOSS)
    parts: dict[str, float] = {}
    for name, value in network.named_parameters():
        theirs, change = osx._their_gradient(name, before[name] - value.detach())
        part = theirs.split(".")[0]
        parts[part] = parts.get(part, 0.0) + float(change.double().square().sum())
    checked = [part for part in parts if f"grad_l2/{part}" in golden]
    assert checked
    for part in checked:
        wanted = float(golden[f"grad_l2/{part}"])
        assert parts[part] ** 0.5 == pytest.approx(wanted, rel=osx.GRADIENT), part


def pictures(images: Tensor) -> Batch:
    count = len(images)
    return Batch(
        keys=tuple(str(row) for row in range(count)),
        image=images,
        targets={},
        present={},
        affine=torch.zeros(count, 2, 3),
        flipped=torch.zeros(count, dtype=torch.bool),
    )


@pytest.fixture(autouse=True)
def gradients_on() -> Iterator[None]:
    with torch.inference_mode(False), torch.enable_grad():
        yield
