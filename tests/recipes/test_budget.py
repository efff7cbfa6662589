"""The recipe of HMR 2.0 for a budget fits another one by its epochs."""

import pytest

from hpscli.recipe import load_recipe
from hpscli.train.learning.schedule import count_steps

HOURS = 1344  # of GPUs, for the published million steps of 384 people
EPOCH = 1.92  # what the recipe says


@pytest.mark.parametrize(("epochs", "hours"), [(25, 48), (50, 96), (100, 192)])
def test_epochs_make_the_budget(epochs: int, hours: float) -> None:
    recipe = load_recipe("hmr2/budget", [f"train.epochs={epochs}"])
    people = recipe.train.epochs * recipe.train.epoch_samples
    assert people / 384e6 * HOURS == pytest.approx(hours, rel=1e-3)
    assert epochs * EPOCH == pytest.approx(hours)
    assert f"{EPOCH} GPU-hours an epoch" in recipe.about.gpu_hours


def test_two_gpus_take_the_same_steps() -> None:
    one = count_steps(load_recipe("hmr2/budget"), 1)
    two = count_steps(load_recipe("hmr2/budget", ["optim.accumulate=1"]), 2)
    assert (one.global_batch, one.total) == (two.global_batch, two.total) == (48, 50 * 11428)
