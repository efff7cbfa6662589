"""hps flops."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpscli.cli.app import run
from hpscli.cli.flops import parse_shape
from hpscli.errors import UsageError
from hpscli.registry import get_registry


def test_hmr_costs_what_other_counters_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flops", "hmr.resnet50", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    row = document["models"][0]
    # reference/metrics/tables.json, "HMR-ResNet50 (backbone without fc + 3-iteration HMR head) 224"
    assert row["parameters"]["total"] == 26_977_501
    assert row["flops"] == 2 * row["macs"] == 8_195_076_096
    assert row["macs_mmcv_rule"] == 4_130_177_536
    assert row["parameters"]["backbone"] + row["parameters"]["regressor"] == 26_977_501
    assert sum(row["macs_by_part"].values()) == row["macs"]
    assert document["body_layers"][0]["body"] == "smpl"
    assert document["body_layers"][0]["macs"] > 0


def test_a_smaller_image_costs_less(capsys: pytest.CaptureFixture[str]) -> None:
    costs = {}
    for shape in ("64x64", "128x64"):
        assert run(["flops", "hmr.tiny", "--shape", shape, "--json"]) == 0
        row = json.loads(capsys.readouterr().out)["models"][0]
        assert row["shape"] == [int(side) for side in shape.split("x")]
        costs[shape] = row["macs_by_part"]["backbone"]
    assert costs["128x64"] == 2 * costs["64x64"]


def test_modules_are_shown_on_demand(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["flops", "hmr.tiny", "--shape", "64", "--by-module"]) == 0
    shown = capsys.readouterr().out
    assert "backbone.stem" in shown and "backbone.blocks.0.conv1" not in shown
    assert run(["flops", "hmr.tiny", "--shape", "64", "--by-module", "--depth", "4"]) == 0
    assert "backbone.blocks.0.conv1" in capsys.readouterr().out


def test_every_preset_of_every_model_is_in_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in get_registry().names("model"):
        if name != "pare":
            monkeypatch.setenv("HPS_DISABLE", f"{os.environ.get('HPS_DISABLE', '')},{name}")
    get_registry.cache_clear()
    try:
        assert run(["flops", "--params"]) == 0
    finally:
        get_registry.cache_clear()
    shown = capsys.readouterr().out
    assert all(f"pare.{name}" in shown for name in ("hrnet-w32", "resnet50", "tiny"))
    assert "official_params" in shown and "32 861 502" in shown and "32 860 710" in shown


def test_what_authors_count_and_what_is_used_are_both_there(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["flops", "fastmetro.l-hrnet-w64", "--params", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["models"]
    # reference/fastmetro/keys/param_counts.json, FastMETRO-L-H64-body; less HRNet's classifier
    assert row["official_params"] == 153_739_838
    assert row["used_params"] == 153_739_838 - 2048 * 1000 - 1000


@pytest.mark.parametrize(("text", "sides"), [("256x192", (256, 192)), ("224", (224, 224))])
def test_shapes_are_height_x_width(text: str, sides: tuple[int, int]) -> None:
    assert parse_shape(text) == sides


@pytest.mark.parametrize("text", ["", "0x5", "-3", "axb", "5x", "1x2x3", "99999", "3.5x2"])
def test_a_shape_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not HEIGHTxWIDTH"):
        parse_shape(text)


@pytest.mark.parametrize(
    ("name", "says"),
    [("hrm", "Did you mean 'hmr'?"), ("hmr.tinny", "no preset 'tinny'")],
)
def test_an_unknown_model_or_preset_is_a_usage_error(
    name: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["flops", name]) == 2
    assert says in capsys.readouterr().err


def test_a_shape_that_a_model_cannot_take_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["flops", "hmr.resnet50", "--shape", "abc"]) == 2
    assert "--shape 'abc'" in capsys.readouterr().err


BROKEN_MODEL = """
from hpscli.hooks import ModelSpec, hookimpl

@hookimpl
def hps_models():
    return [
        ModelSpec(
            name="broken-net", build="broken_net_plugin:build", summary="Wrong.", body="smpl",
            input_size=(16, 16), licence="CC0-1.0", outputs=("camera",),
        )
    ]

def build():
    raise ValueError("no such layer")
"""


def test_one_broken_model_is_named_and_the_others_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken_net_plugin.py").write_text(BROKEN_MODEL)
    monkeypatch.setenv("HPS_PLUGINS", str(tmp_path / "broken_net_plugin.py"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    others = ["fastmetro", "graphormer", "hmr", "hmr2", "metro", "osx"]
    monkeypatch.setenv("HPS_DISABLE", ",".join(others))
    get_registry.cache_clear()
    try:
        assert run(["flops", "--params"]) == 4
    finally:
        get_registry.cache_clear()
    shown = capsys.readouterr()
    assert "pare.tiny" in shown.out
    assert "broken-net" in shown.err and "no such layer" in shown.err


def test_counting_ends_without_complaints_of_libraries() -> None:
    command = [sys.executable, "-m", "hpscli", "flops", "hmr.tiny"]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ended.stderr.splitlines() == ["counting    hmr.tiny"]
