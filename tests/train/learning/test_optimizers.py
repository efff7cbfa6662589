"""Groups of parameters, rates that fall with depth, several optimisers in one job."""

from typing import Any

import pytest
import torch
from torch import nn

from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model
from hpscli.nn.vit import padded_vit
from hpscli.recipe import Optim
from hpscli.train.learning.optimizers import Optimizers, depths
from hpscli.train.learning.schedule import Steps, rate_at

STEPS = Steps(world=1, global_batch=4, samples=40, epochs=1, unit=4)  # 10 steps
EFFICIENTNET = {  # as hmr-benchmarks trains it: SGD for the backbone, Adam for the rest
    "name": "adam",
    "lr": 2.5e-4,
    "groups": {"backbone": {"match": ["0.*"], "name": "sgd", "lr": 0.1, "weight_decay": 1e-4}},
}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5), nn.Linear(5, 2))


def learn(
    module: nn.Module, optimizers: Optimizers, first: int, last: int, clip: float = 0
) -> None:
    for step in range(first, last):
        torch.manual_seed(step)
        module(torch.randn(6, 3)).square().mean().backward()
        optimizers.set_rates(STEPS, step)
        if clip:
            optimizers.clip(clip)
        optimizers.step()
        optimizers.zero_grad()


def test_each_group_is_trained_by_its_own_optimiser_as_torch_trains_it_alone() -> None:
    ours, theirs = network(), network()
    optimizers = Optimizers(Optim(**EFFICIENTNET), ours, 2.5e-4)
    backbone = torch.optim.SGD(theirs[0].parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    rest = torch.optim.Adam([*theirs[1].parameters(), *theirs[2].parameters()], 2.5e-4)
    learn(ours, optimizers, 0, 3)
    for step in range(3):
        torch.manual_seed(step)
        theirs(torch.randn(6, 3)).square().mean().backward()
        for optimizer in (backbone, rest):
            optimizer.step()
            optimizer.zero_grad()
    for mine, wanted in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-6, atol=1e-8)


def test_the_first_group_that_matches_has_a_parameter_and_the_rest_is_as_always() -> None:
    groups = {
        "biases": {"match": ["*.bias"], "weight_decay": 0.0},
        "first": {"match": ["0.*"], "lr": 1e-2},
    }
    optimizers = Optimizers(Optim(lr=1e-3, weight_decay=0.1, groups=groups), network(), 1e-3)
    found = {
        name: (share.group, share.lr, share.weight_decay)
        for share in optimizers.shares
        for name in share.parameters
    }
    assert found["0.bias"] == ("biases", 1e-3, 0.0)
    assert found["0.weight"] == ("first", 1e-2, 0.1)
    assert found["2.weight"] == ("", 1e-3, 0.1)
    assert optimizers.rates(STEPS, 0) == {"biases": 1e-3, "first": 1e-2, "": 1e-3}


def test_the_schedule_and_a_scaled_batch_multiply_the_rate_of_every_group() -> None:
    optim = Optim(**EFFICIENTNET, schedule="step", step_epochs=(1,), step_factor=0.5)
    optimizers = Optimizers(optim, network(), 5e-4)  # --scale-lr doubled it
    optimizers.set_rates(STEPS, 10)
    rates = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    assert sorted(rates) == pytest.approx([2.5e-4, 0.1])
    assert optimizers.rates(STEPS, 0) == pytest.approx({"backbone": 0.2, "": 5e-4})


def test_a_group_that_matches_nothing_is_an_error_with_the_nearest_names() -> None:
    module, _, _ = build_model("hmr", preset="tiny")
    with pytest.raises(UsageError, match=r"optim.groups.b: no parameter .* 'backbon.\*'") as raised:
        Optimizers(Optim(groups={"b": {"match": ["backbon.*"]}}), module, 1e-4)
    assert "backbone.*" in raised.value.fix


def test_a_continued_job_of_two_optimisers_ends_where_the_unbroken_one_does() -> None:
    unbroken, broken = network(), network()
    learn(unbroken, Optimizers(Optim(**EFFICIENTNET), unbroken, 2.5e-4), 0, 6)
    optimizers = Optimizers(Optim(**EFFICIENTNET), broken, 2.5e-4)
    learn(broken, optimizers, 0, 3)
    state, weights = optimizers.state_dict(), broken.state_dict()
    again = network()
    again.load_state_dict(weights)
    fresh = Optimizers(Optim(**EFFICIENTNET), again, 2.5e-4)
    fresh.load_state_dict(state)
    learn(again, fresh, 3, 6)
    for mine, wanted in zip(again.parameters(), unbroken.parameters(), strict=True):
        assert torch.equal(mine, wanted)


def test_clipping_takes_the_norm_over_the_parameters_of_all_optimisers() -> None:
    module = network()
    optimizers = Optimizers(Optim(**EFFICIENTNET), module, 2.5e-4)
    module(torch.randn(6, 3)).square().sum().mul(100).backward()
    optimizers.clip(0.5)
    norms = torch.stack([p.grad.norm() for p in module.parameters() if p.grad is not None])
    assert float(norms.norm()) == pytest.approx(0.5, rel=1e-4)


