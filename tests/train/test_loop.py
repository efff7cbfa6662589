"""The training loop: what a run leaves behind, and that a broken one goes on exactly."""

import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpscli.errors import HpsError, Interrupted, InvalidData, MissingError, UsageError
from hpscli.nn.checkpoints import load_model
from hpscli.nn.files import read_info, read_tensors
from hpscli.recipe import Recipe, to_toml
from hpscli.records import Prediction
from hpscli.train.loop import train
from hpscli.train.losses import standard_losses
from hpscli.train.scaling.launch import meeting_port
from hpscli.train.scaling.launch import place as place_of
from hpscli.train.scaling.stopping import PARENT
from tests.programs import program, programs, wait_until
from tests.run.people import write_people
from tests.train.labelled import labelled_people, small_recipe


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(tmp_path_factory.mktemp("people") / "train", 20, split="train")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(
        tmp_path_factory.mktemp("others") / "validation", 5, seed=100, split="validation"
    )


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def losses(run: Path) -> list[tuple[int, dict[str, float], float]]:
    """-> step, every loss and the learning rate of each logged step: what must be repeated."""
    return [(line["step"], line["losses"], line["lr"]) for line in lines(run) if "losses" in line]


def everything_random(train_shards: Path, **changes: Any) -> Recipe:
    """-> a recipe in which every kind of state matters: dropout, averages, workers, accumulation."""
    changes = {
        "model__options__dropout": 0.5,
        "optim__ema": 0.9,
        "optim__accumulate": 2,
        "optim__clip_norm": 1.0,
        "optim__warmup_steps": 3,
        "data__workers": 1,
        "train__epochs": 3,
        "train__epoch_samples": 80,  # 10 steps
        "train__log_every": 2,
        "train__checkpoint_every": 7,
        **changes,
    }
    return small_recipe(train_shards, **changes)


def test_a_run_leaves_what_its_folder_promises(people: Path, others: Path, tmp_path: Path) -> None:
    run = train(small_recipe(people, others, train__overlays=2), tmp_path / "run")
    names = {path.name for path in run.iterdir()}
    assert names == {
        "recipe.toml", "environment.json", "log.jsonl", "log.txt", "checkpoints", "samples", "curves.png",
        "finished.json",
    }  # fmt: skip
    assert len(list((run / "samples").glob("*.png"))) == 2
    model = load_model(run)
    assert model.info.metrics["mpjpe"] > 0
    assert model.info.epoch in (1, 2)
    assert load_model(f"{run}@last").info.step == 8


def test_a_run_with_a_batch_of_its_own_goes_on_without_saying_so_again(
    people: Path, tmp_path: Path
) -> None:
    recipe = small_recipe(people, optim__global_batch=99, train__epochs=1)
    with pytest.raises(UsageError, match="made for 99"):
        train(recipe, tmp_path / "run")
    run = train(recipe, tmp_path / "run", keep_lr=True)
    assert train(recipe, run, resume=True) == run
    with pytest.raises(UsageError, match="samples a step"):
        train(small_recipe(people, optim__global_batch=99, optim__batch=3), run, resume=True)


def test_a_run_without_validation_needs_none_of_its_people(people: Path, tmp_path: Path) -> None:
    recipe = small_recipe(people, tmp_path / "nowhere", train__overlays=2, train__epochs=1)
    run = train(recipe, tmp_path / "run", validate=False)
    assert len(list((run / "samples").glob("*.png"))) == 1
    assert "warning" not in (run / "log.txt").read_text()


def test_a_picture_that_fails_stops_nothing_and_is_named_once(people: Path, tmp_path: Path) -> None:
    def block(label: str, text: object) -> None:
        if label == "1/8":
            (tmp_path / "run" / "samples").write_text("a file where the folder should be")

    run = train(small_recipe(people, train__overlays=2), tmp_path / "run", say=block)
    assert (run / "finished.json").exists()
    assert (run / "log.txt").read_text().count("no picture after this epoch: ") == 1


