"""Steps, learning rates and global batches."""

from pathlib import Path

import pytest

from hpscli.errors import UsageError
from hpscli.train.schedule import count_steps, learning_rate, rate_factor
from tests.train.labelled import small_recipe

HERE = Path("shards")


def test_an_epoch_is_a_number_of_samples_over_all_processes() -> None:
    recipe = small_recipe(HERE, optim__batch=8, optim__accumulate=2, train__epoch_samples=64)
    assert (count_steps(recipe, 1).per_epoch, count_steps(recipe, 2).per_epoch) == (4, 2)
    assert count_steps(recipe, 2).global_batch == 32
    assert count_steps(recipe, 2).total == 4


def test_an_epoch_has_at_least_one_step() -> None:
    recipe = small_recipe(HERE, optim__batch=64, train__epoch_samples=8)
    assert count_steps(recipe, 1).per_epoch == 1


def test_another_global_batch_than_the_recipes_is_refused() -> None:
    recipe = small_recipe(HERE, optim__batch=8, optim__global_batch=32)
    with pytest.raises(UsageError, match="the global batch is 16 .*made for 32"):
        learning_rate(recipe, count_steps(recipe, 2))


def test_the_rate_is_kept_or_scaled_when_asked() -> None:
    recipe = small_recipe(HERE, optim__batch=8, optim__global_batch=32, optim__lr=1e-3)
    steps = count_steps(recipe, 2)
    assert learning_rate(recipe, steps, keep=True) == 1e-3
    assert learning_rate(recipe, steps, scale=True) == pytest.approx(5e-4)


def test_the_expected_global_batch_needs_no_words() -> None:
    recipe = small_recipe(HERE, optim__batch=8, optim__global_batch=32, optim__lr=1e-3)
    assert learning_rate(recipe, count_steps(recipe, 4)) == 1e-3


def factors(**optim: object) -> list[float]:
    recipe = small_recipe(HERE, **{f"optim__{name}": value for name, value in optim.items()})
    steps = count_steps(recipe, 1)
    return [rate_factor(recipe.optim, steps, step) for step in range(steps.total)]


def test_constant_stays_one() -> None:
    assert set(factors(schedule="constant")) == {1.0}


def test_cosine_falls_from_one_towards_zero() -> None:
    values = factors(schedule="cosine")
    assert values[0] == 1.0
    assert values == sorted(values, reverse=True)
    assert 0 < values[-1] < 0.05


def test_warm_up_rises_to_one() -> None:
    values = factors(schedule="cosine", warmup_steps=4)
    assert values[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])


def test_steps_fall_after_the_named_epochs() -> None:
    assert factors(schedule="step", step_epochs=[1], step_factor=0.5) == [1.0] * 4 + [0.5] * 4
