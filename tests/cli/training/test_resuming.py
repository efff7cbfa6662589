"""Which run --resume means, and what is said where there is none."""

import subprocess
import sys
from pathlib import Path

import pytest

from hpscli.cli.app import run as hps
from hpscli.nn.checkpoints import load_model
from tests.cli.training.asking import fails, said


def test_a_fast_dev_run_is_never_continued_by_chance(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--fast-dev-run", "--no-validate"]) == 0
    [trial] = Path("runs/small").iterdir()
    assert trial.name.startswith("fast-dev-")
    capsys.readouterr()
    assert hps(["train", recipe, "--resume"]) == 3
    assert "Start one: hps train small.toml" in said(capsys)
    assert hps(["train", recipe, "--init", "runs/small", "--dry-run"]) == 3
    assert "no run but fast dev runs" in said(capsys)
    assert hps(["train", recipe, "--init", str(trial), "--dry-run"]) == 0


@pytest.mark.parametrize(
    ("words", "code", "problem", "fix"),
    [
        (["nonsense", "--resume"], 3, "'nonsense' is neither a run folder nor a recipe", "list"),
        (["tinny", "--resume"], 3, "neither a run folder nor a recipe", "Did you mean 'tiny'?"),
        (["tiny", "--resume"], 3, "tiny has no run in runs/tiny", "Start one: hps train tiny"),
        (["hmr/mixes"], 2, "'hmr/mixes' means", "hps recipes list hmr/mixes"),
        ([], 2, "which recipe?", "For example: hps train tiny"),
        (["tiny", "--lr", "3"], 2, "no option '--lr'", "words: optim.lr=3"),
        (["tiny", "lr=3"], 2, "unknown key 'lr'", "Did you mean 'optim.lr'"),
    ],
)
def test_words_that_mean_nothing_are_answered_with_what_to_type(
    words: list[str],
    code: int,
    problem: str,
    fix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert hps(["train", *words]) == code
    text = said(capsys)
    assert problem in text and fix in text


def test_a_folder_of_recipes_is_no_run(recipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("hmr/mixes").mkdir(parents=True)
    Path("hmr/mixes/mix01.toml").write_text("")
    assert hps(["train", "hmr/mixes"]) == 2
    text = said(capsys)
    assert "run folder" not in text and "hps recipes list hmr/mixes" in text


def test_a_folder_with_nothing_in_it_is_no_run(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    fails(["empty"], 2, "no recipe 'empty'", capsys)


def test_a_run_that_has_ended_says_how_to_go_on(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--no-validate", "--out", "run", "-q"]) == 0
    assert "finished" not in said(capsys)
    assert hps(["train", "--resume", "run"]) == 0
    text = said(capsys)
    assert "finished    this run had reached its end" in text
    assert "hps train RECIPE --init run train.epochs=N" in text
    assert hps(["train", recipe, "--init", "run", "train.epochs=1", "--out", "more", "-q"]) == 0


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


@pytest.mark.slow
def test_resume_with_out_takes_the_free_keys_of_an_edited_recipe_in_all_processes(
    recipe: str,
) -> None:
    words = ["--no-validate", "--out", "run", "--processes", "2", "--device", "cpu", "--resume"]
    head = [sys.executable, "-m", "hpscli", "train", recipe, "-q", *words]
    subprocess.run([*head, "train.checkpoint_every=1", "train.keep=4"], check=True)
    states = sorted(Path("run/checkpoints").glob("*.state.pt"))
    assert len(states) == 4
    for state in states[2:]:  # there is something left to do
        state.unlink()
    file = Path(recipe)
    file.write_text(file.read_text().replace("keep = 2", "keep = 1"))
    subprocess.run(head, check=True)
    assert len(list(Path("run/checkpoints").glob("*.state.pt"))) == 1


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


def test_a_folder_of_a_run_that_saved_nothing_is_not_offered_for_resuming(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run").mkdir()
    Path("run/recipe.toml").write_text(Path(recipe).read_text())
    fails(["--resume", "run"], 3, "start it again: hps train RECIPE --out run", capsys)
    assert hps(["train", recipe, "--no-validate", "--out", "run", "-q"]) == 0
    assert load_model("run@last").info.step == 8


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
    Path("run/recipe.toml").write_text("")
    fails(["run"], 2, "hps train --resume run", capsys)