def test_a_validation_that_fails_loses_nothing_and_is_done_on_resume(
    people: Path, others: Path, tmp_path: Path
) -> None:
    gone, run = tmp_path / "gone", tmp_path / "run"
    recipe = small_recipe(people, gone, train__epochs=1, train__checkpoint_every=1000)
    with pytest.raises(MissingError, match="gone"):
        train(recipe, run)
    assert load_model(f"{run}@last").info.step == 4
    gone.symlink_to(others)
    train(recipe, run, resume=True)
    assert sum("validation" in line for line in lines(run)) == 1
    assert load_model(f"{run}@best").info.metrics["mpjpe"] > 0
    train(recipe, run, resume=True)
    assert sum("validation" in line for line in lines(run)) == 1


def test_each_line_of_the_log_names_its_losses_and_what_they_cost(
    people: Path, tmp_path: Path
) -> None:
    run = train(small_recipe(people), tmp_path / "run")
    line = lines(run)[-1]
    assert set(line["losses"]) == {"keypoints3d", "keypoints2d", "pose", "betas", "loss"}
    assert (line["step"], line["samples"], line["epoch"]) == (8, 32, 2.0)
    assert line["samples_per_s"] > 0
    assert 0 <= line["data_wait"] <= 1
    assert line["memory_mb"] > 1


def test_a_loss_that_nobody_is_labelled_for_is_named_once(tmp_path: Path) -> None:
    points = {"keypoints3d.coco17": np.ones((17, 4), np.float32)}  # no pelvis to centre them on
    people = write_people(tmp_path / "people", 8, extra=dict.fromkeys(range(8), points))
    loss = {"keypoints3d": 1.0, "keypoints2d": 0.0, "pose": 1.0}
    run = train(small_recipe(people, loss=loss, train__log_every=2), tmp_path / "run")
    warnings = [x for x in (run / "log.txt").read_text().splitlines() if x.startswith("warning")]
    assert len(warnings) == 1
    assert "loss 'keypoints3d' teaches nothing: of the first 8 people" in warnings[0]
    assert "data.joints (smpl24)" in warnings[0]


def test_the_loss_falls(people: Path, tmp_path: Path) -> None:
    recipe = small_recipe(people, train__epochs=1, train__epoch_samples=160, augment__flip=0.0)
    values = [line[1]["loss"] for line in losses(train(recipe, tmp_path / "run"))]
    assert sum(values[-10:]) < 0.9 * sum(values[:10])


def test_a_killed_run_goes_on_exactly(people: Path, tmp_path: Path) -> None:
    recipe = everything_random(people, train__epochs=6)  # 60 steps
    unbroken = train(recipe, tmp_path / "unbroken")
    # the victim reads its data itself, for workers would outlive it for a moment
    alone = everything_random(people, train__epochs=6, data__workers=0)
    log = tmp_path / "killed" / "log.jsonl"

    def in_the_second_epoch() -> bool:
        return log.exists() and log.read_text().count("samples_per_s") >= 7

    with program(hps_train(alone, tmp_path / "killed")) as process:
        wait_until(process, in_the_second_epoch, poll_seconds=0.002)
        process.kill()
    reached = losses(tmp_path / "killed")[-1][0]
    assert 14 <= reached < 60
    with log.open("a") as stream:
        stream.write('{"step": 9')  # the line that was being written
    resumed = train(recipe, tmp_path / "killed", resume=True)
    assert losses(resumed) == losses(unbroken)
    ours, theirs = (read_tensors(r / "checkpoints/last.safetensors") for r in (resumed, unbroken))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_number_of_workers_changes_nothing(people: Path, tmp_path: Path) -> None:
    none = train(everything_random(people, data__workers=0, train__epochs=1), tmp_path / "none")
    two = train(everything_random(people, data__workers=2, train__epochs=1), tmp_path / "two")
    assert losses(none) == losses(two)


