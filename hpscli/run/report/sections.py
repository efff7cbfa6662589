"""The parts of a report, each from a result alone."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import numpy as np

from hpscli.metrics.results import Result
from hpscli.metrics.rules import Metric, Table
from hpscli.metrics.standing import STANDINGS
from hpscli.render.page import Markup, Number, facts, shown, table
from hpscli.run.report import charts

WORST = 20  # people named
MOST_BARS = 60  # of a table; of more rows the greatest are drawn
DISTANCES = {  # details of a rule: what they are
    "joint_errors_mm": "error of each joint",
    "aligned_errors_mm": "error of each joint after alignment",
}


def marks(result: Result) -> Iterator[str]:
    """-> what must be known before any figure is read."""
    if result.body.get("source") == "free":
        yield _mark(
            "Made with the free body. Its joints and mesh are its own: these figures are not those "
            "of official bodies and are not set beside published ones."
        )
    if limit := result.settings.get("limit"):
        yield _mark(f"Only the first {limit} people: the figures are not those of the test set.")
    if tta := result.settings.get("tta") or ("flip" if result.settings.get("flip") else ""):
        yield _mark(f"Every prediction is made of several views of the person (--tta {tta}).")
    held = "/".join(str(result.data.get(word, "")) for word in ("dataset", "split"))
    wanted = "/".join(str(result.protocol.get(word, "")) for word in ("testset", "split"))
    if held.strip("/") and held != wanted:
        yield _mark(f"The shards say that their people are of {held}, not of {wanted}.")
    standing = str(result.protocol.get("standing", ""))
    if standing in ("corrected", "reconstruction"):
        beside = result.protocol.get("beside")
        more = f" Beside it: {beside}." if beside else ""
        yield _mark(f"Standing: {standing}, {STANDINGS[standing]}.{more}")
    for note in result.notes:
        yield _mark(note)


def _mark(text: str) -> str:
    return f"<p class='mark'>{escape(text)}</p>"


def figures(result: Result) -> str:
    """-> ours, published, difference, the mean person."""
    means = result.baseline.get("metrics", {})
    columns = ["figure", "ours", "unit", "people"]
    columns += ["published", "difference", "source"] if result.reference else []
    columns += ["mean person"] if means else []
    rows = []
    for name, metric in result.metrics.items():
        row: list[object] = [metric.label or name, _number(metric), metric.unit, metric.n]
        if result.reference:
            row += _published(metric, result.reference.get(name, {}))
        if means:
            mean = means.get(name, {}).get("value")
            row.append(None if mean is None else Number(shown(float(mean), _digits(metric))))
        rows.append(row)
    return table(columns, rows)


def _published(metric: Metric, entry: Mapping[str, Any]) -> list[object]:
    """-> published value, difference, source with its doubt."""
    if not entry:
        return [None, None, ""]
    digits = _digits(metric)
    change = "-"
    if (difference := entry["difference"]) is not None:
        better = difference == 0 or (difference < 0) == metric.smaller_is_better
        kind = "good" if better else "bad"
        change = f"<span class='{kind}'>{difference:+z.{digits}f}</span>"
    said = escape(", ".join(str(entry[w]) for w in ("label", "source") if entry.get(w)))
    if note := entry.get("note"):
        said += f"<br><span class='soft'>{escape(str(note))}</span>"
    if doubt := entry.get("doubt"):
        said += f"<br><span class='look'>doubtful: {escape(str(doubt))}</span>"
    return [
        Number(shown(entry["value"], digits)),
        Number(change),
        Markup(said),
    ]


def _digits(metric: Metric) -> int:
    return 2 if metric.unit else 4


def _number(metric: Metric) -> Number:
    return Number(f"<strong>{shown(metric.value, _digits(metric))}</strong>")


def provenance(result: Result) -> str:
    """-> which bytes, which rules, which machine."""
    checkpoint, body, data, settings = (
        result.checkpoint,
        result.body,
        result.data,
        result.settings,
    )
    trained = [f"{word} {checkpoint[word]}" for word in ("step", "epoch") if checkpoint.get(word)]
    return facts(
        {
            "model": result.model,
            "checkpoint": ", ".join([str(checkpoint.get("name", "")), *trained]).strip(", "),
            "sha256 of the checkpoint": _code(checkpoint.get("sha256")),
            "body": ", ".join(str(body[w]) for w in ("kind", "gender", "source") if body.get(w)),
            "sha256 of the body": _code(body.get("sha256")),
            "shards": data.get("shards"),
            "sha256 of their index": _code(data.get("index_sha256")),
            "people": data.get("samples"),
            "sha256 of their keys": _code(result.protocol.get("sample_list_sha256")),
            "settings": ", ".join(f"{name} {shown(value)}" for name, value in settings.items()),
            "device": f"{result.device}, {result.processes} process"
            + ("es" if result.processes > 1 else ""),
            "measured": f"{result.time}, {result.seconds:g} s",
            "hps": result.hps_version,
            "recipe": _code(result.recipe_hash),
        }
    )


def _code(text: object) -> object:
    return Markup(f"<code>{escape(str(text))}</code>") if text else ""


def protocol(result: Result, said: Mapping[str, str]) -> str:
    """-> the rule in English, where it comes from, what may be done with the data."""
    about = result.protocol
    standing = str(about.get("standing", ""))
    meaning = STANDINGS.get(standing, "")
    return facts(
        {
            "protocol": about.get("name"),
            "in a sentence": about.get("summary"),
            **said,
            "standing": f"{standing}: {meaning}" if meaning else standing,
            "beside it": about.get("beside"),
            "source": about.get("source"),
            "licence of the data": about.get("licence"),
        }
    )


def people(result: Result, metric: str) -> Iterator[str]:
    """-> histogram, cumulative error, and the worst people of one figure."""
    values, kind = np.asarray(result.errors[metric], np.float64), result.metrics[metric]
    known = values[np.isfinite(values)]
    label = kind.label or metric
    lines = {"mean": float(known.mean()), "median": float(np.median(known))}
    said = f"Dashed: mean {lines['mean']:.4g}. Dotted: median {lines['median']:.4g}."
    said += " The last bar holds everybody beyond it too."
    yield "<div class='charts'>"
    yield f"<figure>{charts.histogram(values, label, kind.unit, lines)}"
    yield f"<figcaption>{said}</figcaption></figure>"
    yield f"<figure>{charts.cumulative(values, label, kind.unit)}"
    yield "<figcaption>Share of people below an error.</figcaption></figure>"
    yield "</div>"


def worst(result: Result, metric: str) -> str:
    """-> the people with the worst value of one figure."""
    kind, values = result.metrics[metric], np.asarray(result.errors[metric], np.float64)
    ranked = np.argsort(-values if kind.smaller_is_better else values, kind="stable")
    order = [int(place) for place in ranked if np.isfinite(values[place])][:WORST]
    others = [n for n in result.metrics if n != metric and _per_person(result, n)]
    columns = ["", "key", kind.label or metric, *(result.metrics[n].label or n for n in others)]
    rows = [
        (
            rank + 1,
            Markup(f"<code>{escape(result.keys[place])}</code>"),
            float(values[place]),
            *(float(result.errors[n][place]) for n in others),
        )
        for rank, place in enumerate(order)
    ]
    return table(columns, rows)


def figures_of_people(result: Result) -> list[str]:
    """-> the figures in which each person has a share."""
    return [name for name in result.metrics if _per_person(result, name)]


def _per_person(result: Result, name: str) -> bool:
    values = result.errors.get(name)
    return (
        values is not None and len(values) == len(result.keys) and bool(np.isfinite(values).any())
    )


def joints(result: Result) -> Iterator[str]:
    """-> a bar for each joint: the mean over people, a thin line from 10 % to 90 % of them."""
    drawn = False
    for detail, title in DISTANCES.items():
        errors = result.details.get(detail)
        if errors is None or errors.ndim != 2 or not np.isfinite(errors).any():
            continue
        drawn = True
        names = names_of_joints(result, errors.shape[1])
        known = [column[np.isfinite(column)] for column in errors.T]
        means = [float(column.mean()) if len(column) else float("nan") for column in known]
        ends = [np.percentile(c, [10, 90]) if len(c) else (np.nan, np.nan) for c in known]
        spread = [(float(low), float(high)) for low, high in ends]
        yield f"<figure>{charts.bars(names, means, title, 'mm', spread=spread)}"
        yield "<figcaption>Bar: mean over people. Line: from the 10th to the 90th percentile."
        yield "</figcaption></figure>"
    if not drawn and "joints" in result.tables:
        yield from bars_of(result.tables["joints"])


def names_of_joints(result: Result, count: int) -> list[str]:
    """-> the names in the table of joints, else the protocol's, else numbers."""
    listed = result.tables.get("joints")
    if listed is not None and len(listed.rows) == count:
        return [str(row[0]) for row in listed.rows]
    from hpscli.body.joints import joint_set, joint_set_names

    name = str(result.protocol.get("joints", ""))
    if name in joint_set_names() and len(joint_set(name)) == count:
        return list(joint_set(name).joints)
    return [f"joint {number}" for number in range(count)]


