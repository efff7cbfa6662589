"""hps eval --compare: result files or runs, the first against each of the others."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpscli.cli.output import Output, table
from hpscli.errors import MissingError, UsageError

if TYPE_CHECKING:
    from hpscli.metrics.results import Result
    from hpscli.metrics.results.comparison import Comparison, Difference

RUNS = Path("runs")  # where `hps train` and `hps eval` write


def compare_results(output: Output, places: Sequence[str], out: Path | None, force: bool) -> None:
    """Result files or run folders -> differences with intervals; a page too when `out` is given."""
    from hpscli.metrics.results import read_result
    from hpscli.metrics.results.comparison import compare

    if len(places) < 2:
        raise UsageError(
            "--compare takes two result files or more.", "hps eval --compare A.json B.json"
        )
    page = _page(out, force)
    first, *others = [read_result(result_file(place)) for place in places]
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
    if page is not None:
        from hpscli.run.report import write_comparison

        output.say("report", write_comparison(page, first, others, found))
    else:
        output.next(f"hps eval --compare {' '.join(places)} --out comparison.html")


def _page(out: Path | None, force: bool) -> Path | None:
    """-> where the page goes, if there is one: a file, or in a folder."""
    if out is None:
        return None
    if out.suffix not in ("", ".html"):
        raise UsageError(
            f"a comparison is a page, not '{out.suffix}'.",
            f"--out {out.with_suffix('.html')}     (numbers: --json > {out.stem}.json)",
        )
    page = out if out.suffix else out / "comparison.html"
    if page.exists() and not force:
        raise UsageError(f"{page} exists already.", "Choose another name, or add --force.")
    return page


def result_file(place: str) -> Path:
    """A result file, its folder, or a run -> the result file; of a run the one that is newest."""
    path = Path(place)
    if not path.exists() and (RUNS / place).is_dir():
        path = RUNS / place
    if path.is_dir() and not (path / "result.json").is_file():
        written = [
            (file.stat().st_mtime, file) for file in path.rglob("*.json") if _is_result(file)
        ]
        if not written:
            raise MissingError(
                f"{path} holds no result of an evaluation.",
                f"Make one: hps eval {place} --testset NAME --out {path / 'eval'}",
            )
        return max(written)[1]
    return path


def _is_result(file: Path) -> bool:
    """-> whether a JSON file lies beside the people of an evaluation."""
    return file.with_name(f"{file.stem}.samples.npz").is_file()


def _plain(difference: "Difference") -> dict[str, Any]:
    whole = asdict(difference)
    plain = {n: None if isinstance(v, float) and v != v else v for n, v in whole.items()}
    return {
        **plain,
        "significant": difference.significant,
        "verdict": difference.verdict,
    }


def _numbers(difference: "Difference") -> tuple[str, str, str, str]:
    """-> A, B, B - A, interval; shares of one with more digits."""
    digits = 2 if difference.unit else 4
    low, high = difference.low, difference.high
    return (
        f"{difference.first:z.{digits}f}",
        f"{difference.second:z.{digits}f}",
        f"{difference.difference:+z.{digits}f}",
        "-" if low is None else f"{low:+z.{digits}f} to {high:+z.{digits}f}",
    )


def _draw(first: "Result", others: "Sequence[Result]", found: "Sequence[Comparison]") -> None:
    """One table for each of the others."""
    from hpscli.metrics.results.comparison import told_apart

    for letter, other, one in zip("BCDEFGHIJKLMNOPQRSTUVWXYZ", others, found, strict=False):
        rows = [
            (
                f"{d.label} {d.unit}".rstrip(),
                *_numbers(d),
                d.verdict.replace("B ", f"{letter} "),
                d.samples or None,
                d.remark,
            )
            for d in one.differences
        ]
        names = [
            f"{result.checkpoint['name']}{f' ({settings})' if settings else ''}"
            for result, settings in zip((first, other), told_apart((first, other)), strict=True)
        ]
        title = f"A {names[0]}   {letter} {names[1]}   {first.protocol['name']}"
        columns = ("", "A", letter, f"{letter} - A", "95 % interval", "", "people", "")
        table(columns, rows, title=title)
        print(one.says)
