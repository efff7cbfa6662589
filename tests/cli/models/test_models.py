"""hps models list and show."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import rich.console

from hpscli.cli.app import run
from hpscli.registry import get_registry


def test_models_are_listed_with_body_input_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list"]) == 0
    line = next(li for li in capsys.readouterr().out.splitlines() if li.strip().startswith("hmr"))
    assert "smpl" in line and "224x224" in line and "Apache-2.0" in line


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "hm*", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hps/models/1"
    assert [m["name"] for m in document["models"]] == ["hmr", "hmr2"]
    assert document["models"][0]["weights"][0]["licence"]


def test_a_pattern_without_a_match_says_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "zzz*"]) == 2
    assert "hmr" in capsys.readouterr().err


def test_a_pattern_without_a_match_names_the_plugin_that_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hps_bad.py").write_text("1 / 0\n")
    monkeypatch.setenv("HPS_PLUGINS", str(tmp_path / "hps_bad.py"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    get_registry.cache_clear()
    try:
        assert run(["models", "list", "zzz*"]) == 2
    finally:
        get_registry.cache_clear()
    assert "'hps_bad' is broken" in capsys.readouterr().err


def test_a_model_is_shown_with_options_and_presets(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "show", "hmr", "--quick", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["options"]["backbone"] == "resnet50"
    assert document["presets"]["tiny"]["backbone"] == "tiny"
    assert "parameters" not in document


def test_parameters_are_counted_by_part_when_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["models", "show", "pare", "--params", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    for preset, parts in document["parameters"].items():
        assert parts["total"] == document["variants"][preset]["used_params"]
        assert parts["backbone"] > 0


def test_show_prints_what_authors_count_and_what_is_used(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["models", "show", "graphormer", "--json"]) == 0
    variant = json.loads(capsys.readouterr().out)["variants"]["hrnet-w64"]
    # the log of the official code, reference/metro_graphormer/SPEC.md
    assert variant["official_by_part"]["trans_encoder"] == 83_318_598
    assert variant["official_by_part"]["backbone"] == 128_059_944
    assert variant["used_params"] < variant["official_params"]


def test_show_says_which_assets_a_preset_needs_and_lacks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["models", "show", "graphormer", "--quick", "--json"]) == 0
    variants = json.loads(capsys.readouterr().out)["variants"]
    assert {"id": "sampling-smpl", "present": False} in variants["hrnet-w64"]["assets"]
    assert {"id": "sampling-mano", "present": False} in variants["hand-hrnet-w64"]["assets"]
    assert variants["hand-hrnet-w64"]["body"] == "mano"


def test_show_for_people_has_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "show", "hmr", "--quick"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("backbone", "iterations", "hrnet-w32", "Apache-2.0"))


def test_a_near_miss_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "show", "hrm"]) == 2
    assert "Did you mean 'hmr'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["models", "list"], ["models", "show", "hmr", "--quick"], ["plugins", "list"]]
)
def test_looking_things_up_never_imports_torch(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom hpscli.cli.app import run\n"
        f"code = run({arguments!r})\n"
        "sys.exit(9 if 'torch' in sys.modules else code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0


def test_a_page_on_a_narrow_terminal_keeps_names_and_counts_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = rich.console.Console(width=80, highlight=False, markup=False)
    monkeypatch.setattr("hpscli.cli.output.console", lambda: screen)
    monkeypatch.setattr("hpscli.cli.models.looking.console", lambda: screen)
    assert run(["models", "show", "hmr2"]) == 0
    shown = capsys.readouterr()
    assert "official_params   used_params" in shown.out and "hmr2 " in shown.out
    assert "…" not in shown.out
    assert "counting" in shown.err
