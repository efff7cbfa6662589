"""Two and four processes do what one does with the same global batch: keys, gradients, and after."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from hpscli.data.streaming import stream
from hpscli.nn.files import read_tensors
from hpscli.recipe import Recipe, to_toml
from hpscli.train.loop import train
from hpscli.train.scaling.launch import meeting_port, place
from hpscli.train.scaling.stopping import PARENT
from tests.programs import program, programs
from tests.train.labelled import labelled_people, small_recipe
from tests.train.recording import record
from tests.train.test_loop import losses

pytestmark = pytest.mark.slow
STEPS = 3
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(tmp_path_factory.mktemp("people") / "train", 20, split="train")


def recipe(people: Path, batch: int, **changes: Any) -> Recipe:
    """-> steps of 8 people for `8 / batch` processes: batch norms frozen, nothing dropped out."""
    return small_recipe(
        people,
        **{
            "model__options__dropout": 0.0,
            "optim__name": "sgd",
            "optim__momentum": 0.0,
            "optim__lr": 1e-3,
            "optim__batch": batch,
            "train__batch_norm": "frozen",
            "train__epochs": 1,
            "train__epoch_samples": 8 * STEPS,
            **changes,
        },
    )


def in_processes(world: int, made: Recipe, run: Path) -> None:
    """Record a training in the places that our launcher gives to the processes of a job."""
    file = run.with_suffix(".toml")
    file.write_text(to_toml(made))
    words = [sys.executable, "-m", "tests.train.recording", str(file), str(run)]
    with meeting_port() as port:
        places = [{**os.environ, **place(r, world, port), PARENT: "0"} for r in range(world)]
        with programs(words, places, cwd=ROOT) as job:
            assert [process.wait(240) for process in job] == [0] * world


def recorded(run: Path, world: int) -> tuple[list[tuple[str, ...]], list[list[torch.Tensor]]]:
    """-> the keys of each global batch, and its gradients."""
    ranks = [torch.load(run.with_suffix(f".{rank}.pt")) for rank in range(world)]
    keys = [sum((one["keys"][step] for one in ranks), ()) for step in range(STEPS)]
    return keys, ranks[0]["gradients"]


@pytest.fixture(scope="module")
def alone(people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("alone") / "run"
    record(recipe(people, 8), run)
    return run


@pytest.mark.parametrize("world", [2, 4])
def test_keys_and_gradients_are_those_of_one_process(
    people: Path, alone: Path, tmp_path: Path, world: int
) -> None:
    in_processes(world, recipe(people, 8 // world), tmp_path / "run")
    keys, gradients = recorded(tmp_path / "run", world)
    expected_keys, expected = recorded(alone, 1)
    assert keys == expected_keys
    assert len(gradients) == len(expected) == STEPS
    for ours, theirs in zip(gradients, expected, strict=True):
        whole, reference = (torch.cat([g.flatten() for g in one]) for one in (ours, theirs))
        assert float(reference.norm()) > 0
        assert float((whole - reference).norm() / reference.norm()) <= 1e-5


def test_a_run_of_two_goes_on_alone_without_losing_or_repeating_anybody(
    people: Path, alone: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    in_processes(2, recipe(people, 4, train__checkpoint_every=1, train__keep=9), run)
    for step in range(2, STEPS + 1):
        (run / f"checkpoints/step-{step:08}.state.pt").unlink()
    said: list[str] = []
    keys: list[tuple[str, ...]] = []
    make = stream.to_batch
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            stream, "to_batch", lambda p, *a, **k: keys.append(p.keys) or make(p, *a, **k)
        )
        one = recipe(people, 8, train__checkpoint_every=1, train__keep=9)
        train(one, run, resume=True, validate=False, say=lambda label, text: said.append(str(text)))
    assert keys[: STEPS - 1] == recorded(alone, 1)[0][1:]
    assert any("it was 2 processes x 4, it is 1 process x 8" in line for line in said)


def test_three_processes_that_go_on_repeat_the_unbroken_run_bit_for_bit(
    people: Path, tmp_path: Path
) -> None:
    """With two, sums do not depend on the order in which DDP lays gradients out; with three they do."""
    dropped = {"model__options__dropout": 0.5, "optim__name": "adam", "train__batch_norm": "plain"}
    file, run = tmp_path / "small.toml", tmp_path / "run"
    made = recipe(people, 2, train__epoch_samples=24, train__checkpoint_every=2, **dropped)
    file.write_text(to_toml(made))
    words = ["-m", "tests.train.forking", str(file), str(run), "3", "2"]
    with program([sys.executable, *words], cwd=ROOT) as forking:
        assert forking.wait(240) == 0
    assert "step 2 of 4" in (run / "log.txt").read_text()
    unbroken = run.with_suffix(".whole")
    assert losses(run) == losses(unbroken)
    ours, theirs = (read_tensors(r / "checkpoints/last.safetensors") for r in (run, unbroken))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
