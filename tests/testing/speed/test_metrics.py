"""Metrics beside plain loops: what is timed, compared and judged."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest

from hpscli.cli.app import run
from hpscli.errors import InvalidData
from hpscli.hooks import SpeedSpec
from hpscli.testing.speed.metrics import measure_one, worst_difference

PEOPLE = 40


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    found = ModuleType("speeds_of_a_test")
    seen: list[int] = []

    def slow(given: dict) -> dict:
        import time

        seen.append(len(given["points"]))
        end = time.process_time() + 0.001 * len(given["points"])
        while time.process_time() < end:  # sleeping is no computing, and is not counted
            pass
        return {"sum": np.array([row.sum() for row in given["points"]])}

    found.make = lambda: {"points": np.arange(PEOPLE * 3.0).reshape(PEOPLE, 3), "about": "all"}
    found.ours = lambda given: {"sum": given["points"].sum(axis=1)}
    found.wrong = lambda given: {"sum": given["points"].sum(axis=1) + 1e-3}
    found.slow, found.seen = slow, seen
    monkeypatch.setitem(sys.modules, found.__name__, found)
    return found


def spec(ours: str = "ours", **changes: object) -> SpeedSpec:
    here = "speeds_of_a_test"
    values = {
        "name": "sums",
        "make": f"{here}:make",
        "ours": f"{here}:{ours}",
        "plain": f"{here}:slow",
        "people": PEOPLE,
        "at_least": 2.0,
        "summary": "a test",
    }
    return SpeedSpec(**{**values, **changes})


def test_a_fast_and_equal_metric_is_ok(module: ModuleType) -> None:
    row = measure_one(spec())
    assert row.ok and row.worst == 0.0 and row.ratio > 2
    assert module.seen == [PEOPLE]


def test_a_share_is_measured_and_scaled_up(module: ModuleType) -> None:
    row = measure_one(spec(share=0.25))
    assert module.seen == [10] and row.measured == 10
    assert 0.04 <= row.plain_s < 0.4  # ten people took a quarter of it


def test_what_is_unequal_or_slow_is_not_ok(module: ModuleType) -> None:
    assert not measure_one(spec("wrong")).ok
    assert not measure_one(spec(), least=1e9).ok


def test_different_shapes_and_nan_in_other_places_are_infinitely_apart() -> None:
    assert worst_difference("x", {"a": np.zeros(2)}, {"a": np.zeros(3)}) == float("inf")
    assert worst_difference("x", {"a": [np.nan, 1]}, {"a": [1, np.nan]}) == float("inf")
    assert worst_difference("x", {"a": [np.nan, 1]}, {"a": [np.nan, 2]}) == 0.5
    with pytest.raises(InvalidData, match="'a'"):
        worst_difference("x", {"a": 1}, {"b": 1})


@pytest.mark.slow
def test_the_similarity_transform_of_a_test_set_is_25_times_a_plain_loop(
    capsys: pytest.CaptureFixture,
) -> None:
    assert run(["bench", "metrics", "--only", "pa-mpjpe", "--check", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)["rows"][0]
    assert row["people"] == 35515 and row["worst"] <= 1e-9 and row["ratio"] >= 25


def test_a_row_that_does_not_exist_is_suggested(capsys: pytest.CaptureFixture) -> None:
    assert run(["bench", "metrics", "--only", "pa-mpjp"]) == 2
    assert "Did you mean 'pa-mpjpe'?" in capsys.readouterr().err
