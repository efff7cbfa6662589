"""Small charts as one picture."""

import numpy as np
import pytest

from hpscli.render.panels import (
    HEIGHT_PX,
    LINE,
    MARK,
    PAPER,
    WIDTH_PX,
    Panel,
    draw_panels,
    number,
    ticks,
)


def panel(values: list[float], **more: object) -> Panel:
    x = np.arange(len(values), dtype=np.float64)
    return Panel(title="loss", x=x, y=np.array(values, np.float64), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (47.2, 83.9, [50, 60, 70, 80]),
        (0, 3e-4, [0, 5e-5, 1e-4, 1.5e-4, 2e-4, 2.5e-4, 3e-4]),
        (5, 5, [5]),
    ],
)
def test_marks_are_round_numbers_within_the_axis(
    low: float, high: float, wanted: list[float]
) -> None:
    assert ticks(low, high) == pytest.approx(wanted)


def test_numbers_are_as_long_as_it_takes_to_tell_them_apart() -> None:
    assert [number(v, 0.5) for v in (0, 0.5, 1.0)] == ["0", "0.5", "1.0"]
    assert number(20, 10) == "20"
    assert number(1e-4, 5e-5) != number(1.5e-4, 5e-5)
    assert number(123456.0) == "1e5"


def test_a_falling_line_is_high_at_the_left_and_low_at_the_right() -> None:
    picture = draw_panels([panel([4, 3, 2, 1])], "epoch")
    assert picture.shape == (HEIGHT_PX, WIDTH_PX, 3)
    rows, columns = np.nonzero(np.abs(picture.astype(int) - LINE).sum(axis=2) < 40)
    assert rows[columns.argmin()] < rows[columns.argmax()] - HEIGHT_PX / 4


def test_the_marked_point_stands_out_and_gaps_are_left_out() -> None:
    picture = draw_panels([panel([4, float("nan"), 1, 2], mark=2)], "epoch")
    rows, columns = np.nonzero(np.abs(picture.astype(int) - MARK).sum(axis=2) < 40)
    assert len(rows) > 10
    assert columns.max() > WIDTH_PX / 2


def test_charts_fill_rows_and_what_has_no_values_is_an_empty_chart() -> None:
    picture = draw_panels([panel([1, 2]), panel([]), panel([3]), panel([1])], "epoch", columns=3)
    assert picture.shape == (2 * HEIGHT_PX, 3 * WIDTH_PX, 3)
    assert (picture[HEIGHT_PX:, WIDTH_PX:] == PAPER).all()
