"""Charts: every number lands where it belongs, and every shape says what it is."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpscli.run.report.charts import Frame, bars, cloud, cumulative, histogram, lines, ticks

FINITE = st.floats(-1e6, 1e6, allow_subnormal=False)


def parsed(svg: str) -> ElementTree.Element:
    """-> the picture alone, as XML."""
    return ElementTree.fromstring(svg[: svg.index("</svg>") + 6])


def numbers(element: ElementTree.Element, name: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?[\d.]+", element.attrib[name])]


@given(FINITE, FINITE)
def test_ticks_are_round_few_and_inside(low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    found = ticks(low, high)
    if high - low > 1e-3 * max(abs(low), abs(high), 1.0):
        assert 2 <= len(found) <= 11
        assert all(low - 1e-6 * (high - low) <= t <= high + 1e-6 * (high - low) for t in found)


def test_ticks_of_nothing_are_few() -> None:
    assert ticks(3.0, 3.0) == [3.0] and ticks(float("nan"), 1.0) == []


def test_a_frame_puts_the_ends_at_its_edges() -> None:
    frame = Frame(x=(0.0, 10.0), y=(0.0, 5.0))
    assert frame.across(0.0) == frame.left and frame.across(10.0) == frame.width - frame.right
    assert frame.down(5.0) < frame.down(0.0)


@given(st.lists(st.one_of(FINITE, st.just(float("nan"))), min_size=1, max_size=60))
def test_a_histogram_counts_everybody_who_has_a_number(values: list[float]) -> None:
    known = [v for v in values if np.isfinite(v)]
    svg = histogram(np.array(values), "error", "mm", {"mean": 0.0})
    if not known:
        assert svg == ""
        return
    said = re.findall(r": (\d+) people", svg)
    assert sum(int(count) for count in said) == len(known)
    assert parsed(svg).attrib["role"] == "img"


def test_the_share_of_people_rises_to_all_of_them() -> None:
    (line,) = parsed(cumulative(np.arange(200.0), "error", "mm")).findall("polyline")
    rows = numbers(line, "points")[1::2]
    assert rows == sorted(rows, reverse=True)


def test_bars_are_as_long_as_their_values_and_unknown_ones_are_left_out() -> None:
    svg = bars(["hip", "knee <left>", "toe"], [10.0, 20.0, float("nan")], "joints", "mm")
    first, second = (float(b.attrib["width"]) for b in parsed(svg).findall("rect"))
    assert second == pytest.approx(2 * first, rel=0.01)
    assert "knee &lt;left&gt;: 20 mm" in svg and "toe" not in svg


def test_signed_bars_go_both_ways_and_say_their_sign() -> None:
    left, right = parsed(bars(["a", "b"], [-3.0, 3.0], "change", "mm", signed=True)).findall("rect")
    edge = float(left.attrib["x"]) + float(left.attrib["width"])
    assert edge == pytest.approx(float(right.attrib["x"]), abs=0.2)
    assert left.attrib["class"] != right.attrib["class"]


def test_lines_have_a_legend_only_when_there_are_several() -> None:
    one = lines({"all": ([0, 1], [0, 1])}, "curve", "x", "y")
    two = lines({"all": ([0, 1], [0, 1]), "hands": ([0, 1], [0, 2])}, "curve", "x", "y")
    assert "legend" not in one and two.count("<span") == 2
    assert len(parsed(two).findall("polyline")) == 2


def test_a_line_without_numbers_is_not_drawn() -> None:
    assert lines({"all": ([0.0], [float("nan")])}, "curve", "x", "y") == ""


def test_a_cloud_names_everybody_and_thins_out_the_very_many() -> None:
    few = cloud(np.array([1.0, np.nan]), np.array([2.0, 3.0]), ["<a>", "b"], "t", ("A", "B"))
    assert "&lt;a&gt;: 1, 2" in few and len(parsed(few).findall("circle")) == 1
    many = np.arange(10_000.0)
    names = [str(number) for number in range(10_000)]
    svg = cloud(many, many, names, "t", ("A", "B"))
    assert len(parsed(svg).findall("circle")) == 2500 and len(svg) < 600_000
