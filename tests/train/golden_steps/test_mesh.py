"""Official steps of FastMETRO, METRO and Mesh Graphormer, arrived at by the real loop."""

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
from hps_models.goldens_metro_graphormer.losses import check_terms, given
from hps_models.goldens_metro_graphormer.networks import filled_model, pictures_a
from hpscli.nn.checkpoints import load_model
from hpscli.nn.mesh.space import mesh_space
from hpscli.nn.mesh.weightings import FASTMETRO, METRO
from hpscli.records import Prediction
from hpscli.registry import resolve
from hpscli.testing.goldens import ReplayOptions, fill_manifest, locate, read_golden, read_manifest
from hpscli.testing.mesh_goldens import in_training_format, label_batch
from hpscli.train.loop import optimise
from tests.train.golden_steps.golden_job import STOP, golden_job

OPTIONS = ReplayOptions()


@pytest.mark.slow
@pytest.mark.parametrize("run", ["nonparam", "smpl_h36m", "smpl_3dpw"])
def test_two_steps_of_fastmetro_are_theirs(reference: Path, tmp_path: Path, run: str) -> None:
    folder = reference / "fastmetro"
    golden = read_golden(folder, "goldens/train_step_S-R50.npz")
    kit = fastmetro_surrogate("smpl", folder, OPTIONS)
    images = torch.from_numpy(fastmetro_image("blocks", fastmetro.PEOPLE, OPTIONS))
    batch = label_batch(fastmetro.drawn_labels(fastmetro.LABEL_SEED), kit, images)
    manifest = fastmetro.MANIFESTS[run.split("_")[0]]
    entries = read_manifest(locate(folder, f"keys/FastMETRO-{manifest}.json"))
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
@pytest.mark.parametrize(("method", "target"), [("metro", "hand"), ("graphormer", "body")])
def test_a_step_of_metro_and_of_graphormer_is_theirs(
    reference: Path, tmp_path: Path, method: str, target: str
) -> None:
    folder = reference / "metro_graphormer"
    stored = read_golden(folder, "goldens/train_step_dropout0.npz")
    inputs = given(read_golden(folder, "goldens/losses_end_to_end.npz"), target)
    golden: dict[str, Any] = {**inputs, **metro.of(stored, f"{method}_{target}")}
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
    terms = {name: torch.tensor(job.meter.sums[name]) for name in weights}
    told = list(check_terms(golden, "", terms, target, mesh_space(model.kit), metro.RELATIVE))
    assert {"total", "loss_3d_joints"} <= {check.name for check in told}
    assert [check for check in told if not check.ok] == []
    assert job.meter.sums["loss"] == pytest.approx(float(golden["total"]), rel=metro.RELATIVE)
    for key, name in metro.theirs(golden, "after:", model):
        found = network.get_buffer(name).numpy()
        np.testing.assert_allclose(found, golden[key], rtol=0, atol=metro.RUNNING)
    checked = 0
    for key, name in metro.theirs(golden, "after_adam_step:", model):
        slope = golden[f"grad:{key.partition(':')[2]}"]
        clear = np.abs(slope) > metro.GRADIENT * np.abs(slope).max()
        moved = network.get_parameter(name).detach().numpy()
        np.testing.assert_allclose(moved[clear], golden[key][clear], rtol=0, atol=metro.STEP)
        checked += 1
    assert checked
