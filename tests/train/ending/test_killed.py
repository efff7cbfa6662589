"""Killed at any moment, started again with the same command: the end is that of an unbroken run."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from hpscli.nn.files import read_tensors
from hpscli.recipe import to_toml
from hpscli.train.loop import train
from tests.train.labelled import labelled_people, small_recipe

KILLS = 3
STEPS = 36
START_SECONDS = 120.0


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    people = labelled_people(tmp_path / "people", 20, split="train")
    changes: dict[str, Any] = {
        "model__options__dropout": 0.5,
        "optim__ema": 0.9,
        "train__checkpoint_every": 3,
    }
    recipe = small_recipe(people, train__epoch_samples=2 * STEPS, data__workers=1, **changes)
    (tmp_path / "small.toml").write_text(to_toml(recipe))
    unbroken, run = train(recipe, tmp_path / "unbroken"), tmp_path / "run"
    command = [sys.executable, "-m", "hpscli", "train", str(tmp_path / "small.toml"), "--quiet"]
    command += ["--device", "cpu", "--out", str(run), "--resume"]
    chance = random.Random(5)
    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for_steps(run, chance.randint(1, STEPS // KILLS), process)
        time.sleep(chance.random() / 20)  # within a step, or a checkpoint that is being written
        process.kill()
        process.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    ours, theirs = (read_tensors(r / "checkpoints/last.safetensors") for r in (run, unbroken))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    steps = [line.partition(",")[0] for line in (run / "log.jsonl").open() if "losses" in line]
    expected = (
        line.partition(",")[0] for line in (unbroken / "log.jsonl").open() if "losses" in line
    )
    assert steps == list(expected)


def wait_for_steps(run: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    """Return when a process that was just started has logged so many lines, or has ended."""
    log, end = run / "log.jsonl", time.monotonic() + START_SECONDS
    began = log.stat().st_mtime_ns if log.exists() else 0
    seen: set[str] = set()
    while len(seen) < count and process.poll() is None:
        assert time.monotonic() < end
        if log.exists() and log.stat().st_mtime_ns != began:
            seen |= set(log.read_text().splitlines()[-1:])
        time.sleep(0.005)
