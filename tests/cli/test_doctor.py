import json
from pathlib import Path

import pytest

from hpscli.cli.app import run


def test_doctor_reports_every_part_and_asks_for_nothing(
    capsys: pytest.CaptureFixture[str], own_home: Path
) -> None:
    assert run(["doctor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    names = {finding["name"] for finding in document["findings"]}
    assert {"python", "packages", "plugins", "body models", "extras", "renderer"} <= names
    bodies = next(f for f in document["findings"] if f["name"] == "body models")
    assert "free bodies" in bodies["found"] and str(own_home) in bodies["found"]


def test_doctor_names_a_broken_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hpscli.registry import get_registry

    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_that_name\n")
    monkeypatch.setenv("HPS_PLUGINS", str(broken))
    get_registry.cache_clear()
    try:
        assert run(["doctor", "--quick"]) == 0
    finally:
        get_registry.cache_clear()
    shown = capsys.readouterr().out
    assert "ATTENTION" in shown and "nothing_of_that_name" in shown
