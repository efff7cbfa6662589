"""Activations computed twice: the same gradients for less memory; and which gradients there are."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model
from hpscli.records import Prediction
from hpscli.train.learning.memory import compute_again, kept_bytes, measure
from hpscli.train.scaling.reach import anchor, unreached
from tests.train.labelled import small_recipe

VITS: list[tuple[str, dict[str, Any], tuple[int, int]]] = [
    ("osx", {"preset": "tiny", "options": {"stem": "patches"}}, (256, 192)),
    ("hmr2", {"preset": "tiny"}, (64, 64)),
]


def gradients(module: nn.Module, size: tuple[int, int]) -> dict[str, Tensor]:
    torch.manual_seed(3)  # the same paths are dropped
    image = torch.randn(2, 3, *size)
    module.zero_grad()
    outputs = module.train()(image).named_tensors()
    torch.stack([value.square().mean() for value in outputs.values()]).sum().backward()  # type: ignore[no-untyped-call]
    return {n: p.grad.clone() for n, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("name", "options", "size"), VITS)
def test_blocks_that_are_computed_again_give_the_same_gradients_for_less_memory(
    name: str, options: dict[str, Any], size: tuple[int, int]
) -> None:
    module, spec, _ = build_model(name, **options)
    size = spec.input_size
    plain, kept = gradients(module, size), kept_bytes(module, size)
    compute_again(module)
    again, less = gradients(module, size), kept_bytes(module, size)
    assert plain.keys() == again.keys()
    for parameter, gradient in plain.items():
        torch.testing.assert_close(again[parameter], gradient, rtol=1e-5, atol=1e-7)
    assert less < 0.9 * kept


def test_a_model_without_a_transformer_cannot_compute_blocks_again() -> None:
    module, _, _ = build_model("hmr", preset="tiny")
    with pytest.raises(UsageError, match="for vision transformers"):
        compute_again(module)


def test_a_dry_run_counts_less_memory_for_what_is_frozen_and_computed_again(tmp_path: Any) -> None:
    recipe = small_recipe(tmp_path, model={"name": "hmr2", "preset": "tiny", "body": "free"})
    recipe = recipe.model_copy(update={"data": recipe.data.model_copy(update={"image_size": None})})
    again = recipe.train.model_copy(update={"gradient_checkpointing": True})
    frozen = recipe.train.model_copy(update={"freeze": ("backbone.*",)})
    whole = measure(recipe)
    assert measure(recipe.model_copy(update={"train": again}))["megabytes"] < whole["megabytes"]
    less = measure(recipe.model_copy(update={"train": frozen}))
    assert less["learning"] < whole["learning"] == whole["parameters"]
    assert less["megabytes"] < whole["megabytes"]


class Partly(nn.Module):
    """A model with a part that nothing depends on, statistics and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Conv2d(3, 3, 1), nn.Linear(2, 2)
        self.norm, self.drop = nn.BatchNorm2d(3), nn.Dropout(0.5)

    def forward(self, image: Tensor) -> Prediction:
        return Prediction(camera=self.drop(self.norm(self.used(image))).mean((2, 3)))


def test_parameters_that_no_output_depends_on_are_found_and_nothing_else_changes() -> None:
    module = Partly().train()
    before, state = module.norm.running_mean.clone(), torch.get_rng_state()  # type: ignore[union-attr]
    assert unreached(module, (8, 8)) == ["unused.weight", "unused.bias"]
    assert torch.equal(module.norm.running_mean, before)  # type: ignore[arg-type]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(p.grad is None for p in module.parameters())


def test_an_anchor_gives_every_output_a_gradient_of_nothing() -> None:
    one, other = torch.ones(2, 3, requires_grad=True), torch.ones(2, 4, 3, requires_grad=True)
    value = anchor(Prediction(camera=one, vertices=other))
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0
    assert one.grad is not None
    assert not one.grad.any()
    assert other.grad is not None
