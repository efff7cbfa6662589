"""Two trainings in one run folder: the second one waits for the first to end, or is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from hpscli.errors import UsageError
from hpscli.train.keeping import claim
from hpscli.train.keeping.state import clear_unsaved
from hpscli.train.loop import train
from tests.train.labelled import labelled_people, small_recipe

HOLD = """
import fcntl, sys, time
file = open(sys.argv[1], "r+")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    people = labelled_people(tmp_path / "people", 4, split="train")
    recipe = small_recipe(people, train__epochs=1, train__epoch_samples=4)
    return train(recipe, tmp_path / "run")


def another(run: Path, seconds: float) -> "subprocess.Popen[str]":
    """-> a process that holds a run folder for so long."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(run / "recipe.toml"), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_run_that_another_training_is_in_is_neither_continued_nor_cleared(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "PATIENCE_SECONDS", 0.0)
    recipe = small_recipe(run.parent / "people", train__epochs=1, train__epoch_samples=4)
    before = (run / "log.txt").read_text()
    process = another(run, 60)
    try:
        with pytest.raises(UsageError, match="another training is in"):
            train(recipe, run, resume=True)
        for path in (run / "checkpoints").glob("*.state.pt"):
            path.unlink()
        with pytest.raises(UsageError, match="another training is in"):
            clear_unsaved(run)
    finally:
        process.kill()
        process.wait()
    assert (run / "log.txt").read_text() == before
    assert not claim.in_use(run)


def test_a_training_that_is_ending_is_waited_for(run: Path) -> None:
    recipe = small_recipe(run.parent / "people", train__epochs=1, train__epoch_samples=4)
    told: list[str] = []
    process = another(run, 1.0)
    train(recipe, run, resume=True, say=lambda label, text: told.append(label))
    process.wait()
    assert told[0] == "waiting" and told[-1] == "done"
