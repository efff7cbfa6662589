"""hps bench eval tells where the time of an evaluation goes."""

import json

import pytest

from hpscli.cli.app import run
from tests.run.people import write_people


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_people(tmp_path_factory.mktemp("bench") / "people", 24))


def test_shares_and_rates_are_told(shards: str, capsys) -> None:
    words = ["hmr.tiny", "--people", "24", "--batch", "4", "--shards", shards, "--plain", "--json"]
    assert run(["bench", "eval", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "hps/bench-eval/1" and found["people"] == 24
    assert 0 < found["share"] <= 1
    assert found["share"] == pytest.approx(found["network_seconds"] / found["steady_seconds"])
    assert found["wall_seconds"] >= found["steady_seconds"]
    assert found["plain"]["wall_seconds"] > 0 and found["measuring_seconds"] > 0


def test_a_share_that_is_too_low_is_exit_4(shards: str, capsys) -> None:
    words = ["hmr.tiny", "--people", "12", "--batch", "4", "--shards", shards]
    assert run(["bench", "eval", *words, "--least", "1.1"]) == 4
    said = capsys.readouterr()
    assert "below 110.0%" in said.err and "network's share" in said.out


def test_hands_have_people_too(capsys) -> None:
    assert run(["bench", "eval", "nothing", "--people", "2"]) == 2
    assert "nothing" in capsys.readouterr().err
    words = ["fastmetro.hand-tiny", "--people", "4", "--batch", "2", "--json"]
    assert run(["bench", "eval", *words]) == 0
    assert json.loads(capsys.readouterr().out)["protocol"] == "synthetic-hands/test@mano21-v1"
