"""curves.png of a run: every loss term, the rates and the validation against epochs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.render.panels import Floats, Panel, draw_panels
from hpscli.render.pictures import write_image
from hpscli.train.job import Job
from hpscli.train.learning.optimizers import REST

MOST_POINTS = 250  # of a line: more are averaged
FIRST = "loss"  # the sum of all terms
OTHERS = {"samples_per_s": ("images per second", 1), "data_wait": ("waiting for data (%)", 100)}


def draw_curves(job: Job) -> None:
    """Write curves.png from log.jsonl; a picture that cannot be drawn is a warning."""
    if not job.processes.first:
        return
    try:
        write_curves(job.run)
    except Exception as error:  # files, memory: no run ends for a picture
        reason = str(error).partition("\n")[0] or type(error).__name__
        job.diary.warn("curves", f"no picture of the losses: {reason}")


def write_curves(run: Path) -> Path:
    """Run folder -> curves.png in it."""
    lines = [json.loads(x) for x in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    path = run / "curves.png"
    write_image(path, draw_panels(panels(lines), "epoch"))
    return path


def panels(lines: Sequence[Mapping[str, Any]]) -> list[Panel]:
    """Lines of log.jsonl -> charts: validation first, the sum of losses, each term, the rates."""
    steps = [line for line in lines if "losses" in line]
    measured = [line for line in lines if "validation" in line]
    found = [_validation(measured, name) for name in dict.fromkeys(_names(measured, "validation"))]
    epochs = np.array([line["epoch"] for line in steps], np.float64)
    names = list(dict.fromkeys(_names(steps, "losses")))
    for name in sorted(names, key=lambda name: name != FIRST):
        found.append(
            _thinned(
                "loss" if name == FIRST else f"loss: {name}",
                epochs,
                [line["losses"].get(name, np.nan) for line in steps],
            )  # fmt: skip
        )
    groups = dict.fromkeys(_names(steps, "rates")) or [REST]
    for group in groups:
        title = "learning rate" + (f": {group or 'the others'}" if len(groups) > 1 else "")
        rates = [line.get("rates", {}).get(group, line["lr"]) for line in steps]
        found.append(_thinned(title, epochs, rates))
    for key, (title, factor) in OTHERS.items():
        values = [factor * line.get(key, np.nan) for line in steps]
        found.append(replace(_thinned(title, epochs, values), from_zero=True))
    return found


def _names(lines: Sequence[Mapping[str, Any]], key: str) -> list[str]:
    return [name for line in lines for name in line.get(key, {})]


def _validation(lines: Sequence[Mapping[str, Any]], name: str) -> Panel:
    """-> the chart of one figure; its best value is marked: the lowest, where nothing is said."""
    values = np.array([line["validation"].get(name, np.nan) for line in lines], np.float64)
    epochs = np.array([line["epoch"] for line in lines], np.float64)
    unit = str(lines[-1].get("units", {}).get(name, ""))
    best = np.nanargmin if lines[-1].get("smaller_is_better", {}).get(name, True) else np.nanargmax
    mark = int(best(values)) if np.isfinite(values).any() else None
    return Panel(title=f"validation: {name}", x=epochs, y=values, mark=mark, unit=unit)


def _thinned(title: str, x: Floats, y: Sequence[float]) -> Panel:
    """-> a chart of at most MOST_POINTS points, means of neighbours."""
    values = np.asarray(y, np.float64)
    if len(values) > MOST_POINTS:
        edges = np.linspace(0, len(values), MOST_POINTS + 1).astype(int)
        parts = [slice(a, b) for a, b in zip(edges, edges[1:], strict=False)]
        x = np.array([x[part].mean() for part in parts])
        values = np.array([values[part].mean() for part in parts])
    return Panel(title=title, x=x, y=values)
