"""What a recipe can choose about a training, through the whole loop."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from hpscli.errors import UsageError
from hpscli.nn.checkpoints import load_model
from hpscli.nn.files import read_info, read_tensors
from hpscli.recipe import Recipe
from hpscli.train.loop import train
from hpscli.train.plan import adjusted, check_recipe
from hpscli.train.telling.curves import panels
from tests.train.labelled import labelled_people, small_recipe
from tests.train.test_loop import in_two_processes, lines, losses


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(tmp_path_factory.mktemp("people") / "train", 20, split="train")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(
        tmp_path_factory.mktemp("others") / "validation", 5, seed=100, split="validation"
    )


def weights(run: Path, name: str = "last") -> dict[str, torch.Tensor]:
    return read_tensors(run / f"checkpoints/{name}.safetensors")


def forget_after(run: Path, step: int) -> None:
    """Remove the states of later checkpoints: the run is continued from this one."""
    for path in (run / "checkpoints").glob("*.state.pt"):
        if int(path.name.split("-")[1].split(".")[0]) > step:
            path.unlink()


def test_two_optimisers_a_frozen_part_and_an_average_go_on_exactly(
    people: Path, tmp_path: Path
) -> None:
    groups = {"backbone": {"match": ["backbone.*"], "name": "sgd", "lr": 0.01}}
    recipe = small_recipe(
        people,
        optim__groups=groups,
        optim__name="adam",
        optim__ema=0.9,
        optim__clip_norm=1.0,
        train__freeze=["backbone.stem.*", "backbone.bn.*"],
        train__epochs=1,
        train__checkpoint_every=2,
        train__keep=9,
    )
    run = train(recipe, tmp_path / "run")
    whole, end = losses(run), weights(run)
    assert all(line["rates"].keys() == {"backbone", ""} for line in lines(run) if "losses" in line)
    assert "backbone: sgd lr 0.01" in (run / "log.txt").read_text()
    forget_after(run, 2)
    train(recipe, run, resume=True)
    assert losses(run) == whole
    assert all(torch.equal(value, end[name]) for name, value in weights(run).items())
    first = weights(run, "step-00000002")
    for name in ("backbone.stem.weight", "backbone.bn.weight", "backbone.bn.running_mean"):
        assert torch.equal(first[name], end[name])
    assert not torch.equal(
        first["backbone.blocks.0.conv1.weight"], end["backbone.blocks.0.conv1.weight"]
    )


def test_validation_every_second_epoch_measures_the_last_one_too(
    people: Path, others: Path, tmp_path: Path
) -> None:
    recipe = small_recipe(people, others, train__epochs=3, train__validate_every=2)
    measured = [
        line["epoch"] for line in lines(train(recipe, tmp_path / "run")) if "validation" in line
    ]
    assert measured == [2, 3]


def test_a_run_that_gets_no_better_stops_early_and_stays_so_when_resumed(
    people: Path, others: Path, tmp_path: Path
) -> None:
    recipe = small_recipe(
        people, others, train__epochs=9, train__early_stop=2, optim__lr=1e-30,
        train__batch_norm="frozen", train__epoch_samples=4,
    )  # fmt: skip
    run = train(recipe, tmp_path / "run")
    finished = json.loads((run / "finished.json").read_text())
    assert (finished["step"], finished["stopped_early"]) == (3, True)
    assert "early stop  2 validations in a row" in (run / "log.txt").read_text()
    train(recipe, run, resume=True)
    assert [line["step"] for line in lines(run) if "losses" in line] == [1, 2, 3]


def test_who_chooses_on_the_published_test_set_says_so_everywhere(
    people: Path, others: Path, tmp_path: Path
) -> None:
    from hpscli.registry import get_registry
    from hpscli.run.evaluate import evaluate

    test = {"shards": str(others), "protocol": "synthetic/validation@smpl24-v1"}
    recipe = small_recipe(people, data__validation_as_published=test, train__epochs=1)
    mark = "selected on the published test set"
    run = train(recipe, tmp_path / "run", as_published=True)
    assert [line["selected"] for line in lines(run) if "validation" in line] == [mark]
    assert json.loads((run / "finished.json").read_text())["selected"] == mark
    assert mark in (run / "log.txt").read_text()
    assert read_info(run / "checkpoints/best.safetensors").selected == mark
    protocol = get_registry().protocol("synthetic/validation@smpl24-v1")
    result = evaluate(load_model(run), str(others), protocol, batch=4)
    assert result.checkpoint["selected"] == mark
    assert f"the weights were {mark}" in result.notes
    plain = train(recipe, tmp_path / "plain")
    assert not any("validation" in line for line in lines(plain))
    assert read_info(plain / "checkpoints/last.safetensors").selected == ""


def test_a_recipe_without_a_published_test_set_cannot_choose_on_it(people: Path) -> None:
    recipe = adjusted(small_recipe(people), 1, as_published=True)
    with pytest.raises(UsageError, match="does not say on which test set"):
        check_recipe(recipe, 1, keep_lr=False, scale_lr=False)


def test_what_needs_several_processes_is_named_once_and_left_out(
    people: Path, tmp_path: Path
) -> None:
    recipe = small_recipe(
        people, train__batch_norm="sync", train__sharding="fsdp", train__epoch_samples=4
    )
    told = (train(recipe, tmp_path / "run") / "log.txt").read_text()
    assert told.count('train.batch_norm = "sync" needs several processes on GPUs') == 1
    assert told.count("one process keeps all weights itself") == 1


def test_a_compiled_network_is_not_shared_out(people: Path) -> None:
    recipe = small_recipe(people, train__compile=True, train__sharding="fsdp")
    with pytest.raises(UsageError, match="cannot be shared out"):
        check_recipe(recipe, 2, keep_lr=False, scale_lr=False)


def test_a_fast_dev_run_is_one_batch_of_everything(
    people: Path, others: Path, tmp_path: Path
) -> None:
    recipe = small_recipe(people, others, train__overlays=2, optim__accumulate=2)
    validation = {**recipe.data.validation.model_dump(), "batch": 3}  # type: ignore[union-attr]
    recipe = adjusted(
        small_recipe(people, data__validation=validation, train__overlays=2), 1, fast=True
    )
    run = train(recipe, tmp_path / "run")
    steps = [line for line in lines(run) if "losses" in line]
    assert [(line["step"], line["samples"]) for line in steps] == [(1, 4)]
    assert sum("validation" in line for line in lines(run)) == 1
    assert recipe.data.validation.limit == 3  # type: ignore[union-attr]
    assert (run / "samples/epoch-0001.png").exists()
    assert (run / "curves.png").exists()
    assert load_model(run).info.step == 1


def test_the_picture_of_a_run_has_a_chart_for_each_term_figure_and_rate(
    people: Path, others: Path, tmp_path: Path
) -> None:
    groups = {"b": {"match": ["backbone.*"], "lr": 1e-4}}
    run = train(small_recipe(people, others, optim__groups=groups), tmp_path / "run")
    charts = {panel.title: panel for panel in panels(lines(run))}
    assert {"loss", "loss: pose", "validation: mpjpe", "learning rate: b"} <= set(charts)
    assert charts["loss: pose"].y.tolist() == [line[1]["pose"] for line in losses(run)]
    mpjpe = [line["validation"]["mpjpe"] for line in lines(run) if "validation" in line]
    assert charts["validation: mpjpe"].y.tolist() == mpjpe
    assert charts["validation: mpjpe"].mark == mpjpe.index(min(mpjpe))


@pytest.mark.slow
def test_a_compiled_network_trains_as_the_plain_one_and_goes_on_exactly(
    people: Path, tmp_path: Path
) -> None:
    changes: dict[str, Any] = {
        "model__options": {  # without dropout: compiled code draws other numbers
            "backbone": "tiny", "head": "iterative", "hidden": 32, "iterations": 1, "dropout": 0.0,
        },
        "train__epochs": 1, "train__checkpoint_every": 2, "train__keep": 9, "optim__name": "sgd",
    }  # fmt: skip
    plain = train(small_recipe(people, **changes), tmp_path / "plain")
    compiled = small_recipe(people, train__compile=True, **changes)
    run = train(compiled, tmp_path / "run")
    for (_, ours, _), (_, theirs, _) in zip(losses(run), losses(plain), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    whole = losses(run)
    forget_after(run, 2)
    train(compiled, run, resume=True)
    assert losses(run) == whole


@pytest.mark.slow
def test_weights_that_are_shared_out_learn_as_whole_ones_and_are_saved_whole(
    people: Path, others: Path, tmp_path: Path
) -> None:
    recipe = shared(people, others, optim__clip_norm=1.0, optim__ema=0.5)
    run = tmp_path / "shared"
    in_two_processes(recipe, run)
    plain = recipe.model_copy(
        update={"train": recipe.train.model_copy(update={"sharding": "none"})}
    )
    in_two_processes(plain, tmp_path / "whole")
    for (_, ours, _), (_, theirs, _) in zip(losses(run), losses(tmp_path / "whole"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert "unused" not in (tmp_path / "whole/log.txt").read_text()  # DDP looks for nothing
    one, other = weights(run), weights(tmp_path / "whole")
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-4, atol=1e-6)
    measured = [
        [x["validation"] for x in lines(r) if "validation" in x] for r in (run, tmp_path / "whole")
    ]
    assert measured[0][0]["mpjpe"] == pytest.approx(measured[1][0]["mpjpe"], rel=1e-4)
    whole = losses(run)
    forget_after(run, 2)
    in_two_processes(recipe, run, resume=True)
    assert losses(run) == whole


def shared(people: Path, others: Path, **changes: Any) -> Recipe:
    """-> a recipe of a network whose weights are shared out."""
    return small_recipe(
        people, others, train__sharding="fsdp", train__batch_norm="frozen", optim__name="sgd",
        optim__lr=1e-3, train__epoch_samples=16, train__epochs=2, train__checkpoint_every=1,
        train__keep=9, **changes,
    )  # fmt: skip
