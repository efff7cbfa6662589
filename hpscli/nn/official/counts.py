"""Parameters as the authors count them, and as many as the network really uses."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hpscli.errors import HpsError, UsageError
from hpscli.hooks import Layout, ModelSpec
from hpscli.nn.counting.flops import count_parameters, meta_model
from hpscli.nn.layouts import Row, official_parameters, rows_at, used_parameters
from hpscli.nn.options import complete_options
from hpscli.registry import resolve


def count_preset(spec: ModelSpec, preset: str = "") -> dict[str, Any]:
    """-> official_params (None when no layout of authors is known) and used_params of a preset.

    Authors' logs count what their files hold, also tensors that no computation reads. Both counts
    are there by part too: the first word of the authors' keys, `backbone`, `trans_encoder` ...
    """
    found = rows_of_authors(spec, complete_options(spec, preset, {}))
    if found is None:
        parts = count_parameters(meta_model(spec, preset))
        used = parts.pop("total")
        return {"official_params": None, "used_params": used, "used_by_part": parts}
    layout, rows = found
    return {
        "official_params": official_parameters(rows),
        "used_params": used_parameters(rows),
        "layout": layout.name,
        "official_by_part": _by_part(rows, official_parameters),
        "used_by_part": _by_part(rows, used_parameters),
    }


def _by_part(rows: Iterable[Row], count: Callable[[Iterable[Row]], int]) -> dict[str, int]:
    parts: dict[str, list[Row]] = {}
    for row in rows:
        if row.parameter:
            parts.setdefault(row.theirs.partition(".")[0], []).append(row)
    return {part: count(members) for part, members in parts.items()}


def rows_of_authors(
    spec: ModelSpec, options: Mapping[str, Any]
) -> tuple[Layout, tuple[Row, ...]] | None:
    """Record, complete options -> the whole layout that such models come in, and its rows.

    The one that gives these options back when it is asked what the keys mean, else the first.
    """
    found = None
    for layout in spec.layouts:
        if not layout.partial and (rows := rows_of(layout, options)):
            guessed = resolve(layout.guess)({row.theirs: row.shape for row in rows})
            if guessed is not None and {**spec.defaults, **guessed} == dict(options):
                return layout, rows
            found = found or (layout, rows)
    return found


def rows_of(layout: Layout, options: Mapping[str, Any]) -> tuple[Row, ...]:
    """-> the rows of a layout, none when models with these options are never written in it."""
    try:
        return rows_at(layout.rows, options)
    except UsageError:
        return ()


def layout_named(spec: ModelSpec, name: str) -> Layout:
    """-> the whole layout of this name."""
    whole = {layout.name: layout for layout in spec.layouts if not layout.partial}
    if name not in whole:
        raise UsageError(
            f"model '{spec.name}' has no layout '{name}'.",
            f"One of: {', '.join(whole) or 'none'}.",
        )
    return whole[name]


def count_all(spec: ModelSpec) -> dict[str, dict[str, Any]]:
    """-> the counts of every preset; `problem` says why one cannot be counted."""
    counts: dict[str, dict[str, Any]] = {}
    for preset in spec.presets or ("",):
        try:
            counts[preset] = count_preset(spec, preset)
        except HpsError as error:
            counts[preset] = {"problem": error.problem}
    return counts
