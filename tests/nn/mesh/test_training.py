"""Small networks learn a batch by their own losses, with their authors' weights."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from hpscli.nn.checkpoints import build_model
from hpscli.nn.mesh.weightings import FASTMETRO, METRO
from hpscli.registry import resolve
from tests.nn.mesh.people import PEOPLE, truth

STEPS = 8
SMPL = {"smpl_parameters": True, "regressor_hidden": 64}
CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("metro", "tiny", {}, "body"),
    ("metro", "hand-tiny", {}, "hand"),
    ("graphormer", "tiny", {}, "body"),
    ("graphormer", "hand-tiny", {}, "hand"),
    ("fastmetro", "tiny", {}, "body"),
    ("fastmetro", "hand-tiny", {}, "hand"),
    ("fastmetro", "tiny", SMPL, "body-smpl-3dpw"),
]


@pytest.mark.parametrize(("name", "preset", "options", "weighting"), CASES)
def test_a_few_steps_on_one_batch_lower_the_loss(
    name: str, preset: str, options: dict[str, Any], weighting: str
) -> None:
    torch.manual_seed(0)
    module, spec, _ = build_model(
        name, preset=preset, options={"dropout": 0.0, **options}, body_source="free"
    )
    right = truth(spec.body)
    batch = replace(right.batch, image=torch.randn(PEOPLE, 3, *spec.input_size))
    weights = (FASTMETRO if name == "fastmetro" else METRO)[weighting]
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    totals = []
    for _ in range(STEPS):
        losses = resolve(spec.losses)(module.train()(batch.image), batch, right.body, weights)
        total = torch.stack([losses[key] * weight for key, weight in weights.items()]).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert min(totals[-3:]) < 0.8 * totals[0], totals
    idle = [key for key, parameter in module.named_parameters() if parameter.grad is None]
    assert idle == []


def test_while_the_rest_is_frozen_only_the_parameter_regressor_gets_gradients_worth_naming() -> (
    None
):
    torch.manual_seed(0)
    module, spec, _ = build_model("fastmetro", preset="tiny", options=SMPL, body_source="free")
    right = truth("smpl")
    image = torch.randn(PEOPLE, 3, *spec.input_size)
    weights = FASTMETRO["body-smpl-h36m"]
    batch = replace(right.batch, image=image)
    losses = resolve(spec.losses)(module.train()(image), batch, right.body, weights)
    torch.stack([losses[key] * weight for key, weight in weights.items()]).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None
        norm = float(parameter.grad.norm())
        if name.startswith("smpl_parameter_regressor."):
            continue
        assert norm < 1e-2, name
    last = module.get_parameter("smpl_parameter_regressor.regressor.3.weight").grad
    assert last is not None and float(last.norm()) > 1.0
