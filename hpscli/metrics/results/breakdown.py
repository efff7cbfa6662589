"""Figures per joint, per action and per sequence, out of what was measured of each person."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hpscli.metrics.rules import Figure, Measured, Table

Array = NDArray[np.float64]

GROUPS = {"actions": ("Actions", "action"), "sequences": ("Sequences", "sequence")}
DETAILS = {"joint_errors_mm": "MPJPE", "aligned_errors_mm": "PA-MPJPE"}


def joint_table(names: Sequence[str], values: Mapping[str, Array]) -> dict[str, Table]:
    """joint_errors_mm, aligned_errors_mm (N,J) -> {"joints": mean of each joint}; {} if unknown."""
    shown = {label: values[name] for name, label in DETAILS.items() if name in values}
    if not shown or any(np.isnan(errors).all() for errors in shown.values()):
        return {}
    means = [[None if np.isnan(m) else m for m in column_means(e).tolist()] for e in shown.values()]
    rows = tuple(zip(names, *means, strict=True))
    return {"joints": Table(title="Joints", columns=("joint", *shown), rows=rows, unit="mm")}


def breakdown(measured: Measured, figures: Mapping[str, Figure]) -> dict[str, Table]:
    """-> {"actions": ..., "sequences": ...}: mean over people of each figure, where all say theirs."""
    found = {}
    for name, (title, word) in GROUPS.items():
        said = np.array([str(entry.get(word, "")) for entry in measured.meta])
        if len(said) and (said != "").all():
            found[name] = _table(title, word, said, measured.values, figures)
    return found


def column_means(errors: Array) -> Array:
    """errors (N,J) -> the mean of each column over what is known (J,), NaN where nothing is."""
    known = ~np.isnan(errors)
    count = known.sum(axis=0)
    total = np.where(known, errors, 0.0).sum(axis=0)
    means = np.divide(total, count, out=np.full(errors.shape[1], np.nan), where=count > 0)
    return np.asarray(means, np.float64)


def _table(
    title: str,
    word: str,
    said: NDArray[np.str_],
    values: Mapping[str, Array],
    figures: Mapping[str, Figure],
) -> Table:
    rows = []
    for group in dict.fromkeys(said.tolist()):
        means = [_mean(values[name][said == group]) for name in figures]
        rows.append((group, int((said == group).sum()), *means))
    labels = [figure.label for figure in figures.values()]
    units = {figure.unit for figure in figures.values()}
    unit = units.pop() if len(units) == 1 else ""
    return Table(title=title, columns=(word, "people", *labels), rows=tuple(rows), unit=unit)


def _mean(values: Array) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
