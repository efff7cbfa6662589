"""A recipe can ask for kernels that repeat themselves; the next training is not asked."""

import os
from pathlib import Path

import pytest
import torch

from hpscli.nn.files import read_tensors
from hpscli.recipe import Recipe
from hpscli.train.loop import train
from hpscli.train.scaling.processes import open_processes
from hpscli.train.scaling.repeating import WORKSPACE
from tests.train.labelled import labelled_people, small_recipe


def asked(recipe: Recipe, run: Path) -> tuple[str, str, bool]:
    """-> cuBLAS's workspace, deterministic kernels, cuDNN's search, as in a training."""
    with open_processes(recipe, run, "cpu", ""):
        return settings()


def settings() -> tuple[str, str, bool]:
    kernels = ("any", "steady, or a warning", "steady")[torch.get_deterministic_debug_mode()]
    return os.environ.get(WORKSPACE, ""), kernels, torch.backends.cudnn.benchmark


def test_a_training_takes_kernels_that_repeat_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(WORKSPACE, raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = settings()
    steady = small_recipe(tmp_path, train__deterministic=True)
    assert asked(steady, tmp_path / "a") == (":4096:8", "steady, or a warning", False)
    assert settings() == asked(small_recipe(tmp_path), tmp_path / "b") == before


def test_a_workspace_that_somebody_chose_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKSPACE, ":16:8")
    steady = small_recipe(tmp_path, train__deterministic=True)
    assert asked(steady, tmp_path / "a")[0] == os.environ[WORKSPACE] == ":16:8"


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_two_runs_of_one_seed_end_with_equal_weights(device: str, tmp_path: Path) -> None:
    people = labelled_people(tmp_path / "people", 16, split="train")
    recipe = small_recipe(people, train__deterministic=True)
    runs = [train(recipe, tmp_path / name, device=device, validate=False) for name in "ab"]
    one, two = (read_tensors(run / "checkpoints/last.safetensors") for run in runs)
    assert one.keys() == two.keys()
    assert all(torch.equal(values, two[name]) for name, values in one.items())
