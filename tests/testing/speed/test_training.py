"""What hps bench train compares is the same work: equal weights after equal steps."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from hpscli.testing.speed import training

TINY = {
    "model": {"name": "hmr", "preset": "tiny"},
    "joints": "smpl24",
    "loss": {"keypoints3d": 100.0, "keypoints2d": 10.0, "pose": 3.0, "betas": 0.02},
}


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(training, "ROWS", {**training.ROWS, "tiny": TINY})
    return "tiny"


def test_both_forms_make_the_same_weights(tiny: str, tmp_path: Path) -> None:
    recipe = training.recipe_of(tiny, tmp_path, 2)
    with training.opened(recipe, tmp_path / "run", "cpu") as (job, people):
        other, start = deepcopy(job.module), deepcopy(job.module.state_dict())
        ours, plain = training.our_step(job, people), training.plain_step(job, other, people)
        for _ in range(3):
            torch.manual_seed(0)  # of dropout
            ours()
            torch.manual_seed(0)
            plain()
        for (name, mine), theirs in zip(
            job.module.named_parameters(), other.parameters(), strict=True
        ):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6, msg=name)
            assert not torch.equal(mine, start[name])


def test_turns_of_both_forms_are_told(tiny: str, tmp_path: Path) -> None:
    told = training.both(tiny, tmp_path, 2, 3, "cpu")
    found = training.Found(
        row=tiny,
        batch=2,
        ours_s=tuple(told[training.OURS]),
        plain_s=tuple(told[training.PLAIN]),
        ours_mb=1.0,
        plain_mb=1.0,
    )
    assert len(found.ours_s) == len(found.plain_s) == 3
    assert min(found.ours_s + found.plain_s) > 0
    assert found.ratio > 0
