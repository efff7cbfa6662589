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
from hpscli.cli.training.aims import aims
from hpscli.nn.checkpoints import load_model
from hpscli.recipe import load_recipe, to_toml
from tests.train.labelled import labelled_people, small_recipe


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("shards")
    return {
        "train": labelled_people(folder / "train", 12, split="train"),
        "validation": labelled_people(folder / "validation", 4, seed=100, split="validation"),
    }


@pytest.fixture
def recipe(shards: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A recipe file in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(to_toml(small_recipe(shards["train"], shards["validation"])))
    return "small.toml"


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").open()]


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
    assert hps([*words, "--dry-run"]) == 3
    assert "hps prepare synthetic --split train --count 32" in said(capsys)
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


def test_a_dry_run_says_the_plan_and_writes_nothing(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--dry-run"]) == 0
    text = said(capsys)
    assert "people 1.00 12 people · validation 4 people" in text
    assert "M parameters" in text
    assert "nothing was trained" in text
    assert [path.name for path in Path().iterdir()] == [recipe]


def test_a_dry_run_is_one_json_document_too(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hps/train/1"
    assert document["dry_run"] and document["run"] is None


def test_a_dry_run_without_data_says_how_to_make_them(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = "data.mix.people.shards=shards/synthetic/train"
    assert hps(["train", recipe, shards, "--dry-run"]) == 3
    text = said(capsys)
    assert "people 1.00 MISSING" in text
    assert "hps prepare synthetic --split train --out shards/synthetic/train" in text


def test_a_dry_run_says_what_it_starts_from_and_is_to_reach(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--dry-run"]) == 0
    text = said(capsys)
    assert "start       all weights at random" in text
    assert "to reach    nothing was published for this training" in text


def test_the_aims_of_a_published_training_are_its_figures() -> None:
    lines = list(aims(load_recipe("hmr/mixes/mix06"), validate=False))
    assert lines[0][1].startswith("imagenet resnet50.tv_in1k for the backbone")
    assert ("best", "the last: nothing is measured") in lines
    assert ("to reach", "3dpw/test@mmhuman3d-v1   PA-MPJPE 55.47") in lines
    best = dict(aims(load_recipe("graphormer_3dpw"), validate=True))["best"]
    assert best.endswith("--as-published: 3dpw/test@metro-v1, as its authors chose")


def test_a_dry_run_names_everything_that_is_in_the_way(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = "data.mix.people.shards=shards/synthetic/train"
    words = [shards, "optim.global_batch=512", "model.init=nobody.pth", "model.backbone=no.pth"]
    assert hps(["train", recipe, *words, "--gpus", "99", "--dry-run"]) == 3
    text = said(capsys)
    assert "shards/synthetic/train has no index.json" in text
    assert "no checkpoint 'nobody.pth'" in text
    assert "model.backbone = 'no.pth', are not there" in text
    assert "but the recipe is made for 512" in text
    assert "--gpus 99, but this machine has" in text


def test_a_training_that_cannot_start_names_all_reasons_each_with_its_remedy(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data.mix.people.shards=shards/3dpw/train", "optim.global_batch=512"]
    assert hps(["train", recipe, *words]) == 3
    lines = [line.strip() for line in said(capsys).splitlines()]
    missing = lines.index("error  no shards 'people': shards/3dpw/train has no index.json.")
    assert lines[missing + 1].startswith("Make them: hps prepare 3dpw --from DIR")
    assert "but the recipe is made for 512" in lines[missing + 2]
    assert "or train with this one: --scale-lr" in lines[missing + 4]
    assert lines[-1] == f"What it needs and from where: hps recipes show {recipe}"


def fails(words: list[str], code: int, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hps(["train", *words]) == code
    text = said(capsys)
    assert expected in text
    assert "Traceback" not in text


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


def test_resume_takes_the_newest_run_of_a_recipe_or_a_run(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = "runs/small/2026-01-01T00-00-00"
    assert hps(["train", recipe, "--no-validate", "--out", run, "-q"]) == 0
    for words in (
        [recipe, "--resume"],
        ["--resume", run],
        [recipe, "--resume", "runs/small"],
    ):
        capsys.readouterr()
        assert hps(["train", *words]) == 0
        assert "resume      step-00000008.safetensors, step 8 of 8" in said(capsys)


def test_resume_of_a_recipe_passes_over_a_newer_run_that_saved_nothing(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run, newer = "runs/small/2026-01-01T00-00-00", Path("runs/small/2026-01-02T00-00-00")
    assert hps(["train", recipe, "--no-validate", "--out", run, "-q"]) == 0
    newer.mkdir()
    (newer / "recipe.toml").write_text(Path(recipe).read_text())
    assert hps(["train", recipe, "--resume"]) == 0
    text = said(capsys)
    assert f"{newer} is newer, and was stopped before its first save" in text
    assert "resume      step-00000008.safetensors" in text


def test_a_run_whose_recipe_was_edited_since_goes_on_with_its_own_and_says_so(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = "runs/small/2026-01-01T00-00-00"
    assert hps(["train", recipe, "--no-validate", "--out", run, "-q"]) == 0
    file = Path(recipe)
    file.write_text(file.read_text().replace("lr = 0.001", "lr = 0.002"))
    assert hps(["train", recipe, "--resume"]) == 0
    text = said(capsys)
    assert "goes on with its own recipe" in text
    assert "optim.lr: 0.001 in the run, 0.002 asked for" in text


def test_resume_with_out_starts_a_run_and_then_continues_it(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", recipe, "--no-validate", "--out", "run", "--resume"]
    Path("run").mkdir()  # what a run leaves that is killed before its first checkpoint
    Path("run/recipe.toml").write_text(Path(recipe).read_text())
    Path("run/log.jsonl").write_text('{"step": 1')
    assert hps(words) == 0
    assert "resume  " not in said(capsys)
    assert hps(words) == 0
    assert "resume      step-00000008.safetensors, step 8 of 8" in said(capsys)


def test_resume_with_out_refuses_the_run_of_another_recipe(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--no-validate", "--out", "run", "-q", "train.epochs=1"]) == 0
    words = [recipe, "--no-validate", "--out", "run", "--resume"]
    fails(words, 2, "train.epochs: 1 in the run, 2 asked for", capsys)


def test_a_checkpoint_that_is_cut_short_is_passed_over_with_a_word(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--no-validate", "--out", "run", "-q"]) == 0
    whole = load_model("run@last").info.step
    for name, what in (
        ("step-00000008.safetensors", "is not a whole safetensors file"),
        ("step-00000008.state.pt", "cannot be read safely as the state of a run"),
    ):
        file = Path("run/checkpoints", name)
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
        assert hps(["train", "--resume", "run"]) == 0
        text = said(capsys)
        assert what in text and "The checkpoint before is taken." in text
        assert "resume      step-00000006.safetensors" in text
        assert load_model("run@last").info.step == whole


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


def test_a_folder_of_a_run_that_saved_nothing_is_not_offered_for_resuming(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run").mkdir()
    Path("run/recipe.toml").write_text(Path(recipe).read_text())
    fails([recipe, "--out", "run"], 3, "delete it (rm -r run) or choose another folder", capsys)
    fails(["--resume", "run"], 3, "delete it (rm -r run) or choose another folder", capsys)


def test_resume_with_another_recipe_is_refused(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--no-validate", "--out", "run", "-q"]) == 0
    fails(["--resume", "run", "optim.lr=1"], 2, "optim.lr: 0.001 in the run, 1.0 asked for", capsys)


def test_resume_of_weights_and_init_of_a_state_say_what_is_meant(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--no-validate", "--out", "run", "-q"]) == 0
    weights = "run/checkpoints/step-00000008.safetensors"
    fails([recipe, "--resume", weights], 2, f"--init {weights}", capsys)
    state = "run/checkpoints/step-00000008.state.pt"
    fails(
        [recipe, "--init", state, "--out", "new"], 2, "To continue that run: --resume run", capsys
    )


def test_a_run_folder_given_as_recipe_says_resume(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run").mkdir()
    fails(["run"], 2, "hps train --resume run", capsys)


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
    program = subprocess.Popen(
        [*command, *words], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert program.stderr is not None
    for line in program.stderr:
        if line.startswith("3/"):
            os.killpg(program.pid, signal.SIGINT)  # as a terminal does: to everybody
            break
    rest = program.stderr.read()
    assert program.wait(60) == 130
    assert "hps train --resume run" in rest
    assert "Traceback" not in rest
    assert load_model("run@last").info.step >= 3
