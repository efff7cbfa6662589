import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpscli.cli.app import COMMANDS, load_command, run


def test_help_lists_every_command_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for name, (_, summary, _) in COMMANDS.items():
        assert f"{name:<13} {summary}" in shown


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_listed_command_exists_and_explains_itself(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, "--help"]) == 0
    assert load_command(name).help
    assert "Usage" in capsys.readouterr().out


def test_a_misspelt_command_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trian"]) == 2
    assert "Did you mean 'train'?" in capsys.readouterr().err


def test_an_unknown_flag_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "list", "--jsn"]) == 2
    assert "--json" in capsys.readouterr().err


def test_an_unexpected_error_asks_for_a_report_and_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hpscli.recipe.list_recipes", lambda: 1 / 0)
    assert run(["recipes", "list"]) == 1
    shown = capsys.readouterr().err
    assert "ZeroDivisionError" in shown and "hps doctor" in shown and "Traceback" not in shown


def test_a_place_that_cannot_be_written_is_named_and_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("here already")
    monkeypatch.setattr("hpscli.recipe.list_recipes", (tmp_path / "file" / "folder").mkdir)
    assert run(["recipes", "list"]) == 1
    shown = capsys.readouterr().err
    assert str(tmp_path / "file") in shown and "Not a directory" in shown
    assert "bug" not in shown


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpscli.recipe.list_recipes", lambda: 1 / 0)
    monkeypatch.setenv("HPS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(["recipes", "list"])


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m hpscli recipes show tiny | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "Traceback" not in done.stderr and "error" not in done.stderr


def test_a_plugin_command_appears_and_runs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "greeting.py"
    plugin.write_text(
        "from hpscli.hooks import CommandSpec, hookimpl\n"
        "@hookimpl\n"
        "def hps_commands():\n"
        "    return [CommandSpec(name='greet', run='greeting:greet', summary='Say hello.')]\n"
        "def greet(name: str):\n"
        "    print('hello', name)\n"
    )
    environment = {**os.environ, "HPS_PLUGINS": str(plugin)}
    for arguments, expected in (["--help"], "Say hello."), (["greet", "you"], "hello you"):
        done = subprocess.run(
            [sys.executable, "-m", "hpscli", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected in done.stdout
