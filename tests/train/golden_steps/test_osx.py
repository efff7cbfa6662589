"""Official steps of OSX, with the weights of its recipes, arrived at by the real loop."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hps_models.osx.goldens import training as osx
from hps_models.osx.goldens.bodies import surrogate_smplx
from hps_models.osx.goldens.networks import official_model, random_images
from hps_models.osx.losses import osx_terms
from hps_models.osx.targets import Targets
from hpscli.body.layer import Body
from hpscli.recipe import load_recipe
from hpscli.records import Batch, Prediction
from hpscli.testing.goldens import ReplayOptions, read_golden
from hpscli.train.loop import optimise
from tests.train.golden_steps.golden_job import SGD, STOP, golden_job

OPTIONS = ReplayOptions()
RECIPES = {"normal": "osx/setting1_b", "wo_decoder_agora": "osx/setting2_b"}
CAMERA_ONLY = "joint_proj_camera"  # our name of the projection where it teaches nothing else
GIVEN: list[Targets] = []  # of the golden, whose labels are no batch


def given_osx_losses(
    prediction: Prediction, batch: Batch, body: Body, names: list[str]
) -> dict[str, Tensor]:
    """OSX's losses on targets in its own frames."""
    return osx_terms(prediction, GIVEN[0], body, names)


@pytest.mark.slow
@pytest.mark.parametrize("variant", RECIPES)
def test_a_step_of_osx_is_theirs(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    folder = reference / "osx"
    stored = read_golden(folder, "goldens/loss.npz")
    prefix = f"{variant}/"
    golden = {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}
    xor, seed = int(stored.get("key_xor", 0)), int(stored.get("image_seed", 0))
    model = official_model(folder, osx.VARIANTS[variant][0], xor, surrogate_smplx(OPTIONS))
    network = model.module.train()
    for child in network.children():
        child.eval()
    weights = {n: weight for n, weight in load_recipe(RECIPES[variant]).loss.items() if weight > 0}
    monkeypatch.setitem(globals(), "GIVEN", [osx.read_targets(golden)])
    spec = replace(model.spec, losses=f"{__name__}:given_osx_losses")
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    batch = pictures(random_images(seed, len(golden["in/smplx_pose"])))
    with golden_job(network, spec, model.body, weights, SGD, tmp_path) as job:
        optimise(job, iter([batch]), STOP)
    assert job.meter.sums["loss"] == pytest.approx(float(golden["total"]), rel=osx.LOSS)
    named = {name: "joint_proj" if name == CAMERA_ONLY else name for name in weights}
    told = {key for key in golden if key.startswith("loss_mean/")}
    assert {f"loss_mean/{theirs}" for theirs in named.values()} == told
    for name, theirs in named.items():
        wanted = float(golden[f"loss_mean/{theirs}"])
        assert job.meter.sums[name] * weights[name] == pytest.approx(wanted, rel=osx.LOSS), name
    parts: dict[str, float] = {}
    for name, value in network.named_parameters():
        theirs, change = osx.their_gradient(name, before[name] - value.detach())
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
