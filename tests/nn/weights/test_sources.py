"""Where a checkpoint is: what people type, and which file it means."""

import shutil
from pathlib import Path

import pytest

from hpscli.atomic import write_atomically
from hpscli.errors import MissingError, UsageError
from hpscli.nn.weights.sources import find_checkpoint, step_file
from tests.nn.test_checkpoints import info, save_checkpoint, small


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with two numbered checkpoints, a best and a last one."""
    run = tmp_path_factory.mktemp("runs") / "small" / "2026-01-01T00-00-00"
    for epoch in (1, 2):
        path = run / "checkpoints" / step_file(epoch * 10)
        save_checkpoint(path, small(), info(step=epoch * 10, epoch=epoch))
    (run / "checkpoints" / "best.safetensors").symlink_to(step_file(10))
    (run / "checkpoints" / "last.safetensors").symlink_to(step_file(20))
    return run


@pytest.mark.parametrize(
    ("suffix", "file"),
    [
        ("", "best.safetensors"),
        ("@best", "best.safetensors"),
        ("@last", "last.safetensors"),
        ("@1", step_file(10)),
        ("@2", step_file(20)),
    ],
)
def test_a_run_means_its_best_checkpoint_unless_said_otherwise(
    run: Path, suffix: str, file: str
) -> None:
    path, name = find_checkpoint(f"{run}{suffix}")
    assert path == run / "checkpoints" / file
    assert name == f"{run}{suffix}"


@pytest.mark.parametrize(
    ("suffix", "file"), [("", "best.safetensors"), ("@last", "last.safetensors")]
)
def test_the_folder_of_a_recipe_means_its_newest_run_and_names_it(
    run: Path, suffix: str, file: str
) -> None:
    path, name = find_checkpoint(f"{run.parent}{suffix}")
    assert path == run / "checkpoints" / file
    assert name == f"{run}{suffix}"


def test_a_fast_dev_run_is_never_the_newest_but_has_a_path(run: Path, tmp_path: Path) -> None:
    trial = tmp_path / f"fast-dev-{run.name}"
    shutil.copytree(run, trial, symlinks=True)
    with pytest.raises(MissingError, match=f"no run but fast dev runs.*{trial.name}"):
        find_checkpoint(tmp_path)
    shutil.copytree(run, tmp_path / run.name, symlinks=True)
    assert find_checkpoint(tmp_path)[1] == str(tmp_path / run.name)
    assert find_checkpoint(trial)[1] == str(trial)


def test_a_folder_of_runs_with_other_names_is_refused_with_their_list(tmp_path: Path) -> None:
    for name in ("r0", "r1"):
        write_atomically(tmp_path / name / "checkpoints" / "last.safetensors", b"")
    with pytest.raises(UsageError, match=r"a folder of runs: r0, r1\."):
        find_checkpoint(tmp_path)


def test_an_epoch_that_is_not_kept_lists_those_that_are(run: Path) -> None:
    with pytest.raises(MissingError, match="no checkpoint of epoch 7; kept: 1, 2"):
        find_checkpoint(f"{run}@7")


def test_a_word_that_is_no_epoch_is_refused(run: Path) -> None:
    with pytest.raises(UsageError, match="'@first' is not a checkpoint"):
        find_checkpoint(f"{run}@first")


def test_a_folder_without_checkpoints_is_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="not a run folder"):
        find_checkpoint(tmp_path)


def test_a_recipe_whose_only_run_saved_nothing_names_that_run(tmp_path: Path) -> None:
    write_atomically(tmp_path / "2026-01-01T00-00-00" / "recipe.toml", b"")
    with pytest.raises(MissingError, match="2026-01-01T00-00-00 has no checkpoint"):
        find_checkpoint(tmp_path)


def test_a_run_that_has_saved_nothing_yet_says_how_to_go_on(tmp_path: Path) -> None:
    write_atomically(tmp_path / "checkpoints" / "x", b"")
    with pytest.raises(MissingError, match="has no 'last' checkpoint yet"):
        find_checkpoint(tmp_path)


def test_a_misspelt_model_gets_the_nearest_one() -> None:
    with pytest.raises(MissingError, match=r"no checkpoint 'hmm'.*Did you mean 'hmr'"):
        find_checkpoint("hmm")


def test_unknown_weights_of_a_known_model_are_a_wrong_name() -> None:
    with pytest.raises(UsageError, match="model 'hmr' has no weights 'h36m'"):
        find_checkpoint("hmr.h36m")