def bars_of(listed: Table) -> Iterator[str]:
    """-> a table's first column of numbers as bars."""
    numeric = [
        column
        for column in range(1, len(listed.columns))
        if any(isinstance(row[column], int | float) for row in listed.rows)
    ]
    if not numeric or len(listed.rows) < 2:
        return
    place = numeric[0]
    rows = [row for row in listed.rows if isinstance(row[place], int | float)]
    title = f"{listed.title}: {listed.columns[place]}"
    if len(rows) > MOST_BARS:
        rows = sorted(rows, key=lambda row: float(row[place]), reverse=True)[:MOST_BARS]
        title += f", the {MOST_BARS} greatest"
    names = [str(row[0]) for row in rows]
    values = [float(row[place]) for row in rows]
    yield f"<figure>{charts.bars(names, values, title, listed.unit)}</figure>"


def sequences(result: Result, metric: str) -> Table | None:
    """-> mean over the people of each video, when labels name videos and the rule has no such table."""
    named = result.sequences
    if "sequences" in result.tables or len(named) != len(result.keys) or len(set(named)) < 2:
        return None
    values, kind = np.asarray(result.errors[metric], np.float64), result.metrics[metric]
    order = sorted(set(named))
    places = {name: place for place, name in enumerate(order)}
    rows_of = np.array([places[name] for name in named])
    known = np.isfinite(values)
    count = np.bincount(rows_of[known], minlength=len(order))
    total = np.bincount(rows_of[known], weights=values[known], minlength=len(order))
    rows = tuple(
        (name, float(total[i] / count[i]), int(count[i]))
        for i, name in enumerate(order)
        if count[i]
    )
    label = kind.label or metric
    return Table(title="Videos", columns=("video", label, "people"), rows=rows, unit=kind.unit)
