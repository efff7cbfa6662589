import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


def pages(command: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """-> every command below one, and what is typed for it."""
    if below := getattr(command, "commands", None):
        for name, child in below.items():
            yield from pages(child, *path, name)
    else:
        yield path, command


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_no_word_in_brackets_is_lost_from_a_help_text(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, command in pages(load_command(name), name):
        texts = [command.help, *(getattr(entry, "help", "") for entry in command.params)]
        written = {word for text in texts for word in re.findall(r"\[[^\]\s]+\]", text or "")}
        assert run([*path, "--help"]) == 0
        shown = capsys.readouterr().out
        assert not {word for word in written if word not in shown}, path


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_help_text_is_whole_in_a_narrow_terminal_and_broken_where_it_ends(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for path, command in pages(load_command(name), name):
        assert run([*path, "--help"]) == 0
        assert "…" not in capsys.readouterr().out, path
        assert not [text for text in (command.help or "").split("\n\n") if "\n" in text], path


def test_a_misspelt_command_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["trian"]) == 2
    assert "Did you mean 'train'?" in capsys.readouterr().err


def test_an_unknown_flag_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "list", "--jsn"]) == 2
    assert "--json" in capsys.readouterr().err


def test_an_unexpected_error_asks_for_a_report_and_shows_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hpscli.recipe.finding.list_recipes", lambda: 1 / 0)
    assert run(["recipes", "list"]) == 1
    shown = capsys.readouterr().err
    assert "ZeroDivisionError" in shown and "hps doctor" in shown and "Traceback" not in shown


def test_a_place_that_cannot_be_written_is_named_and_no_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("here already")
    monkeypatch.setattr("hpscli.recipe.finding.list_recipes", (tmp_path / "file" / "folder").mkdir)
    assert run(["recipes", "list"]) == 1
    shown = capsys.readouterr().err
    assert str(tmp_path / "file") in shown and "Not a directory" in shown
    assert "bug" not in shown


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 4 TiB"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 TB"
        ),
    ],
)
def test_too_little_memory_is_no_bug(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def greedy() -> None:
        raise error

    monkeypatch.setattr("hpscli.recipe.finding.list_recipes", greedy)
    assert run(["recipes", "list"]) == 1
    shown = capsys.readouterr().err
    assert "the memory does not suffice" in shown and "allocate 4 T" in shown
    assert "bug" not in shown


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpscli.recipe.finding.list_recipes", lambda: 1 / 0)
    monkeypatch.setenv("HPS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run(["recipes", "list"])


@pytest.mark.parametrize(("words", "code"), [(["--version"], 0), (["no-such-command"], 2)])
def test_one_process_of_a_job_says_all_and_ends_with_its_code(words: list[str], code: int) -> None:
    outlived = (  # a thread that would keep Python from ending
        "import sys, threading, time\n"
        "threading.Thread(target=time.sleep, args=[600]).start()\n"
        "from hpscli.cli.app import main\n"
        f"sys.argv = ['hps', *{words!r}]\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", outlived],
        env={**os.environ, "WORLD_SIZE": "2", "RANK": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code
    assert "hps" in done.stdout + done.stderr


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
