"""What hps bench train compares is the same work: equal weights after equal steps."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from hpscli.recipe import load_recipe
from hpscli.testing.speed import training
from hpscli.train.telling.active import active_terms_of


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(training, "ROWS", {**training.ROWS, "tiny": "tiny"})
    return "tiny"


@pytest.mark.parametrize("row", training.ROWS)
def test_a_row_trains_all_terms_of_its_recipe(row: str, tmp_path: Path) -> None:
    published, found = load_recipe(training.ROWS[row]), training.recipe_of(row, tmp_path, 2)
    assert found.loss == {name: weight for name, weight in published.loss.items() if weight > 0}
    assert (found.model.name, found.model.preset) == (published.model.name, published.model.preset)
    assert found.data.joints == published.data.joints
    small = found.model.model_copy(update={"preset": "tiny"})
    assert active_terms_of(found.model_copy(update={"model": small})).idle() == []


def test_the_face_decoder_of_osx_learns_in_the_timed_step(tmp_path: Path) -> None:
    assert training.recipe_of("osx-b", tmp_path, 2).loss["joint_img_face"] == 1


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
