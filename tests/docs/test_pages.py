"""The pages hold what they say: links lead somewhere, reference is current, the tutorial runs."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hpscli.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("*/README.md"))]
TUTORIAL = ROOT / "docs" / "tutorial" / "first-model.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    missing = [t for t in targets if "://" not in t and not (page.parent / t).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"^(?: {4}|\$ )hps ([a-z-]+)\b", text, re.MULTILINE))
    assert named <= COMMANDS.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_what_a_shell_would_change_is_in_quotes(page: Path) -> None:
    """Commands, and settings that are a list: bash takes their quotes, zsh looks for files."""
    text = page.read_text(encoding="utf-8")
    typed = re.findall(r"^(?: {4}|\$ )(hps .+)$", text, re.MULTILINE)
    typed += re.findall(r"`(hps [^`]+|'?\w+(?:\.\w+)+=[^`\s]+)`", text)
    words = [word for line in typed for word in shlex.split(line, posix=False)]
    assert not [word for word in words if word[0] not in "'\"" and {"[", "*"} & {*word}]


def test_the_reference_pages_are_what_the_program_says() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "build_reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_tutorial_runs_as_it_stands(tmp_path: Path) -> None:
    commands = re.findall(r"^\$ (hps .+)$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) > 12
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "hpscli", *shlex.split(command)[1:]],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert len(list((tmp_path / "predictions").glob("*.png"))) >= 8
    assert (tmp_path / "first.onnx").stat().st_size > 1_000_000
