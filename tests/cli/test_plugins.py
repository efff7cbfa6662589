"""hps plugins list, new, check."""

import json
import os
from pathlib import Path

import pytest

from hpscli.cli.app import run
from hpscli.registry import get_registry


@pytest.fixture
def plugin_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that makes this process find plugin files, and forgets them afterwards."""
    import sys

    modules, paths = set(sys.modules), list(sys.path)

    def use(**texts: str) -> None:
        files = []
        for name, text in texts.items():
            files.append(tmp_path / f"{name}.py")
            files[-1].write_text(text)
        monkeypatch.setenv("HPS_PLUGINS", os.pathsep.join(str(f) for f in files))
        get_registry.cache_clear()

    yield use
    get_registry.cache_clear()
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(
            sys.modules[name].__file__
        ):
            del sys.modules[name]


def test_first_party_plugins_are_listed_with_what_they_bring(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["plugins", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hps/plugins/1"
    brought = {p["name"]: p["brings"] for p in document["plugins"]}
    assert {"kind": "model", "name": "hmr"} in brought["hmr"]
    assert {"kind": "golden", "name": "hmr/spin"} in brought["hmr-goldens"]
    assert document["problems"] == []


def test_a_broken_plugin_is_named_and_the_rest_is_listed(
    plugin_files, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin_files(wounded_plugin="import a_module_that_nobody_has\n")
    assert run(["plugins", "list"]) == 0
    shown = capsys.readouterr().out
    assert "BROKEN" in shown and "wounded_plugin" in shown and "a_module_that_nobody_has" in shown
    assert "model hmr" in shown


def test_a_new_package_says_what_was_written_and_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["plugins", "new", "model", "stick"]) == 0
    shown = capsys.readouterr()
    assert "hps-stick/hps_stick/plugin.py" in shown.out.splitlines()
    assert "next" in shown.err and "hps train recipes/tiny.toml model.name=stick" in shown.err
    assert run(["plugins", "new", "model", "stick"]) == 2
    assert "--force" in capsys.readouterr().err


def test_a_bad_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "new", "dataset", "My Data"]) == 2
    assert "'My Data' cannot name a data set" in capsys.readouterr().err


BAD_MODEL = """
from hpscli.hooks import ModelSpec, hookimpl

@hookimpl
def hps_models():
    return [
        ModelSpec(
            name="wobbly", build="wobbly_plugin:build", summary="Wrong.", body="smpl",
            input_size=(16, 16), licence="CC0-1.0", outputs=("camera", "vertices"),
        )
    ]

def build():
    import torch
    from hpscli.records import Prediction

    class Net(torch.nn.Linear):
        def forward(self, image):
            return Prediction(camera=super().forward(image.mean(dim=(2, 3))))

    return Net(3, 3)
"""


def test_a_failed_check_is_a_sentence_in_the_table_and_exit_code_4(
    plugin_files, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin_files(wobbly_plugin=BAD_MODEL)
    assert run(["plugins", "check", "wobbly"]) == 4
    shown = capsys.readouterr()
    assert "FAIL" in shown.out and "declares vertices, but does not give it" in shown.out
    assert "outputs" in shown.err


def test_a_plugin_that_cannot_be_imported_fails_its_check(
    plugin_files, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin_files(wounded_plugin="import a_module_that_nobody_has\n")
    assert run(["plugins", "check", "wounded_plugin"]) == 4
    assert "a_module_that_nobody_has" in capsys.readouterr().out


def test_checks_as_json(plugin_files, capsys: pytest.CaptureFixture[str]) -> None:
    plugin_files(wobbly_plugin=BAD_MODEL)
    assert run(["plugins", "check", "wobbly_plugin", "--json"]) == 4
    document = json.loads(capsys.readouterr().out)
    assert not document["ok"]
    assert {"model wobbly", "plugin wobbly_plugin"} == {c["subject"] for c in document["checks"]}


def test_every_protocol_and_golden_of_a_plugin_is_checked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["plugins", "check", "hmr-goldens", "--json"]) == 0
    names = {c["subject"] for c in json.loads(capsys.readouterr().out)["checks"]}
    assert {"golden hmr/spin", "golden hmr/rotations"} <= names


ABSENT_DATA = """
import numpy
from hpscli.hooks import DatasetSpec, hookimpl

@hookimpl
def hps_datasets():
    return [
        DatasetSpec(
            name="faraway", samples="faraway_plugin:samples", splits=("train",), summary="Far.",
            licence="CC0-1.0", access="open", homepage="https://example.org",
        )
    ]

def samples(root, split):
    return iter(())
"""


def test_a_data_set_whose_files_are_not_given_is_said_not_to_have_been_read(
    plugin_files, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin_files(faraway_plugin=ABSENT_DATA)
    assert run(["plugins", "check", "faraway"]) == 0
    assert "not run" in capsys.readouterr().out


def test_a_plugin_that_slows_every_command_down_fails_its_check(
    plugin_files, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin_files(faraway_plugin=ABSENT_DATA)
    assert run(["plugins", "check", "faraway_plugin", "--json"]) == 4
    checks = json.loads(capsys.readouterr().out)["checks"]
    says = {c["name"]: c["says"] for c in checks if not c["ok"]}
    assert list(says) == ["light"] and "imports numpy" in says["light"]


def test_an_unknown_plugin_gets_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "check", "syntetic"]) == 2
    assert "Did you mean 'synthetic'?" in capsys.readouterr().err
