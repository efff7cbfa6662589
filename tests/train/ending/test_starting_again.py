"""A training that ended by itself: what is told to type is right, and works."""

import json
import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hpscli.errors import HpsError, InvalidData, UsageError
from hpscli.nn.checkpoints import load_model
from hpscli.recipe import Recipe, to_toml
from hpscli.records import Prediction
from hpscli.run.evaluating import measuring
from hpscli.train import loop
from hpscli.train.keeping.state import check_recipe, clear_unsaved
from hpscli.train.loop import train
from hpscli.train.scaling.launch import meeting_port, place
from hpscli.train.scaling.stopping import PARENT
from tests.programs import programs
from tests.train.labelled import labelled_people, small_recipe

MORE_THAN_ANY = 1 << 46  # numbers: beyond what a process can address


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(tmp_path_factory.mktemp("people") / "train", 20, split="train")


def diverging(people: Path, checkpoint_every: int) -> Recipe:
    return small_recipe(
        people,
        optim__lr=1e30,
        optim__schedule="constant",
        train__checkpoint_every=checkpoint_every,
    )


def test_a_run_that_failed_before_its_first_checkpoint_is_started_again_in_its_folder(
    people: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(InvalidData, match="not finite at step 2") as raised:
        train(diverging(people, 1000), run)
    assert f"start again: hps train RECIPE --out {run}" in raised.value.fix
    assert "--resume" not in raised.value.fix
    assert list(run.glob("not-finite-*.json"))
    (run / ".curves.png.1.part").write_text("of a process that was killed")
    train(small_recipe(people), run)
    assert load_model(f"{run}@last").info.step == 8
    assert not list(run.glob("not-finite-*.json")) and not list(run.glob(".*"))
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "losses" in line] == list(range(1, 9))


def test_a_run_that_failed_after_a_checkpoint_is_continued(people: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidData) as raised:
        train(diverging(people, 1), tmp_path / "run")
    assert f"continue: hps train --resume {tmp_path / 'run'}" in raised.value.fix


@pytest.mark.parametrize("other", ["notes.txt", "finished.json", "checkpoints/last.safetensors"])
def test_a_folder_with_anything_else_in_it_stays_as_it_is(
    people: Path, tmp_path: Path, other: str
) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    for name in ("recipe.toml", "log.txt", other):
        (run / name).write_text("mine")
    clear_unsaved(run)
    with pytest.raises(UsageError, match="is not empty") as raised:
        train(small_recipe(people), run)
    assert "--resume" not in raised.value.fix
    assert all((run / name).read_text() == "mine" for name in ("recipe.toml", "log.txt", other))


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (1, "hps train RECIPE --out {run} optim.batch=2 optim.accumulate=2"),
        (4, "hps train --resume {run} optim.batch=2 optim.accumulate=2"),
    ],
)
def test_too_little_memory_is_told_with_what_takes_less(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, told: str
) -> None:
    known, calls = loop.in_float, []

    def greedy(prediction: Prediction) -> Prediction:
        calls.append(0)
        if len(calls) == step:
            torch.empty(MORE_THAN_ANY)
        return known(prediction)

    monkeypatch.setattr(loop, "in_float", greedy)
    recipe, run = small_recipe(people), tmp_path / "run"
    with pytest.raises(HpsError, match="memory of this machine does not suffice") as raised:
        train(recipe, run)
    assert told.format(run=run) in raised.value.fix
    assert "train.gradient_checkpointing=true or --dtype bf16" in raised.value.fix
    smaller = small_recipe(people, optim__batch=2, optim__accumulate=2)
    train(smaller, run, resume=step > 1)
    assert load_model(f"{run}@last").info.step == 8


def test_too_little_memory_in_a_validation_is_told_and_it_is_done_again_in_smaller_batches(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = labelled_people(tmp_path / "others", 9, seed=100, split="validation")
    known = measuring._said

    def greedy(model: Any, samples: list[Any], *words: Any) -> Prediction:
        torch.empty(MORE_THAN_ANY if len(samples) > 4 else 1)
        return known(model, samples, *words)

    monkeypatch.setattr(measuring, "_said", greedy)
    run = tmp_path / "run"
    with pytest.raises(HpsError, match="validation in batches of 16") as raised:
        train(small_recipe(people, others, data__validation__batch=16), run)
    assert f"hps train --resume {run} data.validation.batch=4" in raised.value.fix
    smaller = small_recipe(people, others, data__validation__batch=4)
    check_recipe(run, smaller)
    train(smaller, run, resume=True)
    assert (run / "finished.json").exists()


ONE_SEES_A_CHECKPOINT = """
import os, sys
from pathlib import Path
from hpscli.launched import leave
from hpscli.recipe import load_recipe
from hpscli.train.loop import train

later = os.environ["RANK"] == "1"
train(load_recipe(sys.argv[1]), Path(sys.argv[2]), resume=later, device="cpu")
leave(0)
"""


@pytest.mark.slow
def test_the_first_process_decides_whether_a_run_is_continued(people: Path, tmp_path: Path) -> None:
    file, run = tmp_path / "small.toml", tmp_path / "run"
    file.write_text(to_toml(small_recipe(people, train__epochs=1)))
    words = [sys.executable, "-c", ONE_SEES_A_CHECKPOINT, str(file), str(run)]
    with meeting_port() as port:
        places = [{**os.environ, **place(rank, 2, port), PARENT: "0"} for rank in range(2)]
        with programs(words, places) as job:
            assert [process.wait(180) for process in job] == [0, 0]
    assert load_model(f"{run}@last").info.step == 2


def test_a_killed_data_worker_is_told_with_what_helps(people: Path, tmp_path: Path) -> None:
    recipe = small_recipe(people, data__workers=2, train__epoch_samples=4000)
    others = set(multiprocessing.active_children())  # of tests before

    def kill_a_worker(label: str, text: object) -> None:
        if label == "3/2000":
            worker = next(iter(set(multiprocessing.active_children()) - others))
            worker.kill()

    with pytest.raises(HpsError, match="a data worker was killed") as raised:
        train(recipe, tmp_path / "run", say=kill_a_worker)
    assert "data.workers=1" in raised.value.fix
