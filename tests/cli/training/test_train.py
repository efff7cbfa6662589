"""hps train as people type it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hpscli.cli.app import run as hps
from hpscli.errors import HpsError, Interrupted, UsageError
from hpscli.nn.checkpoints import load_model
from hpscli.recipe import load_recipe
from hpscli.train.scaling.launch import FIRST_SECONDS
from tests.cli.training.asking import fails, lines_of, said
from tests.programs import program


def test_a_fast_dev_run_goes_through_everything(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--fast-dev-run", "--out", "run"]) == 0
    out, err = capsys.readouterr()
    assert out == "run\n"
    assert "1/1" in err
    assert "epoch 1" in err
    assert "hps eval run --testset synthetic" in err
    assert load_model("run").info.step == 1


def test_a_run_that_has_not_begun_leaves_no_folder_and_one_that_has_keeps_it(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*order: object) -> None:
        (run,) = Path("runs/small").iterdir()  # is there at once, so that nobody else takes it
        assert not any(run.iterdir())
        raise UsageError("not today.")

    with monkeypatch.context() as patch:
        patch.setattr("hpscli.cli.training.starting._train", refuse)
        fails([recipe], 2, "not today", capsys)
    assert not Path("runs").exists()
    assert hps(["train", recipe, "--fast-dev-run"]) == 0
    assert load_model(capsys.readouterr().out.strip()).info.step == 1


MAKEABLE = """
base = "tiny"
name = "makeable"
[data.mix.synthetic]
shards = "made/train"
prepare = "synthetic --split train --count 32 --size 64 --workers 1"
[optim]
batch = 8
"""


def test_missing_people_that_need_no_files_are_made_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("makeable.toml").write_text(MAKEABLE)
    words = ["train", "makeable.toml", "--no-validate", "train.overlays=0"]
    assert hps([*words, "--dry-run"]) == 0
    text = said(capsys)
    assert "first       hps prepare synthetic --split train --count 32" in text
    assert "synthetic 1.00 not there: made first, when training starts" in text
    assert hps([*words, "--init", "nothing.pt"]) == 3
    assert "no checkpoint 'nothing.pt'" in said(capsys)
    assert not Path("made").exists()
    assert hps([*words, "--fast-dev-run", "--out", "run"]) == 0
    out, err = capsys.readouterr()
    assert out == "run\n" and "made/train is not there, but can be made" in err
    assert "tiny.toml data.mix" not in err  # what to type next is said by the training
    assert load_model("run").info.step == 1


def test_only_the_people_that_are_used_are_made_and_more_when_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("makeable.toml").write_text(MAKEABLE)
    words = ["train", "makeable.toml", "--no-validate", "train.overlays=0", "data.workers=0"]
    assert hps([*words, "--limit", "4", "optim.batch=4", "--fast-dev-run", "--out", "few"]) == 0
    assert "made/train is not there, but can be made: 4 people, about" in said(capsys)
    assert json.loads(Path("made/train/index.json").read_text())["samples"] == 4
    assert hps([*words, "train.epoch_samples=8", "train.epochs=1", "--out", "all"]) == 0
    assert "made/train was made for a smaller run: 32 people, about" in said(capsys)
    assert json.loads(Path("made/train/index.json").read_text())["samples"] == 32


def test_a_run_is_named_by_recipe_and_time(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hps(["train", recipe, "--fast-dev-run", "--no-validate", "--json", "-q"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    (made,) = Path("runs/small").iterdir()
    assert document == {"schema": "hps/train/1", "run": str(made)}
    assert err == ""


def test_a_run_can_be_repeated_from_its_own_recipe(recipe: str) -> None:
    words = ["train.epochs=1", "optim.lr=1e-2", "--seed", "7", "--limit", "8", "--no-validate"]
    assert hps(["train", recipe, *words, "--out", "first", "-q"]) == 0
    assert hps(["train", "first/recipe.toml", "--no-validate", "--out", "second", "-q"]) == 0
    stored = load_recipe("second/recipe.toml")
    assert (stored.seed, stored.optim.lr, stored.data.mix["people"].limit) == (7, 0.01, 8)
    logs = [
        [line["losses"] for line in lines_of(Path(run)) if "losses" in line]
        for run in ("first", "second")
    ]
    assert logs[0] == logs[1]


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["optim.lrr=1"], 2, "Did you mean 'optim.lr'?"),
        (["optim.lr=fast"], 2, "optim.lr"),
        (["fast"], 2, "'fast' is not key=value"),
        (["model.name=hmmr"], 2, "Did you mean 'hmr'?"),
        (["model.options.hiden=3"], 2, "Did you mean 'hidden'?"),
        (["data.joints=smpl25"], 2, "no joint set named 'smpl25'"),
        (["loss.pose3d=1"], 2, "no loss named 'pose3d'"),
        (["--tracker", "tensorbord"], 2, "Did you mean 'tensorboard'?"),
        (["optim.global_batch=64"], 2, "--scale-lr"),
        (["--dtype", "fp8"], 2, "train.dtype"),
        (["--gpus", "2", "--processes", "2"], 2, "Give one of them"),
        (["--resume", "--init", "x"], 2, "they exclude each other"),
        (["--resume", "run", "--out", "other"], 2, "both name a run"),
        (["--wait"], 2, "--wait follows a job of --slurm"),
        (["--slurm", "gpus=2", "--gpus", "2"], 2, "--slurm says how many processes"),
        (["--slurm", "gpu=2"], 2, "Did you mean 'gpus'?"),
        (["--slurm", "time=soon"], 2, "time=soon is no time"),
        (["--slurm", "tasks=3", "optim.global_batch=64"], 2, "--scale-lr"),
        (["--as-published"], 2, "does not say on which test set its authors chose"),
        (["--init", "nothing.safetensors"], 3, "no checkpoint 'nothing.safetensors'"),
    ],
)
def test_mistakes_end_in_one_message(
    recipe: str,
    words: list[str],
    code: int,
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fails([recipe, *words], code, expected, capsys)
    assert not Path("runs").exists()


def test_accelerate_on_the_cpu_is_told_to_say_the_processes_to_hps(
    recipe: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")  # as accelerate launch --cpu --num_processes 2
    monkeypatch.setenv("MASTER_PORT", "29500")
    fails([recipe], 2, "accelerate launch --cpu -m hpscli train RECIPE --processes N", capsys)


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher",
    [
        ["torchrun", "--nproc-per-node", "2", "-m", "hpscli"],
        ["accelerate", "launch", "--cpu", "-m", "hpscli"],
    ],
    ids=["torchrun", "accelerate"],
)
def test_the_launchers_of_others_start_two_processes(recipe: str, launcher: list[str]) -> None:
    head = [str(Path(sys.executable).with_name(launcher[0])), *launcher[1:], "train", recipe]
    words = ["--device", "cpu", "--fast-dev-run", "--no-validate", "--out", "run"]
    words = [*words[2:], "--processes", "2"] if launcher[0] == "accelerate" else words
    done = subprocess.run([*head, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("4 x 2 processes = 8") == 1
    assert json.loads(Path("run/environment.json").read_text())["processes"] == 2
    refused = [*head, "optim.global_batch=64", *words[:-1], *(["3"] if "2" in words else ["other"])]
    done = subprocess.run(refused, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and done.stderr.count("--scale-lr") == 1


@pytest.mark.parametrize(
    ("error", "code", "waits"),
    [(UsageError("all are wrong."), 2, True), (Interrupted("all have stopped."), 0, False)],
)
def test_the_end_of_the_first_process_is_that_of_all(
    error: HpsError,
    code: int,
    waits: bool,
    recipe: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(order: object) -> None:
        raise error

    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("hpscli.cli.training.starting._carry_out", fail)
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert hps(["train", recipe]) == code
    finally:
        signal.signal(signal.SIGTERM, before)
    assert slept == ([FIRST_SECONDS] if waits else [])  # in which the first one's end ends this one
    assert (error.problem in said(capsys)) == waits


PLUGIN: Any = '''
"""A model of a third party in one file."""

import torch
from hpscli.hooks import ModelSpec, hookimpl
from hpscli.body.layer import mean_parameters
from hpscli.body.rotations import rotation6d_to_matrix
from hpscli.records import Prediction


class Foo(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.out = torch.nn.Linear(3, 144 + 10 + 3)
        self.register_buffer("mean", torch.as_tensor(mean_parameters("smpl")["pose6d"]))

    def forward(self, image):
        x = self.out(image.mean((2, 3)))
        r = rotation6d_to_matrix((x[:, :144] + self.mean).view(-1, 24, 6), "interleaved")
        p = {"global_orient": r[:, 0], "body_pose": r[:, 1:], "betas": x[:, 144:154]}
        return Prediction(camera=x[:, 154:] + 1, parameters=p)


@hookimpl
def hps_models():
    return [ModelSpec(name="foo", build="foo:Foo", summary="Foo.", body="smpl",
                      input_size=(64, 64), licence="MIT", outputs=("camera", "parameters"))]
'''


def test_a_model_of_a_third_party_trains_with_the_same_recipe(
    recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hpscli.registry import get_registry

    Path("foo.py").write_text(PLUGIN)
    monkeypatch.setenv("HPS_PLUGINS", "foo.py")
    get_registry.cache_clear()
    try:
        assert hps(["train", recipe, "model.name=foo", "--fast-dev-run", "--out", "run", "-q"]) == 0
        assert load_model("run").spec.name == "foo"
    finally:
        get_registry.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_in_a_terminal_saves_and_the_run_goes_on(recipe: str, processes: int) -> None:
    command = [sys.executable, "-m", "hpscli", "train", recipe, "--processes", str(processes)]
    words = ["--no-validate", "train.epoch_samples=40000", "data.workers=1", "--out", "run"]
    with program([*command, *words], stderr=subprocess.PIPE, start_new_session=True) as training:
        assert training.stderr is not None
        for line in training.stderr:
            if line.startswith("3/"):
                os.killpg(training.pid, signal.SIGINT)  # as a terminal does: to everybody
                break
        rest = training.stderr.read()
        assert training.wait(60) == 130, rest
    assert "hps train --resume run" in rest
    assert "Traceback" not in rest
    assert load_model("run@last").info.step >= 3
