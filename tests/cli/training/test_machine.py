"""What a machine lacks is said before anything is made for a training."""

from pathlib import Path

import pytest

from hpscli.cli.app import run as hps

NOT_MADE = """
base = "tiny"
[data.mix.synthetic]
shards = "made/train"
prepare = "synthetic --split train --count 4 --size 64"
"""


@pytest.fixture
def without_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe whose people training would make first, on a machine without a GPU or a cluster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    (tmp_path / "file").write_text("")
    (tmp_path / "mine.toml").write_text(NOT_MADE)
    return tmp_path


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["run", "dry run"])
@pytest.mark.parametrize(
    ("words", "code", "problem"),
    [
        (["--device", "cuda"], 2, "no CUDA device is usable here"),
        (["--device", "tpu"], 2, "no device 'tpu'"),
        (["--dtype", "fp16"], 2, "fp16 needs a GPU"),
        (["--slurm", "gpus=2"], 3, "there is no program sbatch here"),
        (["--out", "file"], 2, "file is a file, and a run is a folder"),
        (["--out", "."], 2, "is not empty, and runs are never overwritten"),
    ],
)
def test_what_cannot_work_here_is_said_before_people_are_made(
    without_people: Path,
    words: list[str],
    more: list[str],
    code: int,
    problem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert hps(["train", "mine.toml", "--no-validate", *words, *more]) == code
    assert problem in capsys.readouterr().err
    assert not Path("made").exists() and not Path("runs").exists()


def test_a_cluster_has_devices_that_this_machine_has_not(
    without_people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    words = ["--slurm", "nodes=2,gpus=4,time=4:00:00,partition=main", "--device", "cuda"]
    assert hps(["train", "mine.toml", "--no-validate", *words, "--dry-run"]) == 0
    job = "2 nodes x 4 GPUs, 8 processes with 8 CPUs each, 4:00:00 a turn, partition main"
    assert f"job         {job}\n" in capsys.readouterr().err