def hps_train(recipe: Recipe, run: Path, *, resume: bool = False) -> list[str]:
    """-> the words of a program that trains."""
    file = run.with_suffix(".toml")
    file.write_text(to_toml(recipe))
    words = ["--resume", str(run)] if resume else [str(file), "--out", str(run)]
    return [sys.executable, "-m", "hpscli", "train", *words, "--device", "cpu", "--quiet"]


def in_two_processes(recipe: Recipe, run: Path, *, resume: bool = False) -> None:
    """Train in two processes of a job, as a launcher would start them."""
    with meeting_port() as port:
        places = [{**os.environ, **place_of(rank, 2, port), PARENT: "0"} for rank in range(2)]
        with programs(hps_train(recipe, run, resume=resume), places) as job:
            assert [process.wait(300) for process in job] == [0, 0]


def test_two_processes_train_together_and_go_on_exactly(
    people: Path, others: Path, tmp_path: Path
) -> None:
    changes = {"model__options__dropout": 0.5, "train__checkpoint_every": 1, "train__keep": 9}
    recipe = small_recipe(people, others, **changes)
    run = tmp_path / "run"
    in_two_processes(recipe, run)
    whole = losses(run)
    assert [line[0] for line in whole] == [1, 2, 3, 4]  # 32 samples, 8 at a time
    assert sum("validation" in line for line in lines(run)) == 2
    for step in (3, 4):
        (run / f"checkpoints/step-{step:08}.state.pt").unlink()
    in_two_processes(recipe, run, resume=True)
    assert losses(run) == whole


def test_a_signal_saves_and_says_how_to_go_on(people: Path, tmp_path: Path) -> None:
    recipe = small_recipe(people, train__epoch_samples=400, train__checkpoint_every=1000)

    def stop_after_some_steps(label: str, text: object) -> None:
        if label == "5/200":
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as raised:
        train(recipe, tmp_path / "run", say=stop_after_some_steps)
    assert raised.value.exit_code == 130
    assert f"hps train --resume {tmp_path / 'run'}" in raised.value.fix
    assert load_model(f"{tmp_path / 'run'}@last").info.step == 6
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_disk_that_fills_up_loses_nothing(people: Path, tmp_path: Path) -> None:
    recipe, run = small_recipe(people), tmp_path / "run"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_up(label: str, text: object) -> None:
        if label == "5/8":  # the next checkpoint is due after step 6
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))

    try:
        with pytest.raises(HpsError, match=r"cannot write .*step-00000006\.safetensors"):
            train(recipe, run, say=fill_up)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert load_model(f"{run}@last").info.step == 4
    assert not list((run / "checkpoints").glob(".*"))
    train(recipe, run, resume=True)
    assert [line[0] for line in losses(run)] == list(range(1, 9))


def test_a_loss_that_is_not_finite_stops_and_saves_the_keys(people: Path, tmp_path: Path) -> None:
    recipe = small_recipe(people, optim__lr=1e30, optim__schedule="constant")
    with pytest.raises(InvalidData, match="the loss is not finite at step") as raised:
        train(recipe, tmp_path / "run")
    (file,) = (tmp_path / "run").glob("not-finite-*.json")
    assert str(file) in raised.value.problem
    assert len(json.loads(file.read_text())["keys"]) == 4


