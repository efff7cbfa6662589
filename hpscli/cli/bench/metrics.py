"""hps bench metrics: our metrics beside plain loops over people, on one core, with equal results."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, table

if TYPE_CHECKING:
    from hpscli.testing.speed.metrics import MetricSpeed


def metrics(
    only: Annotated[
        list[str] | None, typer.Option(help="Rows by name or pattern; default: all.")
    ] = None,
    least: Annotated[
        float, typer.Option(min=0.0, help="Times faster that every row has to be; 0: its own.")
    ] = 0.0,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 4 when a row is slower than needed, or unequal.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Time metrics of whole test sets, arrays in memory, one thread: ours and a plain loop."""
    from hpscli.errors import CheckFailed, unknown_name
    from hpscli.registry import get_registry
    from hpscli.testing.speed.metrics import measure

    show = Output(json, quiet)
    specs = get_registry().all("speed")
    if only:
        from fnmatch import fnmatchcase

        specs = [s for s in specs if any(fnmatchcase(s.name, pattern) for pattern in only)]
        if not specs:
            known = [spec.name for spec in get_registry().all("speed")]
            raise unknown_name("metric", only[0], known, "hps bench metrics")
    rows = list(show.track(measure(specs, least), "measuring", len(specs)))
    document = {"rows": [{**asdict(row), "ratio": row.ratio, "ok": row.ok} for row in rows]}
    show.result("bench-metrics", document, lambda: draw(rows))
    bad = [row.name for row in rows if not row.ok]
    if check and bad:
        raise CheckFailed(f"too slow or unequal: {', '.join(bad)}.", "See the table above.")


def draw(rows: "list[MetricSpeed]") -> None:
    """The table."""
    columns = (
        *("metric", "what", "people", "plain s", "ours s", "times faster"),
        *("needed", "worst difference", "verdict"),
    )
    table(
        columns,
        [
            (
                row.name,
                row.summary,
                row.people,
                f"{row.plain_s:.2f}"
                + ("" if row.measured == row.people else f" (from {row.measured})"),
                f"{row.ours_s:.4f}",
                f"{row.ratio:.1f}",
                f"{row.needed:g}",
                f"{row.worst:.1e}",
                "ok" if row.ok else "too slow" if row.worst <= row.tolerance else "unequal",
            )
            for row in rows
        ],
        title="one thread, arrays in memory, seconds of computing",
    )
    for row in rows:
        if row.official:
            print(f"{row.name}: the official program took {row.official}")
