"""Asked to stop in a long validation or export: it is left soon, and done again by the run that goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from hpscli.errors import Interrupted
from hpscli.nn.files import read_tensors
from hpscli.recipe import Recipe, to_toml
from hpscli.train.loop import train
from hpscli.train.scaling.launch import meeting_port, place
from hpscli.train.scaling.stopping import PARENT
from tests.programs import START_SECONDS, program, programs
from tests.run.people import write_people
from tests.train.labelled import labelled_people, small_recipe

OTHERS = 41  # an odd number: of two processes one has a batch more
SLOW_SECONDS = 3.0
SOON_SECONDS = 45.0  # shorter than a validation, also where two processes share it
HEARD: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
# `hps`, in which the network takes some seconds for each batch of a validation
SLOW = f"""
import time
import hpscli.run.evaluating.measuring as measuring
from hpscli.cli.app import main

said = measuring._said

def slowly(*words):
    print("validating", flush=True)
    time.sleep({SLOW_SECONDS})
    return said(*words)

measuring._said = slowly
main()
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(tmp_path_factory.mktemp("people") / "train", 20, split="train")


@pytest.fixture(scope="module")
def recipe(people: Path) -> Recipe:
    """A recipe that measures OTHERS people, one at a time."""
    others = labelled_people(people.parent / "others", OTHERS, seed=100, split="validation")
    changes: dict[str, Any] = {"model__options__dropout": 0.5, "data__validation__batch": 1}
    return small_recipe(people, others, **changes)


def lines(run: Path) -> list[dict[str, Any]]:
    """-> what a run has logged, without what is another thing each time."""
    found = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    counted = ("step", "losses", "lr", "validation")
    return [{name: line[name] for name in counted if name in line} for line in found]


def slow_train(recipe: Recipe, run: Path) -> list[str]:
    """-> the words of a slow `hps train` on the CPU."""
    file = run.with_suffix(".toml")
    file.write_text(to_toml(recipe))
    words = ["train", str(file), "--out", str(run), "--device", "cpu", "--resume"]
    return [sys.executable, "-c", SLOW, *words]


def validates(process: "subprocess.Popen[str]") -> None:
    """Return when the first people are measured."""
    end = time.monotonic() + START_SECONDS
    assert process.stdout is not None
    while process.stdout.readline() != "validating\n":
        assert time.monotonic() < end and process.poll() is None


def as_unbroken(recipe: Recipe, run: Path, other: Path) -> None:
    """Assert that an interrupted run, which goes on, ends as one that nothing has broken."""
    train(recipe, run, resume=True)
    train(recipe, other)
    assert lines(run) == lines(other)
    ours, theirs = (read_tensors(r / "checkpoints/last.safetensors") for r in (run, other))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
def test_a_process_that_is_told_to_end_leaves_a_long_validation(
    recipe: Recipe, tmp_path: Path
) -> None:
    with program(slow_train(recipe, tmp_path / "run"), **HEARD) as process:
        validates(process)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=120)
        assert time.monotonic() - asked < SOON_SECONDS
    assert process.returncode == Interrupted.exit_code
    assert "stopped in the validation after step 4 of 8; everything is saved" in said
    assert not any("validation" in line for line in lines(tmp_path / "run"))
    as_unbroken(recipe, tmp_path / "run", tmp_path / "unbroken")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("count", "heard_by"),
    [(OTHERS, (0, 1)), (9, (1,)), (1, (0,))],
    ids=["all hear it", "the one with fewer batches hears it", "one has nobody to measure"],
)
def test_processes_leave_a_validation_together(
    people: Path, tmp_path: Path, count: int, heard_by: tuple[int, ...]
) -> None:
    others = labelled_people(tmp_path / "others", count, seed=100, split="validation")
    recipe = small_recipe(people, others, data__validation__batch=1)
    run = tmp_path / "run"
    with meeting_port() as port:
        places = [{**os.environ, **place(rank, 2, port), PARENT: "0"} for rank in range(2)]
        with programs(slow_train(recipe, run), places, **HEARD) as job:
            validates(job[heard_by[0]])
            asked = time.monotonic()
            for rank in heard_by:
                job[rank].send_signal(signal.SIGTERM)
            said = [process.communicate(timeout=120)[1] for process in job]
            assert time.monotonic() - asked < SOON_SECONDS
    assert [process.returncode for process in job] == [130, 130], said
    assert "stopped in the validation after step 2 of 4; everything is saved" in said[0]
    assert not any("validation" in line for line in lines(run))


def test_a_signal_that_comes_before_a_validation_is_not_lost(
    recipe: Recipe, tmp_path: Path
) -> None:
    def stop(label: str, text: object) -> None:
        if label == "4/8":  # its step is done, and the epoch with it
            os.kill(os.getpid(), signal.SIGUSR2)

    with pytest.raises(Interrupted, match="in the validation after step 4 of 8"):
        train(recipe, tmp_path / "run", say=stop)
    as_unbroken(recipe, tmp_path / "run", tmp_path / "unbroken")


def test_an_export_is_left_and_made_by_the_run_that_goes_on(people: Path, tmp_path: Path) -> None:
    tested = write_people(tmp_path / "tested", 40, seed=50)
    export = {"writer": "mp2022", "shards": str(tested)}
    recipe = small_recipe(people, train__epochs=1, export=export)
    run = tmp_path / "run"

    def stop(label: str, text: object) -> None:
        if label == "crop":  # the last word before people are predicted
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="in the export after step 4"):
        train(recipe, run, say=stop)
    assert not list(run.glob("*.csv")) and not (run / "finished.json").exists()
    train(recipe, run, resume=True)
    assert len(list(run.glob("*.csv"))) == 1 and (run / "finished.json").exists()
