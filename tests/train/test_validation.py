"""Which figure of a validation chooses the checkpoint, and that it can be had again."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from hpscli.errors import UsageError
from hpscli.nn.checkpoints import load_model
from hpscli.recipe import Validation
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.train.loop import train
from hpscli.train.validation import as_evaluated, deciding, note
from tests.train.labelled import labelled_people, small_recipe

FOUND = ["mpjpe", "pve", "pa_mpjpe"]


def wanted(protocol: str, metric: str = "") -> Validation:
    return Validation(shards="anywhere", protocol=protocol, metric=metric)


def test_the_recipe_says_which_figure_chooses() -> None:
    protocol = get_registry().protocol("3dpw/validation@by-metro-v1")
    assert deciding(wanted(protocol.name, "pa_mpjpe"), protocol, FOUND) == "pa_mpjpe"


def test_without_a_word_the_first_of_the_protocol_chooses() -> None:
    protocol = get_registry().protocol("3dpw/validation@by-metro-v1")
    assert deciding(wanted(protocol.name), protocol, FOUND) == protocol.metrics[0]


def test_a_protocol_that_names_none_is_chosen_by_its_first_figure() -> None:
    protocol = get_registry().protocol("agora/validation@osx-v1")
    assert not protocol.metrics
    assert deciding(wanted(protocol.name), protocol, ["mpvpe_all", "x"]) == "mpvpe_all"


def test_a_figure_that_was_not_measured_is_named_with_those_that_were() -> None:
    protocol = get_registry().protocol("3dpw/validation@by-metro-v1")
    with pytest.raises(UsageError, match="no such figure") as raised:
        deciding(wanted(protocol.name, "pa_mpjp"), protocol, FOUND)
    assert "pa_mpjpe" in raised.value.fix


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(tmp_path_factory.mktemp("people") / "train", 8, split="train")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(
        tmp_path_factory.mktemp("others") / "validation", 6, seed=100, split="validation"
    )


def measured(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(text) for text in (run / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if "validation" in line]


@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_what_chooses_the_best_is_what_hps_eval_measures_of_it(
    people: Path, others: Path, tmp_path: Path, dtype: str
) -> None:
    recipe = small_recipe(people, others, train__dtype=dtype, train__epochs=2, optim__ema=0.5)
    run = train(recipe, tmp_path / "run")
    assert recipe.data.validation is not None
    protocol = get_registry().protocol(recipe.data.validation.protocol)
    result = evaluate(load_model(f"{run}@last"), others, protocol)
    figures = {name: float(metric.value) for name, metric in result.metrics.items()}
    assert measured(run)[-1]["validation"] == pytest.approx(figures, rel=1e-6)


def test_a_model_that_was_measured_goes_on_in_the_precision_of_its_training() -> None:
    module = nn.Linear(2, 2)
    module.forward = module.forward  # type: ignore[method-assign]  # as Accelerate does it
    halved = vars(module)["forward"]
    with pytest.raises(KeyError), as_evaluated(module):
        assert "forward" not in vars(module)
        raise KeyError
    assert vars(module)["forward"] is halved
    with as_evaluated(nn.Linear(2, 2)) as nothing:
        assert nothing is None


def scored(figures: Sequence[float]) -> tuple[list[bool], Any]:
    """Figures of one validation after the other -> which were the best, and the job."""
    job: Any = SimpleNamespace(best=float("inf"), stale=0)
    return [note(job, figure) for figure in figures], job


def test_a_figure_that_is_no_number_is_never_the_best_and_hides_none_after_it() -> None:
    found, job = scored([math.nan, 5.0, math.nan, 6.0, 4.0, math.nan])
    assert found == [False, True, False, False, True, False]
    assert (job.best, job.stale) == (4.0, 1)
