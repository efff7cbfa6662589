"""More of AGORA's figures side by side: kinds of pictures, children, how far people are hidden."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.agora.averages import MILLIMETRES, Outcome
from hps_benchmarks.agora.figures import figures
from hpscli.errors import InvalidData
from hpscli.metrics.rules import Table

if TYPE_CHECKING:
    from hps_benchmarks.agora.rule import AgoraRule

Flags = NDArray[np.bool_]

OCCLUSION_STEP = 10  # percent
UNKNOWN = "-"


def tables(rule: "AgoraRule", outcome: Outcome, hidden: NDArray[np.float64]) -> Mapping[str, Table]:
    """-> detection, errors by list of pictures, errors by occlusion."""
    everybody = np.ones(len(outcome.bfh), bool)
    lists = {"all pictures": everybody}
    if outcome.bfh.any() and not outcome.bfh.all():
        lists["bfh pictures (SMPL-X leaderboard)"] = outcome.bfh
    return {
        "detection": _detection(rule, outcome, lists),
        "lists": _lists(rule, outcome, lists),
        "occlusion": _occlusion(outcome, hidden),
    }


def _detection(rule: "AgoraRule", outcome: Outcome, lists: Mapping[str, Flags]) -> Table:
    rows = []
    for name, images in lists.items():
        part = outcome.only(images)
        counted = part.matchable if rule.corrected else part.valid
        people, missed = int(counted.sum()), int((counted & part.missed).sum())
        wrong = int(part.false_positives.sum())
        figures = _averages(rule, part)
        shares = [figures.get(key, UNKNOWN) for key in ("precision", "recall", "f1")]
        rows.append((name, people, people - missed, missed, wrong, *shares))
    columns = ("pictures", "people", "matched", "missed", "false positives", "precision", "recall")
    return Table(title="Detection", columns=(*columns, "F1"), rows=tuple(rows))


def _lists(rule: "AgoraRule", outcome: Outcome, lists: Mapping[str, Flags]) -> Table:
    """-> the leaderboard's columns for each list, and for the children."""
    shown = [
        (name, figure.label)
        for name, figure in figures(rule.track).items()
        if figure.unit and not name.startswith("kid")
    ]
    rows = []
    for title, images in lists.items():
        averages = {
            key.lower().replace("-", "_"): value
            for key, value in _averages(rule, outcome.only(images)).items()
        }
        for start, whose in (("", title), ("kid_", f"children of {title}")):
            cells = [_cell(averages.get(start + name, UNKNOWN)) for name, _ in shown]
            if not start or outcome.kid[images[outcome.image]].any():
                rows.append((whose, *cells))
    return Table(
        title="Errors by list of pictures",
        columns=("pictures", *(label for _, label in shown)),
        rows=tuple(rows),
        unit="mm",
    )


def _averages(rule: "AgoraRule", outcome: Outcome) -> Mapping[str, float | str]:
    try:
        return rule.averages(outcome)
    except InvalidData:  # of a part of the pictures; the whole has figures
        return {}


def _cell(value: float | str) -> float | str:
    return value if isinstance(value, str) or np.isfinite(value) else UNKNOWN


def _occlusion(outcome: Outcome, hidden: NDArray[np.float64]) -> Table:
    """-> valid people by tenths of the body that others hide."""
    rows = []
    for low in range(0, 100, OCCLUSION_STEP):
        high = low + OCCLUSION_STEP
        inside = (hidden > low) | ((low == 0) & (hidden >= 0))
        whose = outcome.valid & inside & (hidden <= high)
        matched = whose & ~outcome.missed
        if whose.any():
            body = [outcome.errors[f"body-{column}"][matched] for column in ("MPJPE", "MVE")]
            cells = [float(MILLIMETRES * v.mean()) if len(v) else UNKNOWN for v in body]
            rows.append(
                (f"{low}-{high} %", int(whose.sum()), float(matched.sum() / whose.sum()), *cells)
            )
    columns = ("hidden", "people", "found", "B-MPJPE", "B-MVE")
    return Table(title="Errors by occlusion", columns=columns, rows=tuple(rows))
