"""What tests of hps train ask: what was said, what a run logged, how a mistake ended."""

import json
from pathlib import Path
from typing import Any

import pytest

from hpscli.cli.app import run as hps


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def lines_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").open()]


def fails(words: list[str], code: int, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert hps(["train", *words]) == code
    text = said(capsys)
    assert expected in text
    assert "Traceback" not in text
