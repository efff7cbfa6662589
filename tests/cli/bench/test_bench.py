import json
from pathlib import Path

import pytest

from hpscli.cli.app import run
from tests.data.people import make_shards


def test_the_reading_path_is_measured_against_bare_decoding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_shards(tmp_path / "shards", 40)
    words = ["bench", "data", str(folder), "--workers", "0,1", "--seconds", "0.1", "--json", "-q"]
    assert run(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["bare_per_second"] > document["workers"]["0"] > 0
    assert document["workers"]["1"] > 0
    assert 0.05 < document["ratio"] < 1
    assert document["two_workers_over_one"] is None
    assert document["beside_metro"] is None


@pytest.mark.slow
def test_without_shards_both_ways_read_the_same_people(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "data", "--workers", "0", "--seconds", "0.1", "--people", "32", "--json"]
    assert run([*words, "-q"]) == 0
    beside = json.loads(capsys.readouterr().out)["beside_metro"]
    assert beside["per_second"]["metro"] > 0
    # far below what is measured on a machine at rest, 2.5 and 8
    assert beside["times_metro"]["originals"] > 1.5
    assert beside["times_metro"]["crops"] > 4


def test_a_ratio_below_what_is_asked_for_is_a_failed_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_shards(tmp_path / "shards", 40)
    words = ["bench", "data", str(folder), "--workers", "0", "--seconds", "0.1", "--least", "9"]
    assert run(words) == 4
    assert "of bare decoding, below 9" in capsys.readouterr().err


@pytest.mark.slow
def test_reading_too_slow_beside_metro_is_a_failed_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hpscli.testing.speed.reading.NEEDED", {"originals": 0.1, "crops": 1000.0})
    words = ["bench", "data", "--workers", "0", "--seconds", "0.1", "--people", "32", "--check"]
    assert run(words) == 4
    shown = capsys.readouterr()
    assert "too slow beside METRO's way: crops " in shown.err and "originals" not in shown.err
    assert "needed" in shown.out


def test_shards_cannot_be_checked_beside_metro(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "data", "shards/mine", "--check"]) == 2
    assert "METRO's way cannot read SHARDS" in capsys.readouterr().err


def test_the_generator_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "synthetic", "--body", "mano", "--size", "64", "--seconds", "0.2", "--json"]
    assert run(words) == 0
    assert json.loads(capsys.readouterr().out)["images_per_second_per_core"] > 0


def test_workers_that_are_no_numbers_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "data", "--workers", "two"]) == 2
    assert "--workers two is not a list of numbers" in capsys.readouterr().err
