"""A process of a job is killed or stopped: the others end within a minute, and one line says who it was."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hpscli.recipe import to_toml
from tests.programs import children, program, wait_until
from tests.train.labelled import labelled_people, small_recipe

pytestmark = pytest.mark.slow
WITHIN_SECONDS = 60.0


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lost")
    people = labelled_people(folder / "people", 20, split="train")
    file = folder / "small.toml"
    changes: dict[str, Any] = {"train__checkpoint_every": 2, "data__workers": 1}
    file.write_text(to_toml(small_recipe(people, train__epoch_samples=400_000, **changes)))
    return file


@contextmanager
def training(
    head: list[str], recipe: Path, run: Path, *words: str
) -> "Iterator[subprocess.Popen[str]]":
    """Start a job of several processes -> its launcher, when some steps are done."""
    command = [*head, "train", str(recipe), "--out", str(run), "--device", "cpu", *words]
    log = run / "log.jsonl"
    with program(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as launcher:
        wait_until(launcher, lambda: log.exists() and len(log.read_text().splitlines()) > 5, 0.1)
        yield launcher


def process(rank: int, run: Path) -> int:
    """-> the id of the process of this rank."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has just ended, or is another user's
            continue
        if str(run).encode() in words and f"RANK={rank}".encode() in environment:
            return int(folder.name)
    raise AssertionError(f"no process {rank}")


def last_words(launcher: "subprocess.Popen[str]") -> str:
    """-> what was said, when all have ended in time."""
    start = time.monotonic()
    _, said = launcher.communicate(timeout=WITHIN_SECONDS + 60)
    assert time.monotonic() - start < WITHIN_SECONDS
    assert launcher.returncode == 1
    return said


def test_one_of_four_is_killed(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with training([sys.executable, "-m", "hpscli"], recipe, run, "--gpus", "4") as launcher:
        os.kill(process(2, run), signal.SIGKILL)
        said = last_words(launcher)
    assert "process 2 of 4 was killed by SIGKILL" in said
    assert f"Continue: hps train --resume {run} --gpus 4 --device cpu" in said
    assert "Traceback" not in said and said.count("error  ") == 1


@pytest.mark.parametrize("rank", [0, 1])
def test_one_of_two_is_stopped(recipe: Path, tmp_path: Path, rank: int) -> None:
    run = tmp_path / "run"
    with training([sys.executable, "-m", "hpscli"], recipe, run, "--gpus", "2") as launcher:
        os.kill(process(rank, run), signal.SIGSTOP)
        said = last_words(launcher)
    assert f"process {rank} of 2 is lost" in said
    assert f"hps train --resume {run}" in said
    assert "Traceback" not in said and said.count("error  ") == 1


@pytest.mark.parametrize("rank", [0, 1])
def test_one_of_two_that_fails_alone_has_the_last_word(
    recipe: Path, tmp_path: Path, rank: int
) -> None:
    run = tmp_path / "run"
    with training([sys.executable, "-m", "hpscli"], recipe, run, "--gpus", "2") as launcher:
        servers = children(process(rank, run))  # of its data workers
        (worker,) = [worker for server in servers for worker in children(server)]
        os.kill(worker, signal.SIGKILL)
        said = last_words(launcher)
    assert said.count("a data worker was killed") == 1
    assert f"process {rank} of 2 ended with the error above" in said


def test_the_others_of_torchrun_say_who_was_killed(recipe: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    head = [str(Path(sys.executable).with_name("torchrun")), "--nproc-per-node", "2", "-m"]
    with training([*head, "hpscli"], recipe, run) as launcher:
        os.kill(process(1, run), signal.SIGKILL)
        said = last_words(launcher)
    ours = said.partition("torch.distributed.elastic")[0].partition("Traceback")[0]
    assert "process 1 of 2 is lost" in ours  # torchrun shows where its own program ended after that
