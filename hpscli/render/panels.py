"""Small charts side by side as one picture: lines over a common axis, each with its own scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float64]
Rgb = tuple[int, int, int]
FONT = cv2.FONT_HERSHEY_SIMPLEX
WIDTH_PX, HEIGHT_PX = 360, 220  # of a chart
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 58, 16, 34, 34  # around its plot
FINER = 3  # drawn this many times as large, then made smaller: smooth letters and lines
PAPER, INK, SOFT, GRID = (255, 255, 255), (36, 41, 47), (110, 119, 129), (228, 231, 235)
LINE, MARK = (47, 116, 181), (194, 105, 28)
TICKS = 6  # at most
DOTS = 40  # a line with more points has no dots


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A chart: x (N,) ascending, y (N,); a point that is marked has its value beside it."""

    title: str
    x: Floats
    y: Floats
    mark: int | None = None  # the point that is marked
    unit: str = ""
    from_zero: bool = False  # the axis starts at 0, however small the changes are


def draw_panels(panels: Sequence[Panel], x_label: str, *, columns: int = 3) -> Image:
    """-> one picture (H,W,3) of all charts, row by row; all have the same x axis."""
    columns = max(1, min(columns, len(panels)))
    rows = math.ceil(len(panels) / columns)
    sheet = np.full((rows * HEIGHT_PX * FINER, columns * WIDTH_PX * FINER, 3), PAPER, np.uint8)
    ends = [panel.x for panel in panels if len(panel.x)]
    last = max((float(x.max()) for x in ends), default=1.0)
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        top, left = row * HEIGHT_PX * FINER, column * WIDTH_PX * FINER
        view = sheet[top : top + HEIGHT_PX * FINER, left : left + WIDTH_PX * FINER]
        _draw(view, panel, last, x_label)
    small: Image = cv2.resize(
        sheet, (columns * WIDTH_PX, rows * HEIGHT_PX), interpolation=cv2.INTER_AREA
    )
    return small


def ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """-> about so many round numbers from low to high."""
    span = high - low
    if not span > 0:
        return [low]
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float, step: float = 0.0) -> str:
    """-> a short form of a value; step: the distance to the next one, so that both differ."""
    if value == 0:
        return "0"
    size = abs(value)
    if size < 1e-3 or size >= 1e5:
        digits = max(0, math.ceil(math.log10(size / step) - 0.001)) if 0 < step < size else 0
        mantissa, _, power = f"{value:.{min(digits, 2)}e}".partition("e")
        return f"{mantissa}e{int(power)}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 2 if size >= 1 else 4
    return f"{value:.{digits}f}"


def _draw(view: Image, panel: Panel, last: float, x_label: str) -> None:
    width, height = WIDTH_PX - LEFT_PX - RIGHT_PX, HEIGHT_PX - TOP_PX - BOTTOM_PX
    whole = np.isfinite(panel.y)
    low, high = _range(panel.y[whole], panel.from_zero)
    title = panel.title + (f" ({panel.unit})" if panel.unit else "")
    _text(view, title, LEFT_PX, 20, 0.46, INK)
    _text(view, x_label, LEFT_PX + width, HEIGHT_PX - 6, 0.36, SOFT, align=1.0)

    def place(x: Floats, y: Floats) -> Floats:
        across = LEFT_PX + width * x / max(last, 1e-12)
        down = TOP_PX + height * (1 - (y - low) / (high - low))
        return np.stack([across, down], axis=1)

    marks = ticks(low, high)
    step = marks[1] - marks[0] if len(marks) > 1 else 0.0
    for value in marks:
        ((_, down),) = place(np.zeros(1), np.array([value]))
        _line(view, np.array([[LEFT_PX, down], [LEFT_PX + width, down]]), GRID, 1.0)
        _text(view, number(value, step), LEFT_PX - 7, down + 4, 0.36, SOFT, align=1.0)
    places = ticks(0.0, last)
    step = places[1] - places[0] if len(places) > 1 else 0.0
    for value in places:
        ((across, _),) = place(np.array([value]), np.array([low]))
        _text(view, number(value, step), across, TOP_PX + height + 15, 0.36, SOFT, align=0.5)
    base = TOP_PX + height
    _line(view, np.array([[LEFT_PX, base], [LEFT_PX + width, base]]), SOFT, 1.0)
    points = place(panel.x[whole], panel.y[whole])
    _line(view, points, LINE, 1.8)
    if len(points) <= DOTS:
        for point in points:
            _dot(view, point, LINE, 2.6)
    if panel.mark is not None and whole[panel.mark]:
        point = place(panel.x[[panel.mark]], panel.y[[panel.mark]])[0]
        _dot(view, point, MARK, 4.2)
        said = number(float(panel.y[panel.mark]))
        right = point[0] > LEFT_PX + 0.8 * width
        above = point[1] > TOP_PX + 18
        _text(view, said, point[0] + (-7 if right else 7), point[1] + (-7 if above else 15), 0.4,
              MARK, align=1.0 if right else 0.0)  # fmt: skip


def _range(values: Floats, from_zero: bool) -> tuple[float, float]:
    """-> ends of the axis: the values with some air; 0 where they come near it."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if low >= 0 and (low < 0.4 * high or (from_zero and high > 0)):
        return 0.0, high * 1.08
    air = 0.1 * (high - low) or 0.1 * abs(high) or 1.0
    return low - air, high + air


def _line(view: Image, points: Floats, colour: Rgb, thick_px: float) -> None:
    fixed = np.round(points * FINER * 16).astype(np.int32)  # 4 bits behind the point
    thick = max(1, round(thick_px * FINER))
    cv2.polylines(view, [fixed.reshape(-1, 1, 2)], False, colour, thick, cv2.LINE_AA, 4)


def _dot(view: Image, point: Floats, colour: Rgb, radius_px: float) -> None:
    x, y = (round(float(value) * FINER * 16) for value in point)
    cv2.circle(view, (x, y), round(radius_px * FINER * 16), colour, -1, cv2.LINE_AA, 4)


def _text(
    view: Image,
    text: str,
    x_px: float,
    y_px: float,
    scale: float,
    colour: Rgb,
    align: float = 0.0,
) -> None:
    """Write on the view; align: the part of the text that lies left of x."""
    thick = 1 if scale < 0.4 else 2
    width = cv2.getTextSize(text, FONT, scale * FINER, thick * FINER // 2)[0][0]
    left = round(x_px * FINER - align * width)
    place = (left, round(y_px * FINER))
    cv2.putText(
        view, text, place, FONT, scale * FINER, colour, max(1, thick * FINER // 2), cv2.LINE_AA
    )
