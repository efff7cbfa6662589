"""The state of a run: random generators, what is refused, and links that never point to nothing."""

import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.recipe import to_toml
from hpscli.train.keeping import state
from tests.nn.test_checkpoints import info
from tests.train.labelled import small_recipe


def draw() -> tuple[float, float, float, float]:
    return random.random(), float(np.random.randn()), float(torch.rand(1)), float(np.random.rand())


def saved_run(run: Path, steps: tuple[int, ...] = (3,), keep: int = 5) -> Path:
    for step in steps:
        state.save(run, {"a": torch.ones(2) * step}, info(step=step), {"step": step},
                   best=step == steps[0], keep=keep)  # fmt: skip
    return run


def test_every_random_generator_is_restored(tmp_path: Path) -> None:
    np.random.randn()  # leaves half of a pair behind, which is state too
    path = tmp_path / "random.state.pt"
    torch.save({"schema": state.SCHEMA, "random": state.random_state()}, path)
    expected = draw()
    assert draw() != expected
    state.restore_random_state(state.read_state(path)["random"])
    assert draw() == expected


def test_the_newest_checkpoint_with_a_whole_state_is_taken(tmp_path: Path) -> None:
    run = saved_run(tmp_path, (3, 6))
    state.state_path(run / "checkpoints/step-00000006.safetensors").unlink()
    path, weights, about, found = state.load(run)
    assert (path.name, about.step, found["step"]) == ("step-00000003.safetensors", 3, 3)
    assert weights["a"].tolist() == [3, 3]


def test_only_the_newest_are_kept_and_the_best(tmp_path: Path) -> None:
    run = saved_run(tmp_path, (1, 2, 3, 4), keep=2)
    names = sorted(path.name for path in (run / "checkpoints").glob("step-*"))
    assert names == [
        "step-00000001.safetensors",
        "step-00000003.safetensors",
        "step-00000003.state.pt",
        "step-00000004.safetensors",
        "step-00000004.state.pt",
    ]


def test_what_a_killed_process_left_half_written_goes(tmp_path: Path) -> None:
    run = saved_run(tmp_path)
    rest = run / "checkpoints/.step-00000004.safetensors.123.tmp"
    rest.write_bytes(b"half")
    saved_run(run, (5,))
    assert not rest.exists()


def test_links_are_relative_so_that_a_run_can_be_moved(tmp_path: Path) -> None:
    run = saved_run(tmp_path / "here")
    moved = run.rename(tmp_path / "there")
    assert (moved / "checkpoints/last.safetensors").resolve().is_file()


def test_a_damaged_state_says_what_to_do(tmp_path: Path) -> None:
    run = saved_run(tmp_path)
    path = state.state_path(run / "checkpoints/step-00000003.safetensors")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InvalidData, match="cannot be read safely as the state of a run"):
        state.load(run)


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("open('broken-in', 'w')",)


def test_a_state_that_wants_to_run_code_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.state.pt"
    path.write_bytes(pickle.dumps({"schema": Hostile()}, protocol=2))
    with pytest.raises(InvalidData):
        state.read_state(path)
    assert not (tmp_path / "broken-in").exists()


def test_resuming_from_bare_weights_says_that_init_is_meant(tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"")
    with pytest.raises(UsageError, match=rf"weights only.*--init {file}"):
        state.check_resumable(file)


def test_resuming_from_a_checkpoint_of_a_run_names_both_ways(tmp_path: Path) -> None:
    file = saved_run(tmp_path) / "checkpoints/step-00000003.safetensors"
    with pytest.raises(UsageError) as raised:
        state.check_resumable(file)
    assert f"--resume {tmp_path}" in raised.value.fix
    assert f"--init {file}" in raised.value.fix


def test_the_folder_of_a_recipe_means_its_newest_run(tmp_path: Path) -> None:
    saved_run(tmp_path / "2026-01-01T00-00-00")
    newest = saved_run(tmp_path / "2026-01-02T00-00-00")
    assert state.check_resumable(tmp_path) == newest


def test_of_runs_with_names_of_their_own_none_is_continued_by_chance(tmp_path: Path) -> None:
    for name in ("r0", "r1"):
        saved_run(tmp_path / name)
    with pytest.raises(UsageError, match="a folder of runs: r0, r1"):
        state.check_resumable(tmp_path)


def test_a_run_that_stopped_before_its_first_checkpoint_says_to_start_again(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(to_toml(small_recipe(tmp_path)))
    with pytest.raises(MissingError, match="stopped before its first") as raised:
        state.check_resumable(tmp_path)
    assert f"start it again: hps train RECIPE --out {tmp_path}" in raised.value.fix


def test_a_run_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        state.check_resumable(tmp_path / "nowhere")


def test_a_run_goes_on_with_its_own_recipe_only(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    (tmp_path / "recipe.toml").write_text(to_toml(recipe))
    state.check_recipe(
        tmp_path, small_recipe(tmp_path, data__workers=7, train__keep=9, optim__batch=2)
    )
    with pytest.raises(UsageError, match=r"optim\.lr: 0\.001 in the run, 0\.1 asked for"):
        state.check_recipe(tmp_path, small_recipe(tmp_path, optim__lr=0.1))


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")],
)
def test_too_little_memory_does_not_make_a_checkpoint_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run = saved_run(tmp_path, (3, 6))

    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(type(error)):
        state.load(run)


class Gpus:
    """The random generators of the GPUs that a process sees, as torch keeps them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int, own: int) -> None:
        self.states = [torch.tensor([index], dtype=torch.uint8) for index in range(count)]
        self.own = own
        for name in ("get_rng_state", "set_rng_state"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: own)

    def get_rng_state(self) -> torch.Tensor:
        return self.states[self.own]

    def set_rng_state(self, state: torch.Tensor) -> None:
        self.states[self.own] = state

    def numbers(self) -> list[int]:
        return [int(state) for state in self.states]


def test_a_process_keeps_the_random_numbers_of_its_own_gpu_wherever_that_is_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Gpus(monkeypatch, count=4, own=2)
    stored = state.random_state()
    later = Gpus(monkeypatch, count=4, own=1)
    state.restore_random_state(stored)
    assert later.numbers() == [0, 2, 2, 3]


@pytest.mark.parametrize(("count", "own", "expected"), [(4, 1, [0, 51, 2, 3]), (1, 0, [50])])
def test_states_of_older_versions_have_those_of_every_gpu(
    monkeypatch: pytest.MonkeyPatch, count: int, own: int, expected: list[int]
) -> None:
    every = [torch.tensor([50 + index], dtype=torch.uint8) for index in range(4)]
    gpus = Gpus(monkeypatch, count, own)
    state.restore_random_state({**state.random_state(), "cuda": every})
    assert gpus.numbers() == expected
