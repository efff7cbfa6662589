"""hps export."""

import json
from pathlib import Path

import pytest
import torch

from hpscli.body.layer import load_body
from hpscli.cli.app import run
from hpscli.nn.checkpoints import build_model, load_model, save_checkpoint
from hpscli.nn.files import CheckpointInfo


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the smallest HMR with random weights."""
    torch.manual_seed(0)
    module, spec, options = build_model("hmr", preset="tiny", options={"hidden": 16})
    info = CheckpointInfo(
        model=spec.name,
        options=options,
        input_size=(32, 32),
        body=load_body("smpl", source="free").describe(),
    )
    path = tmp_path_factory.mktemp("checkpoint") / "small.safetensors"
    save_checkpoint(path, module, info)
    return path


def test_weights_are_written_checked_and_load_again(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "copy.safetensors"
    command = ["export", str(checkpoint), "--format", "safetensors", "--out", str(out)]
    assert run([*command, "--check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] and document["checked"]
    assert {d["worst"] for d in document["differences"]} == {0.0}
    assert load_model(out).input_size == (32, 32)


def test_a_program_is_checked_and_the_largest_differences_are_printed(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["export", str(checkpoint), "--format", "exported-program", "--check"]) == 0
    shown = capsys.readouterr().out
    assert (tmp_path / "small.pt2").is_file()
    assert "max difference" in shown and "parameters.body_pose" in shown
    assert [p.name for p in tmp_path.iterdir()] == ["small.pt2"]


@pytest.mark.slow
def test_an_onnx_graph_with_a_body_for_any_batch(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.onnx"
    command = ["export", str(checkpoint), "--out", str(out), "--with-body", "--dynamic-batch"]
    assert run([*command, "--check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"vertices", "joints.smpl24"} <= set(document["outputs"])
    assert document["ok"]


def test_a_difference_above_the_tolerance_is_exit_code_4(
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from hpscli.export.graph import Difference

    found = [Difference("camera", 0.5, 1e-4)]
    monkeypatch.setattr("hpscli.export.weights.check_weights", lambda path, module: found)
    out = tmp_path / "copy.safetensors"
    command = ["export", str(checkpoint), "--format", "safetensors", "--out", str(out), "--check"]
    assert run(command) == 4
    assert "camera by 0.5" in capsys.readouterr().err


def test_without_the_extra_onnx_nothing_is_loaded_and_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hpscli.export.onnx.find_spec", lambda name: None)
    assert run(["export", "not-even-there.safetensors", "--format", "onnx"]) == 3
    assert "pip install 'hps[onnx]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--format", "safetensors", "--with-body"], "holds weights only"),
        (["--format", "safetensors", "--out", "x.onnx"], "ends in .safetensors"),
        (["--format", "torchscript"], "torchscript"),
    ],
)
def test_wrong_options_are_usage_errors(
    checkpoint: Path, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(checkpoint), *arguments]) == 2
    assert says in capsys.readouterr().err


def test_a_file_is_not_overwritten_without_force(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", str(checkpoint), "--format", "safetensors", "--out", str(checkpoint)]
    before = checkpoint.read_bytes()
    assert run(command) == 2
    assert "--force" in capsys.readouterr().err
    assert checkpoint.read_bytes() == before


def test_a_checkpoint_that_is_not_there_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "nowhere.safetensors", "--format", "safetensors"]) == 3
    assert "nowhere.safetensors" in capsys.readouterr().err


def test_a_format_that_nobody_knows_is_told_plainly(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "not-even-there.safetensors", "--format", "foo"]) == 2
    said = capsys.readouterr().err
    assert "no format 'foo'" in said and "safetensors, onnx, exported-program" in said
    assert "Value error" not in said


def test_a_place_that_cannot_be_written_is_named_as_it_was_typed(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = tmp_path / f"{'long' * 62}.onnx"  # a name that fits, but not with ".part" around it
    assert run(["export", str(checkpoint), "--out", str(name)]) == 1
    said = capsys.readouterr().err
    assert f"{name}: " in said and ".part" not in said and "bug" not in said


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("hmr", "hmr.safetensors"),
        ("hmr-small", "hmr-small.safetensors"),
        ("2026-01-01T10-00-00", "hmr-2026-01-01T10-00-00.safetensors"),
    ],
)
def test_a_file_is_called_by_model_and_run_but_not_twice_by_one_word(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "runs" / folder / "checkpoints"
    place.mkdir(parents=True)
    (place / "last.safetensors").write_bytes(checkpoint.read_bytes())
    assert run(["export", f"runs/{folder}", "--format", "safetensors"]) == 0
    assert (tmp_path / name).is_file()
