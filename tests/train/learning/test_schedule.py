"""Steps, learning rates and global batches."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.errors import UsageError
from hpscli.recipe import Recipe
from hpscli.train.learning.schedule import (
    count_steps,
    learning_rate,
    own_epoch,
    rate_at,
    rate_factor,
)
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


@pytest.mark.parametrize(
    ("batch", "way"),
    [
        (8, "For a batch of 32: optim.accumulate=2, or 4 GPUs (--gpus 4)"),
        (5, "Change optim.batch or optim.accumulate"),
    ],
)
def test_the_refusal_says_what_to_type_for_the_batch_of_the_recipe(batch: int, way: str) -> None:
    recipe = small_recipe(HERE, optim__batch=batch, optim__global_batch=32)
    with pytest.raises(UsageError) as refused:
        learning_rate(recipe, count_steps(recipe, 2))
    assert refused.value.fix.splitlines()[0] == way


def test_the_rate_is_kept_or_scaled_when_asked() -> None:
    recipe = small_recipe(HERE, optim__batch=8, optim__global_batch=32, optim__lr=1e-3)
    steps = count_steps(recipe, 2)
    assert learning_rate(recipe, steps, keep=True) == 1e-3
    assert learning_rate(recipe, steps, scale=True) == pytest.approx(5e-4)


def test_the_expected_global_batch_needs_no_words() -> None:
    recipe = small_recipe(HERE, optim__batch=8, optim__global_batch=32, optim__lr=1e-3)
    assert learning_rate(recipe, count_steps(recipe, 4)) == 1e-3


def factors(**optim: Any) -> list[float]:
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


def test_a_cosine_ends_at_the_lowest_rate() -> None:
    recipe = small_recipe(HERE, optim__schedule="cosine", optim__min_lr=1e-5)
    steps = count_steps(recipe, 1)
    assert rate_at(recipe.optim, steps, 0, 1e-3) == 1e-3
    assert rate_at(recipe.optim, steps, steps.total, 1e-3) == pytest.approx(1e-5)


def test_an_epoch_may_be_as_long_as_its_mixing_has_it() -> None:
    recipe = small_recipe(
        HERE, train__epoch_samples=0, data__mixing="concatenation", optim__batch=8
    )
    assert own_epoch(recipe, {"people": 50}) == 50
    assert (count_steps(recipe, 1, 50).per_epoch, count_steps(recipe, 1).per_epoch) == (6, 0)


def test_epochs_are_cut_in_whole_steps_and_the_list_goes_on() -> None:
    """As METRO has it: floor(samples / batch) steps, and the next epoch begins where they end."""
    steps = count_steps(small_recipe(HERE, train__epoch_samples=50, optim__batch=8), 1)
    assert [step for step in range(1, 13) if steps.ends_epoch(step)] == [6, 12]
    assert steps.position(6) == 48 and steps.total == 12


batches = st.sampled_from([1, 2, 3, 4, 8, 16])


@settings(max_examples=30, deadline=None)
@given(batches, st.lists(st.tuples(st.integers(1, 5), batches), max_size=4))
def test_the_schedule_follows_the_samples_through_any_batches(
    start: int, parts: list[tuple[int, int]]
) -> None:
    def recipe(batch: int) -> Recipe:
        return small_recipe(
            HERE, optim__batch=batch, train__epoch_samples=64, optim__schedule="cosine"
        )

    steps, step = count_steps(recipe(start), 1), 0
    alone, epoch = steps, 64 // start * start
    for count, batch in parts:
        position = steps.position(step)
        steps = count_steps(recipe(batch), 1).continued(step, position, start)
        before = [steps.position(step + n) // epoch for n in range(count + 1)]
        assert [steps.epoch(step + n) for n in range(count + 1)] == before
        step += count
        expected = rate_factor(recipe(start).optim, alone, 0) * 0.5
        expected *= 1 + math.cos(math.pi * min(1.0, steps.position(step) / (2 * epoch)))
        assert rate_factor(recipe(start).optim, steps, step) == pytest.approx(expected)
    last = max(steps.total, step)
    assert steps.position(last) >= 2 * epoch  # everything that was planned is taken
    assert last == step or steps.position(last - 1) < 2 * epoch  # and no step more than that needs
