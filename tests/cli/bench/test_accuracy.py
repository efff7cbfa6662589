"""hps bench accuracy: what is published, what can be measured here, what is missing."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpscli.cli.app import run
from hpscli.cli.bench.accuracy import letters
from hpscli.nn.weights.store import stored_path
from hpscli.registry import get_registry
from tests.run.people import tiny_checkpoint

PLUGIN = """
from hpscli.hooks import ProtocolSpec, Published, hookimpl


@hookimpl
def hps_protocols():
    common = {"testset": "synthetic", "split": "test", "body": "smpl", "joints": "smpl24"}
    pelvis = {"root": ("pelvis",), "summary": "people that come with hps"}
    source = {"source": "somebody, table 1"}
    return [
        ProtocolSpec(
            name="synthetic/test@fake-v1",
            published=(
                Published(model="hmr.tiny", metric="mpjpe", value=120.0, **source),
                Published(
                    model="hmr.tiny", metric="pve", value=1.0, doubt="copied | not measured", **source
                ),
                Published(model="", metric="mpjpe", value=99.0, label="a stranger", **source),
                Published(model="metro.3dpw", metric="mpjpe", value=77.1, **source),
                Published(model="unheard", metric="mpjpe", value=5.0, **source),
                Published(model="hmr.tiny", metric="auc", value=50.0, **source),
            ),
            **common,
            **pelvis,
        ),
        ProtocolSpec(
            name="synthetic/test@whole-v1",
            samples=1000,
            published=(Published(model="hmr.tiny", metric="mpjpe", value=2.0, **source),),
            **common,
            **pelvis,
        ),
        ProtocolSpec(
            name="elsewhere/test@fake-v1",
            published=(Published(model="hmr.tiny", metric="mpjpe", value=3.0, **source),),
            **{**common, "testset": "elsewhere"},
            **pelvis,
        ),
    ]
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A plugin with published numbers of the weights and people that come with hps."""
    file = tmp_path / "fake_published_numbers.py"
    file.write_text(PLUGIN)
    monkeypatch.setenv("HPS_PLUGINS", os.fspath(file))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    get_registry.cache_clear()
    yield
    sys.modules.pop(file.stem, None)
    get_registry.cache_clear()


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    assert run(["bench", "accuracy", *words, "--json", "-q"]) == 0
    return json.loads(capsys.readouterr().out)


def test_rows_say_what_they_need(fake: None, capsys: pytest.CaptureFixture[str]) -> None:
    rows = asked(capsys, "--protocol", "fake-v1", "--dry-run")["rows"]
    needs = {(r["protocol"], r["label"], r["metric"]): r["needs"] for r in rows}
    here = "synthetic/test@fake-v1"
    assert needs[(here, "hmr.tiny", "mpjpe")] == []
    assert "hps eval CHECKPOINT" in needs[(here, "a stranger", "mpjpe")][0]["fix"]
    metro = needs[(here, "metro.3dpw", "mpjpe")]
    assert "hps models import metro_3dpw_state_dict.bin" in metro[0]["fix"]
    assert any("hps assets import" in need["fix"] for need in metro)
    assert needs[(here, "unheard", "mpjpe")][0]["kind"] == "model"
    (shards,) = needs[("elsewhere/test@fake-v1", "hmr.tiny", "mpjpe")]
    assert shards["kind"] == "shards" and "hps prepare FORM --split test" in shards["fix"]


def test_an_imported_checkpoint_is_needed_no_more(
    fake: None, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_checkpoint(stored_path("metro.3dpw"))
    rows = asked(capsys, "--model", "metro", "--dry-run")["rows"]
    (row,) = [r for r in rows if r["protocol"] == "synthetic/test@fake-v1"]
    assert {need["kind"] for need in row["needs"]} == {"asset"}
    h36m = [r for r in rows if r["model"] == "metro.h36m"]
    assert h36m and all("checkpoint" in {need["kind"] for need in r["needs"]} for r in h36m)


def test_what_fails_in_the_middle_says_why_and_the_rest_goes_on(
    fake: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_path("metro.3dpw").parent.mkdir(parents=True)
    stored_path("metro.3dpw").write_bytes(b"no checkpoint")
    monkeypatch.setattr("hpscli.run.accuracy._asset_needs", lambda spec, weights: ())
    rows = asked(capsys, "--protocol", "synthetic/test@fake-v1", "--out", "m")["rows"]
    broken = next(r for r in rows if r["model"] == "metro.3dpw")
    assert broken["needs"][0]["kind"] == "evaluation" and broken["ours"] is None
    assert any(r["ours"] for r in rows)


def test_a_part_of_the_people_is_not_the_test_set(
    fake: None, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = asked(capsys, "--protocol", "whole-v1", "--dry-run")["rows"]
    assert not row["runnable"] and "all 1000 people" in row["needs"][0]["what"]


def test_what_can_be_measured_is_measured_and_set_beside_the_published_value(
    fake: None, capsys: pytest.CaptureFixture[str]
) -> None:
    document = asked(capsys, "--protocol", "synthetic/test@fake-v1", "--out", "matrix")
    rows = {(r["label"], r["metric"]): r for r in document["rows"]}
    mpjpe = rows[("hmr.tiny", "mpjpe")]
    assert mpjpe["difference"] == pytest.approx(mpjpe["ours"] - 120.0) and mpjpe["people"] == 48
    assert Path(mpjpe["file"]).is_file() and Path(mpjpe["file"]).with_suffix(".html").is_file()
    assert not rows[("hmr.tiny", "pve")]["target"]
    assert "auc" in rows[("hmr.tiny", "auc")]["needs"][0]["what"]
    assert document["measured"] == 2 and document["published"] == 6
    text = Path("matrix/accuracy.md").read_text()
    assert (
        "## synthetic/test@fake-v1" in text
        and "copied \\| not measured" not in text.split("Doubt")[0]
    )
    assert json.loads(Path("matrix/accuracy.json").read_text())["rows"] == document["rows"]


def test_numbers_of_a_free_body_are_not_set_beside_those_of_real_people(
    fake: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hpscli.run.accuracy._generated", lambda testset, registry: False)
    rows = asked(capsys, "--protocol", "synthetic/test@fake-v1", "--out", "m")["rows"]
    mpjpe = rows[0]
    assert mpjpe["ours"] > 0 and mpjpe["difference"] is None and "free body" in mpjpe["remark"]


def test_a_missed_target_fails_when_asked_and_a_doubtful_one_does_not(
    fake: None, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "accuracy", "--protocol", "synthetic/test@fake-v1", "--out", "m", "-q"]
    assert run([*words, "--least", "50"]) == 0  # 120 against about 127; the doubtful one is 1.0
    assert run([*words, "--least", "1"]) == 4
    assert "missed by more than 1 %" in capsys.readouterr().err


def test_the_table_names_needs_and_doubts_once(
    fake: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bench", "accuracy", "--testset", "synthetic", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.count("hps models import metro_3dpw_state_dict.bin") == 1
    assert "(a) copied | not measured" in said and "1.00 (a)" in said
    assert not Path("runs").exists()


def test_nothing_known_is_an_error_that_says_where_to_look(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["bench", "accuracy", "--model", "nobody"]) == 2
    assert "hps protocols list" in capsys.readouterr().err


def test_doubts_are_lettered_beyond_z() -> None:
    assert [letters(n) for n in (0, 25, 26, 27)] == ["a", "z", "aa", "ab"]


def test_every_published_model_is_one_that_can_be_named() -> None:
    registry = get_registry()
    models = {spec.name: {w.tag for w in spec.weights} for spec in registry.all("model")}
    wrong = [
        (spec.name, entry.model)
        for spec in registry.all("protocol")
        for entry in spec.published
        if entry.model
        and (
            entry.model.partition(".")[0] not in models
            or entry.model.partition(".")[2] not in {"", *models[entry.model.partition(".")[0]]}
        )
    ]
    assert not wrong


def test_a_near_miss_of_a_model_or_a_test_set_is_suggested(capsys) -> None:
    for option, word, meant in (("--model", "metr", "metro"), ("--testset", "3dp", "3dpw")):
        assert run(["bench", "accuracy", "--dry-run", option, word]) == 2
        assert f"Did you mean '{meant}'?" in capsys.readouterr().err
