"""A result on the screen: ours, published, the difference, the mean person, and what they mean."""

from typing import TYPE_CHECKING, Any

from hpscli.cli.output import pairs, table
from hpscli.metrics.standing import STANDINGS

if TYPE_CHECKING:
    from hpscli.metrics.results import Result

WIDE = 6  # figures side by side; more are drawn one below the other


def draw_result(result: "Result") -> None:
    """The figures, then the lines that say what they are."""
    rows, columns = _rows(result)
    if len(columns) - 1 > WIDE:
        rows, columns = _turned(rows, columns)
    table(columns, rows, title=_title(result))
    pairs(_lines(result))
    if result.official_text:
        print("\nas the official program prints it")
        print(result.official_text.rstrip())


def _rows(result: "Result") -> tuple[list[list[Any]], list[str]]:
    """-> a row for each side, and the heads: "" and the figures."""
    names, figures = list(result.metrics), result.metrics
    units = {figure.unit for figure in figures.values()}
    heads = [
        figures[n].label + (f" {figures[n].unit}".rstrip() if len(units) > 1 else "") for n in names
    ]
    rows: list[list[Any]] = [["ours", *(figures[name].value for name in names)]]
    if result.reference:
        for what, key in (("published", "value"), ("difference", "difference")):
            rows.append([what, *(result.reference.get(name, {}).get(key) for name in names)])
    if result.baseline:
        means = [result.baseline["metrics"].get(name, {}).get("value") for name in names]
        gains = [
            against(figures[name].value, mean, figures[name].unit)
            for name, mean in zip(names, means, strict=True)
        ]
        rows += [["mean person", *means], ["ours is", *gains]]
    return rows, ["", *heads]


def _turned(rows: list[list[Any]], columns: list[str]) -> tuple[list[list[Any]], list[str]]:
    """-> rows and columns exchanged: a line for each figure."""
    heads = [str(row[0]) for row in rows]
    return [[name, *(row[place] for row in rows)] for place, name in enumerate(columns) if place], [
        "",
        *heads,
    ]


def _title(result: "Result") -> str:
    figures = result.metrics.values()
    units, counts = {figure.unit for figure in figures}, {figure.n for figure in figures}
    unit = "" if len(units) > 1 else f"{units.pop()}, ".removeprefix(", ")
    low, high = min(counts), max(counts)
    people = f"{high} people" if low == high else f"{low} to {high} people"
    return f"{unit}{people}, body source {result.body.get('source') or 'not said'}"


def _lines(result: "Result") -> list[tuple[str, str]]:
    """-> what a reader must know: protocol, standing, licence, source, doubts, the body."""
    protocol, kind = result.protocol, str(result.protocol.get("standing", ""))
    lines = [("protocol", str(protocol["name"]))]
    if kind:
        meaning = STANDINGS.get(kind, "")
        lines.append(("standing", f"{kind}: {meaning}" if meaning else kind))
    if licence := protocol.get("licence"):
        lines.append(("licence", str(licence)))
    sources = {str(entry["source"]) for entry in result.reference.values()}
    lines += [("published", source) for source in sorted(sources)]
    for name, entry in result.reference.items():
        for word in ("doubt", "note"):
            if said := entry.get(word):
                lines.append((word, f"{result.metrics[name].label}: {said}"))
    if result.body.get("source") == "free" and kind != "ours":
        lines.append(
            ("free body", "not comparable with published numbers, which are of real bodies")
        )
    lines += [("note", note) for note in result.notes]
    return lines


def against(value: float, mean: float | None, unit: str) -> str | None:
    """A figure, that of the mean person, their unit -> "8.2 % below"; of percentages "8.2 points"."""
    if mean is None or (not mean and unit != "%"):
        return None
    share = value - mean if unit == "%" else 100.0 * (value / mean - 1.0)
    return (
        f"{abs(share):.1f} {'points' if unit == '%' else '%'} {'above' if share > 0 else 'below'}"
    )
