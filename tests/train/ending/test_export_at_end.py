"""The file of a leaderboard at the end of a training: made once, of the right weights, and checked."""

import json
from pathlib import Path

import numpy as np
import pytest

from hpscli.errors import MissingError, UsageError
from hpscli.recipe import Recipe
from hpscli.run.exporting.export_preds import export
from hpscli.run.exporting.request import ExportRequest
from hpscli.train import plan
from hpscli.train.loop import train
from tests.run.people import write_people
from tests.train.labelled import labelled_people, small_recipe

FILE = "test_pred_joints.csv"
TEST = 5


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(tmp_path_factory.mktemp("people") / "train", 8, split="train")


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("tested") / "test", TEST, seed=50)


def course(people: Path, tested: Path) -> Recipe:
    return small_recipe(
        people,
        train__epochs=1,
        train__epoch_samples=8,
        export={"writer": "mp2022", "shards": str(tested)},
    )


def finished(run: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads((run / "finished.json").read_text())
    return document


def test_a_training_ends_with_the_file_that_its_recipe_asks_for(
    people: Path, tested: Path, tmp_path: Path
) -> None:
    run = train(course(people, tested), tmp_path / "run")
    rows = np.loadtxt(run / FILE, delimiter=",")
    assert rows.shape == (TEST, 147)
    said = finished(run)["export"]
    assert isinstance(said, dict)
    assert (said["file"], said["people"], said["refused"]) == (FILE, TEST, [])
    assert "how many the test list has is not known here" in (run / "log.txt").read_text()


def test_the_file_is_the_one_that_export_preds_makes_of_the_run(
    people: Path, tested: Path, tmp_path: Path
) -> None:
    run = train(course(people, tested), tmp_path / "run")
    again = tmp_path / "again" / FILE
    request = ExportRequest(
        writer="mp2022", source=str(run), shards=str(tested), out=again, device="cpu"
    )
    assert export(request, lambda label, text: None, _quiet) is not None
    assert again.read_bytes() == (run / FILE).read_bytes()


def test_a_resumed_run_that_had_ended_gets_the_missing_file_and_keeps_it(
    people: Path, tested: Path, tmp_path: Path
) -> None:
    recipe = course(people, tested)
    run = train(recipe, tmp_path / "run")
    before = (run / FILE).read_bytes()
    (run / FILE).unlink()
    train(recipe, run, resume=True)
    assert (run / FILE).read_bytes() == before
    (run / FILE).write_text("mine")
    train(recipe, run, resume=True)
    assert (run / FILE).read_text() == "mine"


def test_a_training_whose_test_people_are_gone_can_be_ended_later(
    people: Path, tested: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    recipe = course(people, gone)
    with pytest.raises(MissingError, match="gone"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "finished.json").exists()
    gone.symlink_to(tested)
    run = train(recipe, tmp_path / "run", resume=True)
    assert (run / FILE).is_file()
    assert finished(run)["step"] == 2


def test_the_people_of_the_file_are_looked_for_before_the_training(
    people: Path, tmp_path: Path
) -> None:
    parts = plan.check_shards(course(people, tmp_path / "nowhere"))
    problem = next(part.problem for part in parts if part.name == "export")
    assert problem is not None
    assert "nowhere has no index.json" in problem.problem
    assert "or train without: export.writer=" in problem.fix


def test_a_leaderboard_that_nobody_knows_is_refused_before_the_training(people: Path) -> None:
    recipe = small_recipe(people, export={"writer": "mp2O22", "shards": "anywhere"})
    with pytest.raises(UsageError, match="no leaderboard named 'mp2O22'"):
        plan.check_recipe(recipe, 1, keep_lr=False, scale_lr=False)


def test_a_fast_dev_run_exports_a_few(people: Path, tested: Path, tmp_path: Path) -> None:
    recipe = plan.adjusted(course(people, tested), 1, fast=True)
    assert recipe.export is not None
    assert recipe.export.limit == plan.FAST_EXPORT
    limited = plan.adjusted(course(people, tested), 1, fast=True, limit=2)
    run = train(limited, tmp_path / "run")
    assert np.loadtxt(run / FILE, delimiter=",").shape == (2, 147)


def _quiet(label: str, total: int, unit: str):  # type: ignore[no-untyped-def]
    from contextlib import nullcontext

    return nullcontext(lambda count: None)
