"""hps bench accuracy: every published number, whether it can be measured here, and what comes out."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, table

if TYPE_CHECKING:
    from hpscli.run.accuracy import Row

PLACE = Path("runs") / "accuracy"


def accuracy(
    testset: Annotated[str, typer.Option(help="Only of this test set.")] = "",
    protocol: Annotated[str, typer.Option(help="Only under this protocol.")] = "",
    model: Annotated[str, typer.Option(help="Only of this model, or of model.weights.")] = "",
    run: Annotated[
        bool,
        typer.Option("--run/--dry-run", help="Measure what can be measured here, or only say it."),
    ] = True,
    batch: Annotated[int, typer.Option(min=1, help="People at once; changes no figure.")] = 32,
    device: Annotated[str, typer.Option(help="cpu or cuda; default: the best there is.")] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the table and the evaluations.", show_default=False),
    ] = None,
    least: Annotated[
        float, typer.Option(help="Exit 4 when a target is missed by more %; 0: never.")
    ] = 0.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """The matrix of published numbers x checkpoints x data present.

    Rows that cannot be measured here say what they need; doubtful numbers say why they are.
    """
    from hpscli.errors import UsageError
    from hpscli.registry import get_registry
    from hpscli.run.accuracy import evaluations, matrix, run_matrix

    show = Output(json, quiet)
    registry = get_registry()
    rows = matrix(registry, testset=testset, protocol=protocol, model=model)
    if not rows:
        asked = " ".join(word for word in (testset, protocol, model) if word)
        raise UsageError(
            f"no published number of {asked or 'anything'} is known.", "hps protocols list"
        )
    count = evaluations(rows)
    folder = out
    if run and count:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
        folder = out or PLACE / stamp
        with show.progress("measuring", count, "evaluations") as advance:
            rows = list(
                run_matrix(rows, registry, folder, batch=batch, device=device, advance=advance)
            )
    document = {
        "rows": [row.document() for row in rows],
        "published": len(rows),
        "doubtful": sum(not row.target for row in rows),
        "runnable": sum(row.runnable for row in rows),
        "measured": sum(row.ours is not None for row in rows),
    }
    show.result("bench-accuracy", document, lambda: draw(rows))
    if folder is not None:
        for file in write_tables(folder, rows, document):
            show.say("saved", file)
    _judge(rows, least)


def _judge(rows: "Sequence[Row]", least: float) -> None:
    """Raise when a number that is a target was missed by more than allowed."""
    from hpscli.errors import CheckFailed

    missed = [
        row
        for row in rows
        if row.target
        and row.difference is not None
        and abs(row.difference) > least / 100 * abs(row.published)
    ]
    if least and missed:
        first = missed[0]
        raise CheckFailed(
            f"{len(missed)} numbers are missed by more than {least:g} %, first {first.label} "
            f"{first.metric}: {first.ours:.2f}, published {first.published:g}."
        )


def draw(rows: "Sequence[Row]") -> None:
    """One table a protocol; below, what is needed and what is doubtful, each once."""
    needs, doubts = _numbered(rows)
    for name in dict.fromkeys(row.protocol for row in rows):
        own = [row for row in rows if row.protocol == name]
        table(
            ("published", "figure", "value", "ours", "difference", "here", "source"),
            [_cells(row, needs, doubts) for row in own],
            title=f"{name}   {own[0].standing}",
        )
    if needs:
        print("needed")
        for text, number in needs.items():
            print(f"  [{number}] {text}")
    if doubts:
        print("doubtful, no targets")
        for text, letter in doubts.items():
            print(f"  ({letter}) {text}")
    ready = sum(row.runnable for row in rows)
    print(f"{len(rows)} published numbers, {ready} can be measured here, {len(doubts)} doubts")


def _numbered(rows: "Sequence[Row]") -> tuple[dict[str, int], dict[str, str]]:
    """-> {what is needed: its number}, {doubt: its letters}."""
    needs = dict.fromkeys(_need(need) for row in rows for need in row.needs)
    doubts = dict.fromkeys(row.doubt for row in rows if row.doubt)
    return (
        {text: number + 1 for number, text in enumerate(needs)},
        {text: _letters(number) for number, text in enumerate(doubts)},
    )


def _need(need: Any) -> str:
    return f"{need.what}: {need.fix}"


def _letters(number: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return letters


def _cells(row: "Row", needs: dict[str, int], doubts: dict[str, str]) -> tuple[object, ...]:
    digits = 4 if row.published < 1 else 2
    here = "yes" if row.runnable else "needs " + " ".join(f"[{needs[_need(n)]}]" for n in row.needs)
    name = f"{row.label}{' + ' + row.tta if row.tta else ''}"
    doubt = f" ({doubts[row.doubt]})" if row.doubt else ""
    return (
        name,
        row.metric,
        f"{row.published:.{digits}f}{doubt}",
        "-" if row.ours is None else f"{row.ours:.{digits}f}",
        "-" if row.difference is None else f"{row.difference:+z.{digits}f}",
        row.remark or here,
        row.source,
    )


def write_tables(folder: Path, rows: "Sequence[Row]", document: dict[str, Any]) -> list[Path]:
    """-> accuracy.json and accuracy.md in a folder."""
    import json

    from hpscli.atomic import write_atomically

    text = json.dumps({"schema": "hps/bench-accuracy/1", **document}, indent=2) + "\n"
    write_atomically(folder / "accuracy.json", text.encode())
    write_atomically(folder / "accuracy.md", markdown(rows).encode())
    return [folder / "accuracy.json", folder / "accuracy.md"]


def markdown(rows: "Sequence[Row]") -> str:
    """-> the matrix as Markdown, a table a protocol, with what is needed and doubtful below."""
    needs, doubts = _numbered(rows)
    lines = ["# Published numbers and ours", ""]
    columns = ("published", "figure", "value", "ours", "difference", "here", "source")
    for name in dict.fromkeys(row.protocol for row in rows):
        own = [row for row in rows if row.protocol == name]
        lines += [f"## {name}", "", f"Standing: {own[0].standing}.", ""]
        lines += [_line(columns), _line("---" for _ in columns)]
        lines += [_line(_cells(row, needs, doubts)) for row in own]
        lines.append("")
    if needs:
        lines += ["## Needed", "", *(f"- [{number}] {text}" for text, number in needs.items()), ""]
    if doubts:
        lines += [
            "## Doubtful",
            "",
            *(f"- ({letter}) {text}" for text, letter in doubts.items()),
            "",
        ]
    return "\n".join(lines)


def _line(cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
