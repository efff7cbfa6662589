"""Hands whose poses count from a mean hand that nobody has imported: it is said, with the remedy."""

from pathlib import Path

import pytest

from hps_datasets.synthetic.generate import indexed
from hpscli.cli.app import run
from tests.plugins.datasets.shard_forms.shard_files import import_mano, write_tsv


def test_it_says_that_hands_need_mano(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, make = indexed(None, "test", body="mano", size_px=48)
    write_tsv([make(0), make(1)], tmp_path)
    words = ["prepare", "tsv", "--split", "train", "--from", str(tmp_path)]
    words += ["--out", str(tmp_path / "out")]
    assert run(words) == 0
    told = capsys.readouterr().err
    assert "the poses of 2 people stay relative to MANO's mean hand" in told
    assert "hps assets import mano" in told
    import_mano()
    assert run([*words, "--force"]) == 0
    assert "mean hand" not in capsys.readouterr().err


def test_what_is_made_as_reference_keeps_its_poses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, make = indexed(None, "test", body="mano", size_px=48)
    write_tsv([make(0)], tmp_path)
    words = ["prepare", "tsv", "--split", "train", "--as-reference"]
    assert run([*words, "--from", str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert "mean hand" not in capsys.readouterr().err
