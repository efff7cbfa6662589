"""Going on with other processes and batches than before."""

from pathlib import Path
from typing import Any

import pytest
import torch

from hpscli.errors import UsageError
from hpscli.recipe import to_toml
from hpscli.train.keeping import continuing, state
from hpscli.train.learning.optimizers import Optimizers
from hpscli.train.learning.schedule import Steps, count_steps
from tests.train.labelled import small_recipe

RUN = Path("run")


def saved(**changes: Any) -> state.State:
    """-> the state of a run of two processes after five steps of 2 x 8."""
    return {"step": 5, "world": 2, "position": 80, "unit": 16, "slices": [2, 8, 1], **changes}


def steps(world: int, **optim: int) -> Steps:
    recipe = small_recipe(
        RUN, train__epoch_samples=160, **{f"optim__{k}": v for k, v in optim.items()}
    )
    return count_steps(recipe, world)


def change(world: int, *, keep: bool = False, scale: bool = False, **optim: int) -> float:
    recipe = small_recipe(RUN, **{f"optim__{name}": value for name, value in optim.items()})
    now = count_steps(recipe, world)
    return continuing.rate_change(recipe, now, RUN, saved(), keep=keep, scale=scale)


def test_a_run_goes_on_at_its_position_with_its_own_epochs() -> None:
    found = continuing.continued_steps(steps(1, batch=32), RUN, saved())
    assert (found.position(5), found.position(6), found.per_epoch) == (80, 112, 10)
    assert found.total == 5 + (2 * 160 - 80 + 31) // 32


def test_a_run_of_an_older_version_goes_on_after_its_steps(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, optim__batch=8, optim__accumulate=2)
    (tmp_path / "recipe.toml").write_text(to_toml(recipe))
    old = {"step": 5, "world": 2}
    found = continuing.continued_steps(steps(1, batch=32), tmp_path, old)
    assert (found.position(5), found.unit) == (5 * 8 * 2 * 2, 32)


def test_the_same_global_batch_keeps_the_rate_without_a_word() -> None:
    assert change(1, batch=16) == change(2, batch=4, accumulate=2) == 1.0


def test_another_global_batch_is_refused_until_somebody_says_what_becomes_of_the_rate() -> None:
    with pytest.raises(
        UsageError, match=r"took 16 samples a step, now it would be 8 \(1 process x 8\)"
    ) as told:
        change(1, batch=8)
    assert "optim.batch=16" in told.value.fix
    assert change(1, batch=8, keep=True) == 1.0
    assert change(1, batch=8, scale=True) == 0.5


def test_what_is_not_bit_for_bit_is_told() -> None:
    recipe = small_recipe(RUN, optim__batch=16)
    told = continuing.otherwise_sliced(recipe, 1, RUN, saved())
    assert "it was 2 processes x 8, it is 1 process x 16" in told
    assert continuing.otherwise_sliced(small_recipe(RUN, optim__batch=8), 2, RUN, saved()) == ""


def test_new_processes_have_generators_of_their_own_that_repeat() -> None:
    recipe, drawn = small_recipe(RUN), []
    found = saved(random=[state.random_state()] * 2)
    for rank in (0, 1, 2, 2):
        own = continuing.generators_of(recipe, steps(3), rank, found, 80)
        state.restore_random_state(own)
        drawn.append(float(torch.rand(1)))
    assert len(set(drawn)) == 3 and drawn[2] == drawn[3]


def test_the_one_optimiser_of_an_older_version_goes_on() -> None:
    module = torch.nn.Linear(3, 2)
    old = torch.optim.AdamW(module.parameters(), 1e-3, fused=True)
    module(torch.ones(1, 3)).sum().backward()
    old.step()
    recipe = small_recipe(RUN, optim__lr=1e-3)
    found = Optimizers(recipe.optim, module, 1e-3)
    found.load_state_dict(old.state_dict())
    found.set_rates(count_steps(recipe, 1), 0)
    (now,) = found
    assert now.param_groups[0]["lr"] == 1e-3
    moments = [now.state[p]["exp_avg"] for p in module.parameters()]
    expected = [old.state[p]["exp_avg"] for p in module.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(moments, expected, strict=True))
