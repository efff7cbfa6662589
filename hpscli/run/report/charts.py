"""Charts as SVG text: bars, histograms, lines, clouds of points; each with a name and tooltips."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 560, 280  # px of a chart that is not as high as its rows
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 14, 44  # room around the plotted area
ROW = 22  # px of a horizontal bar with the space below it
LETTER = 7.4  # px of a letter of the labels, about
LINES = ("--ours", "--other", "--good", "--bad", "--look", "--soft")
DASHES = ("6 3", "2 3")  # of the first and second upright line of a histogram
POINTS = 2500  # of a cloud; more cannot be told apart

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The plotted area: values `x` and `y` (from, to) drawn into a picture of this size."""

    x: tuple[float, float]
    y: tuple[float, float]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = RIGHT

    def across(self, value: float) -> float:
        """-> px from the left."""
        room = self.width - self.left - self.right
        return self.left + room * (value - self.x[0]) / ((self.x[1] - self.x[0]) or 1.0)

    def down(self, value: float) -> float:
        """-> px from the top."""
        room = self.height - TOP - BOTTOM
        return TOP + room * (1 - (value - self.y[0]) / ((self.y[1] - self.y[0]) or 1.0))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """-> round numbers between two values."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    rough = (high - low) / about
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [0.0 if number == 0 else number * step for number in range(first, last + 1)]


def histogram(values: Array, title: str, unit: str, marks: Mapping[str, float]) -> str:
    """values (N,) -> how many people have which error; `marks`: {word: place of an upright line}."""
    known = values[np.isfinite(values)]
    if not len(known):
        return ""
    low, high = min(0.0, float(known.min())), float(np.percentile(known, 99.5))
    high = high if high > low else low + 1.0
    counts, edges = np.histogram(np.minimum(known, high), bins=40, range=(low, high))
    frame = Frame(x=(low, high), y=(0.0, float(counts.max())))
    beyond = int((known > high).sum())
    drawn = []
    for index, count in enumerate(counts):
        left, right = frame.across(edges[index]), frame.across(edges[index + 1])
        top = frame.down(float(count))
        last = index == len(counts) - 1 and beyond
        said = f"{edges[index]:.4g} to {edges[index + 1]:.4g} {unit}: {count} people"
        said += f", {beyond} of them beyond" if last else ""
        drawn.append(
            f"<rect class='first' x='{left + 0.5:.1f}' y='{top:.1f}' "
            f"width='{max(right - left - 1, 0.5):.1f}' "
            f"height='{frame.down(0) - top:.1f}'><title>{escape(said)}</title></rect>"
        )
    for dashes, (word, place) in zip(DASHES, marks.items(), strict=False):
        if low <= place <= high:
            at = frame.across(place)
            drawn.append(
                f"<line class='axis' x1='{at:.1f}' x2='{at:.1f}' y1='{TOP}' "
                f"y2='{frame.down(0):.1f}' stroke-dasharray='{dashes}'>"
                f"<title>{escape(word)} {place:.4g}</title></line>"
            )
    x_label = f"{title}, {unit}" if unit else title
    return _svg(
        frame, f"Histogram of {title}", [*_axes(frame, x_label, "people", whole=True), *drawn]
    )


def cumulative(values: Array, title: str, unit: str) -> str:
    """values (N,) -> the share of people whose error is below x."""
    known = np.sort(values[np.isfinite(values)])
    if len(known) < 2:
        return ""
    shares = np.linspace(0.0, 100.0, 201)
    places = np.percentile(known, shares)
    low, high = min(0.0, float(places[0])), float(np.percentile(known, 99.5))
    return lines(
        {"people": (np.minimum(places, high), shares)},
        f"Share of people below an error: {title}",
        f"{title}, {unit}" if unit else title,
        "% of people",
        x_range=(low, high),
    )


def bars(
    names: Sequence[str],
    values: Sequence[float],
    title: str,
    unit: str,
    *,
    spread: Sequence[tuple[float, float]] = (),
    signed: bool = False,
) -> str:
    """Names and values -> horizontal bars; `spread`: ends of a thin line over each bar."""
    rows = [(n, v, i) for i, (n, v) in enumerate(zip(names, values, strict=True))]
    rows = [row for row in rows if math.isfinite(row[1])]
    if not rows:
        return ""
    ends = [end for _, _, place in rows for end in (spread[place] if spread else ())]
    reach = [*(value for _, value, _ in rows), *(end for end in ends if math.isfinite(end))]
    low, high = min(0.0, *reach), max(0.0, *reach)
    left = min(200.0, 12 + LETTER * max(len(row[0]) for row in rows))
    height = TOP + BOTTOM + ROW * len(rows)
    edge = (low, high if high > low else low + 1.0)
    frame = Frame(x=edge, y=(0, len(rows)), height=height, left=left, right=64)
    drawn = _axes(frame, f"{title}, {unit}" if unit else title, "", across_only=True)
    most = max(abs(low), high)
    digits = 1 if most >= 10 else 2 if most >= 1 else 4
    for place, (name, value, index) in enumerate(rows):
        top = TOP + ROW * place
        start, end = sorted((frame.across(0.0), frame.across(value)))
        kind = "second" if signed and value > 0 else "first"
        said = f"{name}: {value:.4g} {unit}".rstrip()
        if spread:
            said += f"; 10 % below {spread[index][0]:.4g}, 10 % above {spread[index][1]:.4g}"
        drawn.append(
            f"<text x='{left - 6:.1f}' y='{top + 14}' text-anchor='end'>"
            f"{escape(_short(name, left))}</text>"
            f"<rect class='{kind}' x='{start:.1f}' y='{top + 2}' "
            f"width='{max(end - start, 0.5):.1f}' height='{ROW - 6}'>"
            f"<title>{escape(said)}</title></rect>"
        )
        furthest = end
        if spread and all(math.isfinite(v) for v in spread[index]):
            first, last = (frame.across(v) for v in spread[index])
            middle = top + 2 + (ROW - 6) / 2
            drawn.append(
                f"<line class='axis' x1='{first:.1f}' x2='{last:.1f}' y1='{middle}' y2='{middle}'/>"
            )
            furthest = max(end, last)
        drawn.append(
            f"<text x='{furthest + 5:.1f}' y='{top + 14}'>{value:{'+' if signed else ''}z.{digits}f}</text>"
        )
    return _svg(frame, title, drawn)


def lines(
    series: Mapping[str, tuple[Sequence[float] | Array, Sequence[float] | Array]],
    title: str,
    x_label: str,
    y_label: str,
    x_range: tuple[float, float] | None = None,
) -> str:
    """{name: (x, y)} -> lines over a common axis, with a legend when there are several."""
    known: dict[str, list[tuple[float, float]]] = {}
    for name, (xs, ys) in series.items():
        both = zip((float(x) for x in xs), (float(y) for y in ys), strict=True)
        known[name] = [(x, y) for x, y in both if math.isfinite(x) and math.isfinite(y)]
    everything = [point for points in known.values() for point in points]
    if not everything:
        return ""
    across = x_range or (min(x for x, _ in everything), max(x for x, _ in everything))
    top = max(y for _, y in everything)
    frame = Frame(x=across, y=(min(0.0, min(y for _, y in everything)), top or 1.0))
    drawn = _axes(frame, x_label, y_label)
    for number, (name, points) in enumerate(known.items()):
        colour = LINES[number % len(LINES)]
        path = " ".join(
            f"{frame.across(x):.1f},{frame.down(y):.1f}"
            for x, y in points
            if across[0] <= x <= across[1]
        )
        drawn.append(
            f"<polyline class='line' style='stroke:var({colour})' points='{path}'>"
            f"<title>{escape(name)}</title></polyline>"
        )
    legend = "".join(
        f"<span style='color:var({LINES[number % len(LINES)]})'>&#9644; {escape(name)}</span>"
        for number, name in enumerate(known)
    )
    below = f"<div class='legend'>{legend}</div>" if len(known) > 1 else ""
    return _svg(frame, title, drawn) + below


def cloud(
    first: Array, second: Array, names: Sequence[str], title: str, labels: tuple[str, str]
) -> str:
    """(N,), (N,) -> one point a person, and the line on which both are equal."""
    places = np.flatnonzero(np.isfinite(first) & np.isfinite(second))
    if not len(places):
        return ""
    if len(places) > POINTS:
        places = np.sort(np.random.default_rng(0).choice(places, POINTS, replace=False))
    whole = np.concatenate([first[places], second[places]])
    low, high = min(0.0, float(whole.min())), float(whole.max()) or 1.0
    frame = Frame(x=(low, high), y=(low, high), width=WIDTH, height=WIDTH * 0.8)
    drawn = _axes(frame, labels[0], labels[1])
    drawn.append(
        f"<line class='axis' stroke-dasharray='4 3' x1='{frame.across(low):.1f}' "
        f"y1='{frame.down(low):.1f}' x2='{frame.across(high):.1f}' y2='{frame.down(high):.1f}'/>"
    )
    for place in places:
        a, b, name = float(first[place]), float(second[place]), names[int(place)]
        drawn.append(
            f"<circle class='{'first' if b <= a else 'second'}' fill-opacity='.5' r='2.2' "
            f"cx='{frame.across(a):.1f}' cy='{frame.down(b):.1f}'>"
            f"<title>{escape(name)}: {a:.4g}, {b:.4g}</title></circle>"
        )
    return _svg(frame, title, drawn)


def _axes(
    frame: Frame, x_label: str, y_label: str, *, across_only: bool = False, whole: bool = False
) -> list[str]:
    """-> grid lines, numbers, labels."""
    floor = frame.height - BOTTOM
    drawn = []
    for value in ticks(*frame.x):
        at = frame.across(value)
        drawn.append(
            f"<line class='grid' x1='{at:.1f}' x2='{at:.1f}' y1='{TOP}' y2='{floor:.1f}'/>"
            f"<text x='{at:.1f}' y='{floor + 16:.1f}' text-anchor='middle'>{value:.6g}</text>"
        )
    if not across_only:
        for value in ticks(*frame.y):
            if whole and value != round(value):
                continue
            at = frame.down(value)
            drawn.append(
                f"<line class='grid' x1='{frame.left:.1f}' x2='{frame.width - frame.right:.1f}' "
                f"y1='{at:.1f}' y2='{at:.1f}'/><text x='{frame.left - 6:.1f}' y='{at + 4:.1f}' "
                f"text-anchor='end'>{value:.6g}</text>"
            )
        middle = (TOP + floor) / 2
        drawn.append(
            f"<text transform='translate(13 {middle:.1f}) rotate(-90)' text-anchor='middle'>"
            f"{escape(y_label)}</text>"
        )
    drawn.append(
        f"<text x='{(frame.left + frame.width - frame.right) / 2:.1f}' "
        f"y='{frame.height - 8:.1f}' text-anchor='middle'>{escape(x_label)}</text>"
    )
    return drawn


def _svg(frame: Frame, title: str, drawn: Sequence[str]) -> str:
    """-> the picture with its name, which screen readers say."""
    inside = "".join(drawn)
    return (
        f"<svg viewBox='0 0 {frame.width:g} {frame.height:g}' role='img' "
        f"aria-label='{escape(title, quote=True)}' style='max-width:{frame.width:g}px'>{inside}</svg>"
    )


def _short(name: str, room: float) -> str:
    """-> a name that fits, its middle left out."""
    letters = int((room - 12) / LETTER)
    if len(name) <= letters:
        return name
    half = (letters - 1) // 2
    return f"{name[:half]}…{name[-half:]}"
