"""hps bench accuracy: every published number, whether it can be measured here, and what comes out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, table

if TYPE_CHECKING:
    from hpscli.hooks import ProtocolSpec
    from hpscli.run.accuracy import Need, Row

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
            f"no published number of {asked or 'anything'} is known.",
            _nearest(registry.all("protocol"), testset, model) or "hps protocols list",
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


def _nearest(specs: "Sequence[ProtocolSpec]", testset: str, model: str) -> str:
    """-> a question about the first word that is near to one with published numbers."""
    from hpscli.errors import did_you_mean

    told = [spec for spec in specs if spec.published]
    models = {entry.model for spec in told for entry in spec.published if entry.model}
    families = {name.partition(".")[0] for name in models}
    testsets = {spec.testset for spec in told}
    near = (
        did_you_mean(word, sorted(known))
        for word, known in ((testset, testsets), (model, models | families))
        if word and word not in known
    )
    return next((question for question in near if question), "")


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


COLUMNS = ("published", "figure", "value", "ours", "difference", "here")


@dataclass(frozen=True)
class Remarks:
    """What is said below the tables, once each: {text: its mark}."""

    needs: dict[str, str]  # 1, 2, 3
    doubts: dict[str, str]  # a, b, c
    notes: dict[str, str]  # *1, *2, *3

    def parts(self) -> list[tuple[str, list[str]]]:
        """-> titles and lines, those that there are."""
        named = (
            ("needed", [f"[{mark}] {text}" for text, mark in self.needs.items()]),
            ("doubtful, no targets", [f"({mark}) {text}" for text, mark in self.doubts.items()]),
            ("notes", [f"{mark} {text}" for text, mark in self.notes.items()]),
        )
        return [(title, lines) for title, lines in named if lines]


def remarks_of(rows: "Sequence[Row]") -> Remarks:
    """-> everything that is needed, doubted and noted, in the order of the rows."""
    needs = dict.fromkeys(_need(need) for row in rows for need in row.needs)
    doubts = dict.fromkeys(row.doubt for row in rows if row.doubt)
    notes = dict.fromkeys(row.note for row in rows if row.note)
    return Remarks(
        needs={text: str(number + 1) for number, text in enumerate(needs)},
        doubts={text: letters(number) for number, text in enumerate(doubts)},
        notes={text: f"*{number + 1}" for number, text in enumerate(notes)},
    )


def draw(rows: "Sequence[Row]") -> None:
    """A table for each protocol and source; below, what is needed, doubted, noted."""
    remarks = remarks_of(rows)
    for title, own in grouped(rows).items():
        table(COLUMNS, [_cells(row, remarks) for row in own], title=title)
    for title, lines in remarks.parts():
        print(title)
        for line in lines:
            print(f"  {line}")
    ready, doubtful = (
        sum(row.runnable for row in rows),
        sum(not row.target for row in rows),
    )
    print(
        f"{len(rows)} published numbers, {doubtful} of them doubtful; {ready} can be measured here"
    )


def grouped(rows: "Sequence[Row]") -> "dict[str, list[Row]]":
    """-> {protocol, standing and source: rows}."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(f"{row.protocol}   {row.standing}   {row.source}", []).append(row)
    return found


def _need(need: "Need") -> str:
    return f"{need.what}: {need.fix}"


def letters(number: int) -> str:
    """0 -> a, 25 -> z, 26 -> aa."""
    found = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        found = chr(ord("a") + rest) + found
    return found


def _cells(row: "Row", remarks: Remarks) -> tuple[str, ...]:
    digits = 4 if row.published < 1 else 2
    needs = " ".join(f"[{remarks.needs[_need(need)]}]" for need in row.needs)
    name = f"{row.label}{' + ' + row.tta if row.tta else ''}"
    note = f" {remarks.notes[row.note]}" if row.note else ""
    doubt = f" ({remarks.doubts[row.doubt]})" if row.doubt else ""
    return (
        name + note,
        row.metric,
        f"{row.published:.{digits}f}{doubt}",
        "-" if row.ours is None else f"{row.ours:.{digits}f}",
        "-" if row.difference is None else f"{row.difference:+z.{digits}f}",
        row.remark or (f"needs {needs}" if needs else "yes"),
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
    """-> the matrix as Markdown, a table for each protocol and source, with the same remarks below."""
    remarks = remarks_of(rows)
    lines = ["# Published numbers and ours", ""]
    for title, own in grouped(rows).items():
        lines += [f"## {title.replace('   ', ', ')}", ""]
        lines += [_line(COLUMNS), _line(["---"] * len(COLUMNS))]
        lines += [_line(_cells(row, remarks)) for row in own]
        lines.append("")
    for title, said in remarks.parts():
        lines += [f"## {title.capitalize()}", "", *(f"- {line}" for line in said), ""]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
