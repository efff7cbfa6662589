"""hps datasets dump: every label of shards in plain form, or in that of other code."""

import json as json_module
import sys
from pathlib import Path
from typing import Annotated

import typer

from hpscli.cli.output import Output

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
    from hpscli.cli.datasets import open_shards, prepared_place
    from hpscli.data.dump import write_form, write_npz, write_pictures
    from hpscli.data.preparation import BOX_MARGIN
    from hpscli.data.verify import describe
    from hpscli.errors import UsageError

    people = open_shards(prepared_place(shards, ""), limit)
    if form or options:
        if not form or out is None:
            lacking = "--out" if form else "--as"
            raise UsageError(
                f"{lacking} is missing.", "hps datasets dump SHARDS --as humandata --out FILE.npz"
            )
        count = write_form(people, form, out, images, options or ())
        output = Output()
        output.say("saved", f"{out}   {count} people as {form}")
        source = f"{out}" if form == "osx-json" else f"PICTURES annotations={out.absolute()}"
        output.next(f"hps prepare {form} --from {source}")
        return
    if images is not None:
        count = write_pictures(people, images, BOX_MARGIN)
        Output().say("saved", f"{images}   {count} pictures and boxes.json")
        if out is None:
            return  # who asks for pictures alone does not want their labels on the screen
    if out is None:
        for sample in people:
            sys.stdout.write(json_module.dumps(describe(sample)) + "\n")
    elif out.suffix == ".jsonl":
        with out.open("w", encoding="utf-8") as stream:
            stream.writelines(json_module.dumps(describe(sample)) + "\n" for sample in people)
    elif out.suffix == ".npz":
        write_npz(people, out)
    else:
        raise UsageError(f"cannot dump into {out}.", "Name a .jsonl or an .npz file.")
    if out is not None:
        Output().say("saved", f"{out}   {len(people)} people")
