"""The page of a comparison: differences with intervals, person against person, joint by joint."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpscli.atomic import write_atomically
from hpscli.metrics.results import Result
from hpscli.metrics.results.comparison import Comparison, Difference, told_apart
from hpscli.render.page import Markup, Number, document, facts, shown, table
from hpscli.run.report import charts, sections

CHANGED = 10  # people named on either side
LETTERS = "BCDEFGHIJKLMNOPQRSTUVWXYZ"

Array = NDArray[np.float64]


def write_comparison(
    file: Path, first: Result, others: Sequence[Result], found: Sequence[Comparison]
) -> Path:
    """The first result, the others, their comparisons -> the page."""
    write_atomically(file, comparison_html(first, others, found).encode())
    return file


def comparison_html(first: Result, others: Sequence[Result], found: Sequence[Comparison]) -> str:
    """The first result, the others, their comparisons -> HTML that needs nothing else."""
    title = f"{len(others) + 1} results on {first.protocol['name']}"
    return document(title, _parts(title, first, others, found))


def _parts(
    title: str, first: Result, others: Sequence[Result], found: Sequence[Comparison]
) -> Iterator[str]:
    yield f"<h1>{escape(title)}</h1>"
    yield f"<p class='soft'>{escape(str(first.protocol.get('summary', '')))}</p>"
    yield from sections.marks(first)
    named = dict(zip(LETTERS, others, strict=False))
    settings = told_apart((first, *named.values()))
    each = zip("A" + LETTERS, (first, *named.values()), settings, strict=False)
    yield facts({letter: who(result, unlike) for letter, result, unlike in each})
    for (letter, other), one in zip(named.items(), found, strict=False):
        yield f"<h2>{letter} against A</h2>"
        yield table(
            ("figure", "A", letter, f"{letter} - A", "95 % interval", "", "people", ""),
            [_row(difference, letter) for difference in one.differences],
        )
        yield f"<p class='soft'>{escape(one.says)}.</p>"
        yield from _people(first, other, one, letter)
        yield from _joints(first, other, one, letter)
    yield f"<h2>Protocol</h2>{sections.protocol(first, {})}"


def who(result: Result, settings: str = "") -> Markup:
    """-> a result's checkpoint and its hash, and what sets it apart."""
    name = result.checkpoint.get("name") or result.model
    sha256 = str(result.checkpoint.get("sha256", ""))
    words = escape("   ".join(part for part in (settings, result.time) if part))
    return Markup(f"{escape(str(name))} <code>{escape(sha256[:16])}</code> {words}")


def _row(difference: Difference, letter: str) -> tuple[object, ...]:
    digits = 2 if difference.unit else 4
    verdict = difference.verdict.replace("B is", f"{letter} is")
    kind = "good" if "better" in verdict else "bad" if "worse" in verdict else "not"
    interval = (
        f"{difference.low:+z.{digits}f} to {difference.high:+z.{digits}f}"
        if difference.low is not None
        else "-"
    )
    return (
        f"{difference.label} {difference.unit}".rstrip(),
        Number(shown(difference.first, digits)),
        Number(shown(difference.second, digits)),
        Number(f"{difference.difference:+z.{digits}f}"),
        Number(interval),
        Markup(f"<span class='{kind}'>{escape(verdict)}</span>"),
        difference.samples or None,
        difference.remark,
    )


def _people(first: Result, other: Result, one: Comparison, letter: str) -> Iterator[str]:
    """-> each person's error in both, and whose changed most."""
    metric = next((d for d in one.differences if d.low is not None), None)
    if metric is None:
        return
    a = np.asarray(first.errors[metric.metric], np.float64)[one.first_places]
    b = np.asarray(other.errors[metric.metric], np.float64)[one.second_places]
    keys = [first.keys[place] for place in one.first_places]
    unit = f", {metric.unit}" if metric.unit else ""
    labels = (f"A: {metric.label}{unit}", f"{letter}: {metric.label}{unit}")
    lines = {"zero": 0.0, "mean": metric.difference}
    yield "<div class='charts'><figure>"
    yield charts.cloud(a, b, keys, f"{metric.label} of each person, A and {letter}", labels)
    yield f"<figcaption>A point a person; below the line {letter} has the smaller value.</figcaption>"
    yield "</figure><figure>"
    name = f"{letter} - A, {metric.label}"
    yield charts.histogram(b - a, name, metric.unit, lines)
    yield f"<figcaption>Dashed: zero. Dotted: mean {metric.difference:+.4g}.</figcaption></figure></div>"
    change = b - a
    order = [int(i) for i in np.argsort(change, kind="stable") if np.isfinite(change[i])]
    for word, places in (("fell", order[:CHANGED]), ("rose", order[::-1][:CHANGED])):
        rows = [
            (Markup(f"<code>{escape(keys[i])}</code>"), float(a[i]), float(b[i]), float(change[i]))
            for i in places
        ]
        yield f"<details><summary>{escape(metric.label)} {word} most</summary>"
        yield table(("key", "A", letter, f"{letter} - A"), rows)
        yield "</details>"


def _joints(first: Result, other: Result, one: Comparison, letter: str) -> Iterator[str]:
    """-> how far each joint's mean error moved."""
    a, b = first.details.get("joint_errors_mm"), other.details.get("joint_errors_mm")
    if a is None or b is None or a.shape[1:] != b.shape[1:] or a.ndim != 2:
        return
    change = b[one.second_places] - a[one.first_places]
    known = np.isfinite(change)
    count = known.sum(axis=0)
    moved = np.where(known, change, 0.0).sum(axis=0) / np.maximum(count, 1)
    moved[count == 0] = np.nan
    names = sections.names_of_joints(first, a.shape[1])
    title = f"{letter} - A, mean error of each joint"
    yield f"<figure>{charts.bars(names, [float(m) for m in moved], title, 'mm', signed=True)}"
    yield f"<figcaption>To the left: {letter} is nearer to the truth.</figcaption></figure>"
