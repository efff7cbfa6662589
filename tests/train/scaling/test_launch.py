"""Several processes on one machine: the same figures, and a good end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hpscli.errors import UsageError
from hpscli.recipe import to_toml
from hpscli.train.scaling import launch, stopping
from hpscli.train.scaling.processes import threads_for
from tests.train.labelled import labelled_people, small_recipe


def test_a_stop_signal_sets_a_flag_and_the_old_handler_returns() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stopping.stop_signals() as stop:
        assert not stop.now()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.now()
        with pytest.raises(KeyboardInterrupt):  # who asks twice does not want to wait
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_process_whose_launcher_is_gone_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stopping.PARENT, "999999999")
    with stopping.stop_signals() as stop:
        assert stop.now()


def test_more_gpus_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--gpus 4096.*--device cpu|--gpus 4096"):
        launch.check_gpus(4096)


JOB = """
import os, sys, time
rank = int(os.environ["RANK"])
assert os.environ["WORLD_SIZE"] == "2" and os.environ["MASTER_PORT"]
if sys.argv[1] == "fail" and rank == 1:
    sys.exit(5)
time.sleep(0.0 if sys.argv[1] == "end" else 30)
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m hpscli WORD` becomes a small program: launching is what is tested."""
    (tmp_path / "hpscli.py").write_text(JOB)
    monkeypatch.chdir(tmp_path)


def test_a_job_ends_with_0_when_all_do(job: None) -> None:
    assert launch.launch(["end"], 2) == launch.Ending(0)


def test_when_one_process_fails_the_others_are_stopped(job: None) -> None:
    start = time.monotonic()
    assert launch.launch(["fail"], 2) == launch.Ending(5, rank=1, cause=5)
    assert time.monotonic() - start < 20


@pytest.mark.slow
def test_two_processes_train_as_one_with_their_batches_together(tmp_path: Path) -> None:
    people = labelled_people(tmp_path / "train", 20, split="train")
    others = labelled_people(tmp_path / "validation", 5, seed=100, split="validation")
    recipe = tmp_path / "small.toml"
    recipe.write_text(to_toml(small_recipe(people, others, train__epochs=1)))
    run = tmp_path / "run"
    command = [sys.executable, "-m", "hpscli", "train", str(recipe), "--out", str(run)]
    done = subprocess.run(
        [*command, "--processes", "2"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "4 x 2 processes = 8" in done.stderr
    assert done.stderr.count("1/2 ") == 1  # one process talks
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["samples"] for line in lines if "losses" in line] == [8, 16]
    assert lines[-1]["validation"]["mpjpe"] > 0
    again = [*command[:4], "--resume", str(run), "data.workers=1", "--processes", "2"]
    done = subprocess.run(again, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "step 2 of 2" in done.stderr


@pytest.mark.parametrize(
    ("cores", "processes", "workers", "threads"),
    [(2, 1, 1, 1), (2, 1, 0, 2), (1, 1, 1, 1), (16, 2, 2, 6), (2, 4, 1, 1)],
)
def test_threads_and_workers_share_the_cores(
    cores: int, processes: int, workers: int, threads: int
) -> None:
    assert threads_for(cores, processes, workers) == threads
