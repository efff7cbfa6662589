"""hps datasets dump: every label of shards in plain form, or in that of other code."""

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from hpscli.cli.datasets.opening import open_shards, prepared_place
from hpscli.cli.output import Output

if TYPE_CHECKING:
    from hpscli.data.evalset import EvalSet

Shards = Annotated[
    str, typer.Argument(help="Shard folder, its URL, or NAME or NAME/SPLIT below shards/.")
]


def dump(
    shards: Shards,
    limit: Annotated[int, typer.Option(min=0, help="Only the first N people; 0: all.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A .jsonl file, or an .npz of stacked arrays; default: JSON lines on stdout."
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Write the pictures into this folder; without --as with their boxes.json."
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--as",
            metavar="FORM",
            help="A form of other code: humandata, spin-npz, or osx-json (--out is a folder then).",
        ),
    ] = "",
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Options of the form: compressed=false."),
    ] = None,
) -> None:
    """Every label in plain form, or in that of other code.

    JSON lines on stdout, or one .jsonl or .npz file. With --as, labels are those of the original
    pictures, under their original names; with --images too, those of the stored pictures.
    """
    from hpscli.data.dump import write_pictures
    from hpscli.data.preparation import BOX_MARGIN

    people = open_shards(prepared_place(shards, ""), limit)
    if form or options:
        _write_form(people, form, out, images, options or [])
        return
    if images is not None:
        count = write_pictures(people, images, BOX_MARGIN)
        Output().say("saved", f"{images}   {count} pictures and boxes.json")
    if out is not None:
        _write_labels(people, out)
    elif images is None:  # who asks for pictures alone does not want their labels on the screen
        _write_lines(people, sys.stdout)


def _write_form(
    people: "EvalSet", form: str, out: Path | None, images: Path | None, options: list[str]
) -> None:
    """In the form of other code."""
    from hpscli.data.dump import write_form
    from hpscli.errors import UsageError

    if not form or out is None:
        lacking = "--out" if form else "--as"
        raise UsageError(
            f"{lacking} is missing.", "hps datasets dump SHARDS --as humandata --out FILE.npz"
        )
    count = write_form(people, form, out, images, options)
    output = Output()
    output.say("saved", f"{out}   {count} people as {form}")
    source = f"{out}" if form == "osx-json" else f"PICTURES annotations={out.absolute()}"
    output.next(f"hps prepare {form} --from {source}")


def _write_labels(people: "EvalSet", out: Path) -> None:
    """Every label, as JSON lines or as arrays."""
    from hpscli.data.dump import write_npz
    from hpscli.errors import UsageError

    if out.suffix == ".jsonl":
        with out.open("w", encoding="utf-8") as stream:
            _write_lines(people, stream)
    elif out.suffix == ".npz":
        write_npz(people, out)
    else:
        raise UsageError(f"cannot dump into {out}.", "Name a .jsonl or an .npz file.")
    Output().say("saved", f"{out}   {len(people)} people")


def _write_lines(people: "EvalSet", stream: TextIO) -> None:
    from hpscli.data.audit.verify import describe

    for sample in people:
        stream.write(json_module.dumps(describe(sample)) + "\n")
