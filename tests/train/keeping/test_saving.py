"""Which checkpoint the processes of a job take up together."""

from pathlib import Path

import pytest
import torch

from hpscli.errors import InvalidData
from hpscli.train.keeping.saving import load_together
from hpscli.train.keeping.state import state_path
from tests.train.keeping.test_state import saved_run

THIRD, SIXTH = "step-00000003.safetensors", "step-00000006.safetensors"


def told_by_the_first(name: str) -> list[str]:
    """-> what a job is told whose first process took the checkpoint of step 3."""
    return [THIRD, name]


def test_processes_that_read_the_same_checkpoint_keep_it(tmp_path: Path) -> None:
    path, weights, about, state = load_together(saved_run(tmp_path, (3, 6)), lambda name: [name])
    assert (path.name, about.step, state["step"]) == (SIXTH, 6, 6)
    assert torch.equal(weights["a"], torch.full((2,), 6.0))


def test_a_process_that_sees_another_checkpoint_takes_that_of_the_first(tmp_path: Path) -> None:
    path, weights, about, state = load_together(saved_run(tmp_path, (3, 6)), told_by_the_first)
    assert (path.name, about.step, state["step"]) == (THIRD, 3, 3)
    assert torch.equal(weights["a"], torch.full((2,), 3.0))


def test_a_process_that_cannot_read_that_of_the_first_says_so(tmp_path: Path) -> None:
    run = saved_run(tmp_path, (3, 6))
    state_path(run / "checkpoints" / THIRD).unlink()
    with pytest.raises(InvalidData, match=r"step-00000003.* read by the first process, but not"):
        load_together(run, told_by_the_first)