def test_a_gradient_scaler_serves_two_optimisers_and_moves_on_once() -> None:
    plain, scaled = network(), network()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=1)
    optim = Optim(**EFFICIENTNET)
    learn(plain, Optimizers(optim, plain, 2.5e-4), 0, 1, clip=0.1)
    optimizers = Optimizers(optim, scaled, 2.5e-4)
    torch.manual_seed(0)
    scaler.scale(scaled(torch.randn(6, 3)).square().mean()).backward()
    optimizers.set_rates(STEPS, 0)
    optimizers.clip(0.1, scaler)
    optimizers.step(scaler)
    assert scaler.get_scale() == 2048.0
    for mine, wanted in zip(scaled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-5, atol=1e-7)


def test_rates_of_a_vit_fall_from_the_last_block_to_the_patches() -> None:
    vit = padded_vit((32, 32), 16, 3, 2, 0.0)
    module = nn.ModuleDict({"backbone": vit, "head": nn.Linear(2, 2)})
    factors = depths([name for name, _ in module.named_parameters()], 0.5)
    assert factors["backbone.blocks.2.attn.qkv.weight"] == 0.5
    assert factors["backbone.blocks.0.attn.qkv.weight"] == 0.125
    assert factors["backbone.patch_embed.proj.weight"] == factors["backbone.pos_embed"] == 0.0625
    assert "head.weight" not in factors
    assert "backbone.norm.weight" not in factors
    optimizers = Optimizers(Optim(lr=1e-3, layer_decay=0.5), module, 1e-3)
    optimizers.set_rates(STEPS, 0)
    rates = {group["lr"] for optimizer in optimizers for group in optimizer.param_groups}
    assert sorted(rates) == pytest.approx([6.25e-5, 1.25e-4, 2.5e-4, 5e-4, 1e-3])


@pytest.mark.parametrize(
    ("name", "options", "prefix"),
    [
        ("osx", {"preset": "tiny"}, "encoder."),
        ("hmr2", {"preset": "tiny"}, "backbone."),
        ("hmr", {"options": {"backbone": "vit-b"}}, "backbone.trunk."),
    ],
)
def test_the_transformers_of_our_models_are_found(
    name: str, options: dict[str, Any], prefix: str
) -> None:
    module, _, _ = build_model(name, **options)
    factors = depths([name for name, _ in module.named_parameters()], 0.9)
    inside = {name for name in factors if name.startswith(prefix)}
    assert f"{prefix}patch_embed.proj.weight" in inside
    assert inside == set(factors)


def test_layer_decay_without_a_transformer_is_refused() -> None:
    module, _, _ = build_model("hmr", preset="tiny")  # its backbone has blocks, but no patches
    with pytest.raises(UsageError, match="vision transformers, and the model has none"):
        Optimizers(Optim(layer_decay=0.9), module, 1e-4)


def test_a_cosine_ends_at_the_lowest_rate_for_every_group() -> None:
    optim = Optim(lr=1e-3, schedule="cosine", min_lr=1e-5, warmup_steps=2)
    assert rate_at(optim, STEPS, 0, 1e-3) == pytest.approx(5e-4)
    assert rate_at(optim, STEPS, 2, 1e-3) == pytest.approx(1e-3)
    assert rate_at(optim, STEPS, 10, 1e-3) == pytest.approx(1e-5)
    assert rate_at(optim, STEPS, 10, 0.1) == pytest.approx(1e-5)
    assert rate_at(optim, STEPS, 10, 1e-6) == pytest.approx(1e-6)


@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_the_norm_of_the_gradient_is_told_whether_it_is_clipped_or_not(clip: float) -> None:
    module = network()
    optimizers = Optimizers(Optim(**EFFICIENTNET), module, 2.5e-4)
    module(torch.randn(6, 3)).square().sum().backward()
    grads = [p.grad.flatten() for p in module.parameters() if p.grad is not None]
    expected = torch.cat(grads).norm()
    torch.testing.assert_close(optimizers.clip(clip), expected)
    first = next(module.parameters()).grad
    assert first is not None and first.isfinite().all()
    first[0, 0] = float("inf")
    assert not optimizers.clip(clip).isfinite()


@pytest.mark.parametrize("stored", [True, False])
def test_how_an_optimiser_steps_is_its_own_choice_whoever_stored_its_state(stored: bool) -> None:
    before, after = network(), network()
    optim = Optim(name="sgd", lr=0.1)
    state = Optimizers(optim, before, 0.1).state_dict()
    for group in state["sgd"]["param_groups"]:
        group["fused"] = stored
    (own,) = goes_on = Optimizers(optim, after, 0.1)
    for group in own.param_groups:  # as for weights that are shared out, or that are not
        group["fused"] = not stored
    goes_on.load_state_dict(state)
    assert [group["fused"] for group in own.param_groups] == [not stored]
