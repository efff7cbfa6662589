"""Two results side by side: who is paired with whom, what is drawn, how sure one may be."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hpscli.errors import UsageError
from hpscli.metrics.protocols import METRICS
from hpscli.metrics.results import Result
from hpscli.metrics.results.comparison import bootstrap_intervals, compare, told_apart, videos_of
from hpscli.metrics.rules import Metric, mean_metrics

KEYS = tuple(f"person-{i:03}" for i in range(80))


def result(shift: float = 0.0, keys: tuple[str, ...] = KEYS, **changes: Any) -> Result:
    values = np.array([100 + 10 * np.sin(int(key[-3:].replace("-", ""))) + shift for key in keys])
    errors = {"mpjpe": values, "pve": np.where(np.arange(len(keys)) % 2, values, np.nan)}
    made = Result(
        protocol={"name": "synthetic/test@smpl24-v1", "sample_list_sha256": "x"},
        checkpoint={"name": "tiny", "sha256": "0" * 64},
        model="hmr",
        body={"kind": "smpl", "gender": "neutral", "source": "free", "sha256": "1" * 64},
        data={"shards": "shards/synthetic/test", "index_sha256": "2" * 64, "samples": len(keys)},
        settings={"batch": 32, "dtype": "fp32", "flip": False, "limit": 0},
        metrics=mean_metrics(errors, {name: METRICS[name].figure for name in errors}),
        keys=keys,
        errors=errors,
    )
    return replace(made, **changes)


def test_a_constant_shift_is_significant_and_exact() -> None:
    mpjpe, pve = compare(result(), result(shift=-1.5)).differences
    assert mpjpe.difference == pytest.approx(-1.5)
    assert mpjpe.low == pytest.approx(-1.5) and mpjpe.significant
    assert mpjpe.verdict == "B is better" and pve.samples == 40


def test_of_percentages_more_is_better() -> None:
    figures = {"pck": Metric(value=50.0, unit="%", n=80, smaller_is_better=False)}
    first = result(metrics=figures, errors={"pck": np.full(80, 50.0)})
    second = result(metrics=figures, errors={"pck": np.full(80, 51.0)})
    assert compare(first, second).differences[0].verdict == "B is better"


def test_noise_around_zero_is_not_significant() -> None:
    noise = np.random.RandomState(0).randn(80)
    errors = {"mpjpe": result().errors["mpjpe"] + noise - noise.mean()}
    mpjpe = compare(result(), result(errors=errors)).differences[0]
    assert mpjpe.low is not None and mpjpe.high is not None
    assert mpjpe.low < 0 < mpjpe.high and not mpjpe.significant
    assert mpjpe.verdict == "no difference shown"


def test_people_are_paired_by_key_not_by_place() -> None:
    shuffled = tuple(reversed(KEYS[10:]))
    found = compare(result(), result(keys=shuffled))
    assert (found.common, found.only_first, found.only_second) == (70, 10, 0)
    assert "10 only in A" in found.says
    assert found.differences[0].difference == pytest.approx(0.0, abs=1e-12)


def test_the_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    random = np.random.RandomState(5)
    hits = 0
    for _ in range(60):
        low, high = bootstrap_intervals({"x": random.randn(60) + 2.0}, resamples=400)["x"]
        hits += low < 2.0 < high
    assert 50 <= hits <= 60


def test_the_interval_is_as_wide_as_the_formula_of_the_mean_says() -> None:
    values = np.random.RandomState(1).randn(4000) * 10
    low, high = bootstrap_intervals({"x": values})["x"]
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(4000), rel=0.06)


def test_frames_of_videos_are_drawn_together_and_the_interval_is_wider() -> None:
    random = np.random.RandomState(2)
    blocks = np.repeat(np.arange(20), 50)
    values = random.randn(20)[blocks] + 0.01 * random.randn(1000)
    alone = bootstrap_intervals({"x": values})["x"]
    whole = bootstrap_intervals({"x": values}, blocks)["x"]
    means = np.array([values[blocks == i].mean() for i in range(20)])
    assert whole[1] - whole[0] > 5 * (alone[1] - alone[0])
    assert whole[1] - whole[0] == pytest.approx(2 * 1.96 * means.std() / np.sqrt(20), rel=0.15)


def test_people_without_truth_have_no_part_in_the_mean() -> None:
    values = np.where(np.arange(1000) % 2, 7.0, np.nan)
    assert bootstrap_intervals({"x": values, "none": values * np.nan})["x"] == (7.0, 7.0)


def test_videos_are_known_from_labels_else_from_keys_else_not() -> None:
    frames = tuple(f"walk_{v:02}_1_{f:05}" for v in range(4) for f in range(10))
    names = tuple(f"video {i // 20}" for i in range(40))
    assert len(set(videos_of(result(keys=frames))[0])) == 4
    assert videos_of(result(keys=frames, sequences=names)) == (names, "by the labels")
    assert videos_of(result()) == ((), "")
    assert videos_of(result(keys=tuple(f"{i:012}-0" for i in range(60)))) == ((), "")
    assert compare(result(keys=frames), result(keys=frames)).blocks == 4


def test_a_figure_that_is_no_mean_over_people_says_so() -> None:
    median = {"mpjpe": Metric(value=90.0, n=80, label="MPJPE")}
    (found,) = compare(result(metrics=median), result(metrics=median)).differences
    assert "90.00" in found.remark


def test_a_figure_without_shares_is_compared_without_an_interval() -> None:
    f1 = {"f1": Metric(value=0.8, unit="", n=80, label="F1")}
    (found,) = compare(result(metrics=f1, errors={}), result(metrics=f1, errors={})).differences
    assert (found.low, found.samples, found.verdict) == (None, 0, "no interval")


def test_the_whole_of_3dpw_takes_a_moment() -> None:
    values = np.random.RandomState(0).randn(35515)
    start = time.process_time()
    bootstrap_intervals({name: values for name in ("mpjpe", "pa_mpjpe", "pve")})
    assert time.process_time() - start < 5.0


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("protocol", {"name": "synthetic/test@smpl24-v2"}, "protocol"),
        ("body", {"kind": "smpl", "source": "imported"}, "body source"),
    ],
)
def test_what_differs_in_rules_is_not_compared(field: str, value: object, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        compare(result(), result(**{field: value}))


def test_results_of_one_checkpoint_are_told_apart_by_their_settings() -> None:
    flipped = result(settings={"batch": 8, "dtype": "fp32", "tta": "flip", "limit": 0})
    assert told_apart((result(), flipped)) == ["tta none", "tta flip"]
    assert told_apart((result(), result())) == ["", ""]


def test_results_without_common_people_are_not_compared() -> None:
    with pytest.raises(UsageError, match="in common"):
        compare(result(keys=KEYS[:5]), result(keys=KEYS[5:]))
