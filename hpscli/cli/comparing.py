"""hps eval --compare: result files or runs, the first against each of the others."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpscli.cli.output import Output, table
from hpscli.errors import UsageError

if TYPE_CHECKING:
    from hpscli.metrics.comparison import Comparison, Difference
    from hpscli.metrics.results import Result


def compare_results(output: Output, places: Sequence[str], out: Path | None, force: bool) -> None:
    """Result files or run folders -> differences with intervals; a page too when `out` is given."""
    from hpscli.metrics.comparison import compare
    from hpscli.metrics.results import read_result

    if len(places) < 2:
        raise UsageError(
            "--compare takes two result files or more.", "hps eval --compare A.json B.json"
        )
    first, *others = [read_result(Path(place)) for place in places]
    found = [compare(first, other) for other in others]
    document = {
        "protocol": first.protocol["name"],
        "first": places[0],
        "second": places[1],
        "differences": [_plain(one) for one in found[0].differences],
        "comparisons": [
            {
                "first": places[0],
                "second": place,
                "people": one.common,
                "only_first": one.only_first,
                "only_second": one.only_second,
                "blocks": one.blocks,
                "method": one.says,
                "differences": [_plain(d) for d in one.differences],
            }
            for place, one in zip(places[1:], found, strict=True)
        ],
    }
    output.result("eval-comparison", document, lambda: _draw(first, others, found))


def _plain(difference: "Difference") -> dict[str, Any]:
    return {
        **asdict(difference),
        "significant": difference.significant,
        "verdict": difference.verdict,
    }


def _draw(first: "Result", others: "Sequence[Result]", found: "Sequence[Comparison]") -> None:
    """One table for each of the others."""
    for letter, other, one in zip("BCDEFGHIJKLMNOPQRSTUVWXYZ", others, found, strict=False):
        rows = [
            (
                f"{d.label} {d.unit}".rstrip(),
                d.first,
                d.second,
                f"{d.difference:+z.2f}",
                "-" if d.low is None else f"{d.low:+z.2f} to {d.high:+z.2f}",
                d.verdict.replace("B ", f"{letter} "),
                d.samples or None,
                d.remark,
            )
            for d in one.differences
        ]
        title = (
            f"A {first.checkpoint['name']}   {letter} {other.checkpoint['name']}   "
            f"{first.protocol['name']}"
        )
        columns = ("", "A", letter, f"{letter} - A", "95 % interval", "", "people", "")
        table(columns, rows, title=title)
        print(one.says)
