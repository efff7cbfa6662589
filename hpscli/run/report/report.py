"""The report of an evaluation: one HTML file beside its result.json that needs nothing else."""

from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from hpscli.atomic import write_atomically
from hpscli.errors import HpsError
from hpscli.metrics.results import Result
from hpscli.render.images import read_image
from hpscli.render.page import document, picture_file, table
from hpscli.run.report import charts, sections

SMALL_PX = 700  # width of pictures of which two have room side by side
BESIDE = 5  # columns of a table that has room beside its bars


def write_report(file: Path, result: Result, *, pictures: Mapping[str, Path] | None = None) -> Path:
    """A result, its file, {caption: picture file} -> the page beside the file."""
    path = report_path(file)
    write_atomically(path, report_html(result, pictures or {}).encode())
    return path


def report_path(file: Path) -> Path:
    """result.json -> result.html."""
    return file.with_suffix(".html")


def report_html(result: Result, pictures: Mapping[str, Path]) -> str:
    """A result and pictures -> the page."""
    title = f"{result.checkpoint.get('name') or result.model} on {result.protocol['name']}"
    return document(title, _parts(title, result, pictures))


def _parts(title: str, result: Result, pictures: Mapping[str, Path]) -> Iterator[str]:
    named = sections.figures_of_people(result)
    yield f"<h1>{escape(title)}</h1><p class='soft'>{escape(str(result.protocol.get('summary', '')))}</p>"
    yield from sections.marks(result)
    yield sections.figures(result)
    if result.official_text:
        yield "<h2>As the official program prints it</h2>"
        yield f"<pre>{escape(result.official_text)}</pre>"
    if named:
        yield "<h2>People</h2>"
        yield from sections.people(result, named[0])
        if others := named[1:]:
            names = ", ".join(result.metrics[n].label or n for n in others)
            yield f"<details><summary>{escape(names)}</summary>"
            for name in others:
                yield from sections.people(result, name)
            yield "</details>"
    yield from _breakdowns(result, named)
    if result.curves:
        yield "<h2>Curves</h2><div class='charts'>"
        for curve in result.curves.values():
            series = {name: (curve.x, line) for name, line in curve.lines.items()}
            yield f"<figure>{charts.lines(series, curve.title, curve.x_label, curve.y_label)}"
            yield f"<figcaption>{escape(curve.title)}</figcaption></figure>"
        yield "</div>"
    if pictures:
        yield "<h2>Pictures</h2>"
        yield from _pictures(pictures)
    if named:
        label = result.metrics[named[0]].label or named[0]
        yield f"<h2>Worst people by {escape(label)}</h2>{sections.worst(result, named[0])}"
    yield f"<h2>Protocol</h2>{sections.protocol(result, english(result))}"
    yield f"<h2>What was measured</h2>{sections.provenance(result)}"


def _pictures(pictures: Mapping[str, Path]) -> Iterator[str]:
    """-> sheets and wide strips below each other, small pictures side by side."""
    small = []
    for caption, path in pictures.items():
        width = read_image(path).shape[1]
        if width > SMALL_PX:
            yield picture_file(path, caption)
        else:
            small.append(picture_file(path, caption))
    if small:
        yield f"<div class='tiles'>{''.join(small)}</div>"


def _breakdowns(result: Result, named: list[str]) -> Iterator[str]:
    """-> joints, actions, sequences, groups: bars and numbers side by side."""
    tables = dict(result.tables)
    if named and (videos := sections.sequences(result, named[0])) is not None:
        tables["sequences"] = videos
    joints = tables.pop("joints", None)
    drawn = "".join(sections.joints(result))
    if drawn or joints:
        yield f"<h2>Joints</h2><div class='charts'>{drawn}</div>"
        if joints:
            yield "<details><summary>numbers of the joints</summary>"
            yield f"{table(joints.columns, joints.rows)}</details>"
    for listed in tables.values():
        unit = f", {listed.unit}" if listed.unit else ""
        yield f"<h2>{escape(listed.title + unit)}</h2>"
        numbers = table(listed.columns, listed.rows)
        if len(listed.rows) > sections.MOST_BARS:
            numbers = f"<details><summary>{len(listed.rows)} rows</summary>{numbers}</details>"
        bars = "".join(sections.bars_of(listed))
        beside = bars and len(listed.columns) <= BESIDE
        yield f"<div class='charts'>{bars}{numbers}</div>" if beside else bars + numbers


def english(result: Result) -> Mapping[str, str]:
    """-> the protocol in sentences; nothing for one that is not installed any more."""
    from hpscli.metrics.protocols import sentences
    from hpscli.registry import get_registry

    try:
        return sentences(get_registry().protocol(str(result.protocol["name"])))
    except HpsError:
        return {}