def test_a_gradient_that_is_not_finite_stops_before_anything_is_saved(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []

    def steep(prediction: Prediction, *others: Any) -> dict[str, torch.Tensor]:
        terms = standard_losses(prediction, *others)
        steps.append(len(steps) + 1)
        if len(steps) == 3:  # the first was a rehearsal; the root of 0 is 0, and infinitely steep
            terms["pose"] = (
                terms["pose"] + (prediction.camera - prediction.camera.detach()).sum().sqrt()
            )
        return terms

    monkeypatch.setattr("hpscli.train.losses.standard_losses", steep)
    recipe = small_recipe(people, train__checkpoint_every=1, optim__ema=0.5)
    with pytest.raises(InvalidData, match="the gradient is not finite at step 2: gradient norm"):
        train(recipe, tmp_path / "run")
    (file,) = (tmp_path / "run").glob("not-finite-*.json")
    assert len(json.loads(file.read_text())["keys"]) == 4
    newest = tmp_path / "run/checkpoints/last.safetensors"
    assert read_info(newest).step == 1
    assert all(value.isfinite().all() for value in read_tensors(newest).values())
    train(recipe, tmp_path / "run", resume=True)


def test_a_run_folder_is_never_used_twice(people: Path, tmp_path: Path) -> None:
    run = train(small_recipe(people, train__epochs=1), tmp_path / "run")
    before = (run / "log.jsonl").read_bytes()
    with pytest.raises(UsageError, match="is not empty"):
        train(small_recipe(people), run)
    assert (run / "log.jsonl").read_bytes() == before


def test_a_finished_run_that_is_resumed_stays_as_it_is(people: Path, tmp_path: Path) -> None:
    recipe = small_recipe(people, train__epochs=1)
    run = train(recipe, tmp_path / "run")
    before = losses(run)
    train(recipe, run, resume=True)
    assert losses(run) == before


def test_weights_of_a_run_start_a_new_one(people: Path, tmp_path: Path) -> None:
    first = train(small_recipe(people, train__epochs=1), tmp_path / "first")
    said: list[str] = []
    recipe = small_recipe(people, model__init=str(first), optim__lr=1e-30, train__epochs=1)
    second = train(
        recipe, tmp_path / "second", say=lambda label, text: said.append(f"{label} {text}")
    )
    assert any(line.startswith("init all ") for line in said)
    start, end = (read_tensors(r / "checkpoints/last.safetensors") for r in (first, second))
    name = "regressor.fc1.weight"
    assert torch.equal(start[name], end[name])
    assert read_info(second / "checkpoints/last.safetensors").step == 4


def test_old_checkpoints_go_and_the_best_stays(people: Path, others: Path, tmp_path: Path) -> None:
    recipe = small_recipe(
        people, others, train__epochs=5, train__keep=1, train__checkpoint_every=2, optim__lr=1e-2
    )
    run = train(recipe, tmp_path / "run")
    kept = sorted(path.name for path in (run / "checkpoints").iterdir())
    best = (run / "checkpoints/best.safetensors").resolve().name
    assert set(kept) == {
        "best.safetensors", "last.safetensors", "step-00000020.safetensors",
        "step-00000020.state.pt", best,
    }  # fmt: skip


def test_averaged_weights_are_what_is_saved(people: Path, tmp_path: Path) -> None:
    plain = train(small_recipe(people, train__epochs=1), tmp_path / "plain")
    slow = train(small_recipe(people, train__epochs=1, optim__ema=0.999), tmp_path / "slow")
    name = "regressor.fc1.weight"
    first = read_tensors(plain / "checkpoints/step-00000003.safetensors")[name]
    averaged = read_tensors(slow / "checkpoints/step-00000003.safetensors")[name]
    assert not torch.equal(first, averaged)


def test_half_precision_on_the_cpu_trains(people: Path, tmp_path: Path) -> None:
    run = train(small_recipe(people, train__dtype="bf16", train__epochs=1), tmp_path / "run")
    assert all(torch.isfinite(torch.tensor(line[1]["loss"])) for line in losses(run))


def test_fp16_without_a_gpu_is_refused(people: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fp16 needs a GPU"):
        train(small_recipe(people, train__dtype="fp16"), tmp_path / "run", device="cpu")


def test_tensorboard_gets_the_losses(people: Path, tmp_path: Path) -> None:
    run = train(small_recipe(people, train__epochs=1), tmp_path / "run", tracker="tensorboard")
    assert list((run / "trackers").rglob("events.out.tfevents.*"))
