"""hps models import, export-official and verify, as they are typed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hpscli.cli.app import run
from tests.nn.stick_family import authors_file, installed


@pytest.fixture(autouse=True)
def stick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installed(monkeypatch):
        yield


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "stick_h36m_state_dict.bin"
    torch.save(authors_file(), path)
    return str(path)


def test_an_import_tells_its_story_and_the_next_command(
    file: str, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "import", file]) == 0
    shown = capsys.readouterr()
    assert "recognised  stick, preset plain: Stick's file" in shown.err
    assert "dropped     1 tensor, pooler.weight" in shown.err
    assert f"stored      {own_home / 'models'}" in shown.err
    assert "hps predict IMAGE --checkpoint stick.h36m" in shown.err
    assert "imported" in shown.out and "stick.h36m" in shown.out


def test_the_import_as_json(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "import", file, "--json", "--quiet"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    document = json.loads(shown.out)
    assert document["schema"] == "hps/models-import/1"
    (entry,) = document["files"]
    assert (entry["status"], entry["name"], entry["preset"]) == ("imported", "stick.h36m", "plain")
    assert len(entry["sha256"]) == 64
    assert any(line.startswith("changed pos") for line in entry["said"])


def test_one_bad_file_does_not_stop_the_others(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"a.b": torch.zeros(1)}, tmp_path / "bad.bin")
    assert run(["models", "import", str(tmp_path / "bad.bin"), file, "--json"]) == 5
    shown = capsys.readouterr()
    assert [f["status"] for f in json.loads(shown.out)["files"]] == ["refused", "imported"]
    assert "1 other file imported" in shown.err


def test_a_file_that_fits_nothing_ends_with_five(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({**authors_file(), "fc.bias": torch.zeros(2)}, tmp_path / "a.bin")
    assert run(["models", "import", str(tmp_path / "a.bin")]) == 5
    shown = capsys.readouterr().err
    assert "Nearest is stick, preset plain" in shown
    assert "shape       fc.bias (2,), expected (13,)" in shown


def test_a_name_is_for_one_file(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "import", file, file, "--name", "x"]) == 2
    assert "--name is for one file" in capsys.readouterr().err


def test_a_dry_run_stores_nothing(file: str, own_home: Path) -> None:
    assert run(["models", "import", file, "--dry-run"]) == 0
    assert not (own_home / "models").exists()


def test_the_list_and_the_page_say_what_is_here(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def state() -> tuple[str, int | None]:
        assert run(["models", "list", "stick", "--json"]) == 0
        (weights,) = json.loads(capsys.readouterr().out)["models"][0]["weights"]
        return weights["state"], weights["bytes"]

    assert state() == ("not here", None)
    assert run(["models", "import", file]) == 0
    capsys.readouterr()
    kind, size = state()
    assert kind == "imported" and size is not None and size > 1000
    assert run(["models", "show", "stick", "--quick"]) == 0
    shown = capsys.readouterr().out
    assert "stick.h36m   imported" in shown
    assert "Human3.6M P2 PA-MPJPE 34.5" in shown and "the paper, table 2" in shown
    assert "research only (weights)" in shown


def test_an_imported_checkpoint_is_used_by_its_name(
    file: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(["models", "import", file]) == 0
    out = tmp_path / "e.safetensors"
    arguments = ["export", "stick.h36m", "--format", "safetensors", "--out", str(out)]
    assert run(arguments) == 0, capsys.readouterr().err
    assert out.is_file()


def test_the_way_back(file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "import", file, "--keep-unused"]) == 0
    capsys.readouterr()
    back = tmp_path / "back.pth"
    assert run(["models", "export-official", "stick.h36m", "--out", str(back), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["container"] == "net/module."
    assert document["left_out"] == {} == document["derived"]
    found = torch.load(back, weights_only=True)["net"]
    assert all(torch.equal(found[f"module.{k}"], t) for k, t in authors_file().items())


def test_verify_looks_at_everything_that_is_here(
    file: str, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "import", file]) == 0
    capsys.readouterr()
    assert run(["models", "verify", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"hmr.tiny", "stick.h36m"} <= {c["name"] for c in document["checkpoints"]}
    path = own_home / "models" / "stick.h36m.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert run(["models", "verify", "stick.h36m"]) == 4
    shown = capsys.readouterr()
    assert "FAIL" in shown.out
    assert "another sha256" in shown.err and "hps models import FILE --force" in shown.err


def test_an_absent_release_says_which_file_to_import(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "verify", "stick.h36m"]) == 3
    assert "hps models import stick_h36m_state_dict.bin" in capsys.readouterr().err


def test_the_doctor_sees_what_is_here(
    file: str, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "import", file]) == 0
    capsys.readouterr()
    assert run(["doctor", "--quick"]) == 0
    assert "stick.h36m" in capsys.readouterr().out
    (own_home / "models" / "stick.h36m.safetensors").write_bytes(b"cut")
    assert run(["doctor", "--quick"]) == 0
    assert "hps models verify stick.h36m" in capsys.readouterr().out


def test_published_numbers_are_not_given_to_another_preset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(authors_file(width=12), tmp_path / "mine.bin")
    assert run(["models", "import", str(tmp_path / "mine.bin"), "--name", "h36m"]) == 0
    capsys.readouterr()
    assert run(["models", "list", "stick", "--json"]) == 0
    released, mine = json.loads(capsys.readouterr().out)["models"][0]["weights"]
    assert (released["state"], released["preset"]) == ("not here", "plain")
    assert (mine["state"], mine["preset"], mine["results"]) == ("imported", "wide", {})


def test_every_refused_file_has_its_own_advice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.bin").touch()
    torch.save({"a.b": torch.zeros(1)}, tmp_path / "other.bin")
    assert run(["models", "import", str(tmp_path / "empty.bin"), str(tmp_path / "other.bin")]) == 5
    shown = capsys.readouterr().err
    assert shown.index("empty.bin is empty") < shown.index("Download or copy the file again.")
    assert shown.index("other.bin is of no layout") < shown.index("See: hps models show NAME")
    assert shown.count("other.bin is of no layout") == 1
    assert "Nothing was imported." in shown


def test_a_dry_run_ends_with_the_command_that_imports(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "import", file, "--dry-run"]) == 0
    assert f"next        hps models import {file}" in capsys.readouterr().err
