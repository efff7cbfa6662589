"""hps selfcheck."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from hpscli.cli.app import run

GOLDENS = Path(__file__).parents[1] / "goldens" / "hmr" / "goldens"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "goldens").mkdir()
    shutil.copy(GOLDENS / "rotations.npz", tmp_path / "goldens")
    return tmp_path


def test_every_array_gets_a_line_with_a_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["selfcheck", str(folder)]) == 0
    shown = capsys.readouterr()
    lines = [line for line in shown.out.splitlines() if "hmr/rotations" in line]
    assert len(lines) == 5
    assert all(line.split()[-1] == "ok" for line in lines)
    assert "5 arrays of 1 goldens within tolerance" in shown.err


def test_a_difference_is_exit_code_4_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "goldens" / "rotations.npz"
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays["est_translation"][2] += 1e-3
    np.savez(path, **arrays)
    assert run(["selfcheck", str(folder), "--json"]) == 4
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert document["schema"] == "hps/selfcheck/1" and not document["ok"]
    verdicts = {a["name"]: a["ok"] for a in document["goldens"][0]["arrays"]}
    assert [name for name, ok in verdicts.items() if not ok] == ["est_translation"]
    assert "1 of 5 arrays differ; first: hmr/rotations est_translation" in shown.err


def test_a_golden_that_cannot_be_read_fails_without_a_traceback(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "goldens" / "rotations.npz").write_bytes(b"PK but not an archive")
    assert run(["selfcheck", str(folder), "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert "not a readable golden" in document["goldens"][0]["arrays"][0]["note"]
    assert document["goldens"][0]["arrays"][0]["worst"] is None


def test_files_without_a_replay_are_counted_not_failed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(folder / "goldens" / "future.npz", a=np.ones(1))
    assert run(["selfcheck", str(folder), "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["no_replay"] == ["future.npz"]
    assert "no replay registered for 1: future.npz" in shown.err


def test_seeds_are_stored_with_the_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--seed-xor", "0x5", "--input-seed", "9", "--json"]
    assert run(["selfcheck", str(folder), *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["options"] == {"seed_xor": 5, "input_seed": 9}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--only", "osx*"], 2, "matches no golden"),
        (["--set", "body_seed=1"], 2, "no golden here has an option"),
        (["--set", "body_seed"], 2, "NAME=VALUE"),
        (["--seed-xor", "five"], 2, "expected a whole number"),
    ],
)
def test_wrong_options_are_usage_errors(
    folder: Path,
    arguments: list[str],
    code: int,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["selfcheck", str(folder), *arguments]) == code
    assert says in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["selfcheck", "nowhere"]) == 3
    assert "nowhere" in capsys.readouterr().err


def test_arrays_that_no_replay_knows_are_listed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "goldens" / "rotations.npz"
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    np.savez(path, **arrays, unheard_of=np.ones(3))
    assert run(["selfcheck", str(folder), "--json"]) == 0
    shown = capsys.readouterr()
    (told,) = json.loads(shown.out)["coverage"]
    assert told["compared"] == 5
    assert told["inputs"] == 5
    assert told["not_compared"] == ["unheard_of"]
    assert "unheard_of" in shown.err


def test_crops_kept_here_are_compared_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["selfcheck", str(GOLDENS), "--only", "preprocess*", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["coverage"]
    assert len(told) == 5
    assert [one["not_compared"] for one in told if one["not_compared"]] == []
