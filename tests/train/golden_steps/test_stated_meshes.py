"""Official losses of mesh networks on stored predictions, arrived at by the real loop."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hps_models.fastmetro import goldens_losses as fastmetro
from hps_models.fastmetro.goldens import surrogate as fastmetro_surrogate
from hps_models.goldens_metro_graphormer import losses as metro
from hps_models.goldens_metro_graphormer.networks import surrogate as metro_surrogate
from hpscli.nn.mesh.space import mesh_space
from hpscli.nn.mesh.weightings import FASTMETRO, METRO
from hpscli.registry import get_registry
from hpscli.testing.goldens import ReplayOptions, read_golden
from hpscli.testing.mesh_goldens import label_batch, prediction_of
from hpscli.train.loop import optimise
from tests.train.golden_steps.golden_job import SGD, STOP, Stated, golden_job

OPTIONS = ReplayOptions()
OPTIM = {
    "name": "adamw",
    "lr": fastmetro.RATE,
    "weight_decay": fastmetro.DECAY,
    "clip_norm": fastmetro.CLIP,
}


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("run", fastmetro.WEIGHTINGS)
def test_a_step_on_fastmetros_losses_is_theirs(
    reference: Path, tmp_path: Path, run: str, step: int
) -> None:
    part, kind = ("hand", "mano") if run == "hand" else ("body", "smpl")
    golden = read_golden(reference / "fastmetro", f"goldens/loss_{part}.npz")
    kit = fastmetro_surrogate(kind, reference / "fastmetro", OPTIONS)
    arrays, weights = fastmetro.given(golden, run, step), FASTMETRO[fastmetro.WEIGHTINGS[run]]
    said = {n: torch.from_numpy(v) for n, v in fastmetro.stated(arrays, run).items()}
    module, spec = Stated(fastmetro.predicted(said)), get_registry().model("fastmetro")
    with golden_job(module, spec, kit, weights, OPTIM, tmp_path) as job:
        optimise(job, iter([label_batch(arrays, kit)]), STOP)
    prefix = f"{run}__step{step}__"
    total = float(golden[f"{prefix}total"])
    assert job.meter.sums["loss"] == pytest.approx(total, rel=fastmetro.RELATIVE)
    terms = {name: torch.tensor(job.meter.sums[name]) for name in weights}
    named = {n: v for n, v in fastmetro.named(terms).items() if prefix + n in golden}
    assert {"kp3d_token", "vert_fine", "normal"} <= named.keys()
    for name, value in named.items():
        loose = name == "normal" and kind == "mano"
        limit = fastmetro.HAND_NORMAL if loose else fastmetro.RELATIVE
        assert float(value) == pytest.approx(float(golden[prefix + name]), rel=limit), name
    after = module.now()
    moved = {
        "cam": after.camera,
        "3d_joints": after.extras["joint_tokens"],
        "3d_vertices_coarse": after.levels[0],
        "3d_vertices_fine": after.levels[-1],
    }
    for name, value in moved.items():
        wanted = golden[f"{run}__after_training__batch{step}__pred_{name}__first8"]
        found = value.reshape(-1)[:8]
        np.testing.assert_allclose(found, wanted, rtol=0, atol=fastmetro.STEP_PART, err_msg=name)


@pytest.mark.parametrize("case", ["mixed", "none"])
@pytest.mark.parametrize("target", ["body", "hand"])
@pytest.mark.parametrize("model", ["metro", "graphormer"])
def test_metros_losses_in_the_loop_are_theirs(
    reference: Path, tmp_path: Path, model: str, target: str, case: str
) -> None:
    golden = read_golden(reference / "metro_graphormer", "goldens/losses_fixed_preds.npz")
    kit = metro_surrogate(reference / "metro_graphormer", target, OPTIONS)
    module = Stated(prediction_of(*metro.predicted(golden, target, kit, OPTIONS)))
    batch = label_batch(metro.given(golden, target, case), kit)
    weights, spec = METRO[target], get_registry().model(model)
    with golden_job(module, spec, kit, weights, SGD, tmp_path) as job:
        optimise(job, iter([batch]), STOP)
    prefix = f"{target}_{case}_"
    terms = {name: torch.tensor(job.meter.sums[name]) for name in weights}
    told = list(metro.check_terms(golden, prefix, terms, target, mesh_space(kit)))
    assert f"{prefix}total" in {check.name for check in told}
    assert [check for check in told if not check.ok] == []
    total = float(golden[f"{prefix}total"])
    assert job.meter.sums["loss"] == pytest.approx(total, rel=metro.RELATIVE, abs=1e-6)
