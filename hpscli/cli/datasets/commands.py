"""hps datasets list | show | audit | stats | dump: what can be prepared, and what shards hold."""

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.datasets.cards import draw_card, draw_list, lines
from hpscli.cli.datasets.drawing import show_augmentations, show_sample
from hpscli.cli.datasets.dump import Shards, dump
from hpscli.cli.datasets.opening import (
    looks_like_shards,
    open_shards,
    prepared_here,
    prepared_place,
)
from hpscli.cli.output import JsonOption, Output, QuietOption, pairs, table

if TYPE_CHECKING:
    from hpscli.data.shards import ShardIndex
    from hpscli.hooks import DatasetSpec

app = typer.Typer(
    help="Data sets that plugins can read, and shards made from them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
SHOWN_COMPLAINTS = 20
OF_THE_RECORD = (
    "name",
    "aliases",
    "full_name",
    "summary",
    "access",
    "licence",
    "homepage",
    "body",
    "splits",
)


@app.command("list")
def list_(json: JsonOption = False) -> None:
    """Every data set: access, licence, splits, and what is prepared here."""
    from hpscli.registry import get_registry

    registry, prepared = get_registry(), prepared_here()
    rows = [
        {**_document(spec, prepared), "plugin": registry.origin("dataset", spec.name)}
        for spec in registry.all("dataset")
    ]

    output = Output(json)
    output.result("datasets", {"datasets": rows}, lambda: draw_list(rows))
    output.next("hps datasets show NAME")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Data set, shard folder or URL.")],
    sample: Annotated[int, typer.Option(help="Draw this person of the shards into a PNG.")] = -1,
    split: Annotated[str, typer.Option(help="Split, when NAME is a data set.")] = "",
    augment: Annotated[
        str,
        typer.Option(
            metavar="RECIPE",
            help="Draw what this recipe's augmentations do to a few people of the shards; "
            "'everything': all that there are.",
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Other random changes, with --augment.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where the PNG goes.")] = None,
    json: JsonOption = False,
) -> None:
    """What a data set is; or a shard folder; or, with --sample, one labelled person."""
    from hpscli.registry import get_registry

    output = Output(json)
    registry = get_registry()
    if augment:
        show_augmentations(output, open_shards(prepared_place(name, split)), augment, seed, out)
    elif sample >= 0:
        show_sample(output, open_shards(prepared_place(name, split)), sample, out)
    elif spec := _spec(name):
        document = _document(spec, prepared_here())
        output.result("dataset", document, lambda: draw_card(document))
        output.next(f"hps prepare {name}{' --from DIR' * spec.needs_root}")
    elif looks_like_shards(place := prepared_place(name, split)):
        from hpscli.data.shards import read_index

        document = read_index(place).document()
        document.pop("schema")
        output.result("shards", document, lambda: pairs(lines(document)))
    else:
        registry.dataset(name)  # says which names are near


@app.command()
def audit(
    shards: Shards,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Shards that must show nobody of these; default: other splits here."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of audit.html and audit.json; default: the shards.")
    ] = None,
    people: Annotated[int, typer.Option(min=1, help="Most people to measure.")] = 20_000,
    fast: Annotated[
        bool, typer.Option("--fast", help="Files and schema alone; pictures are not decoded.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """What is wrong with shards: files, schema, and whether labels fit picture, body and test set."""
    from hpscli.data.audit.verify import verify
    from hpscli.data.shards import read_index

    output = Output(json, quiet)
    shards = prepared_place(shards, "")
    index = read_index(shards)
    output.say("audit", f"{shards}  {index.samples} {'person' if index.samples == 1 else 'people'}")
    # no rate: a tar that cannot be read is passed over whole
    with output.progress("checking", index.samples) as advance:
        found = verify(shards, advance=advance, decode=not fast)
    if fast or found:
        document = {"shards": shards, "samples": index.samples, "complaints": found}
        verdict = "sound" if not found else f"{len(found)} complaint{'s' * (len(found) != 1)}"
        rows = [("shards", shards), ("samples", index.samples), ("verdict", verdict)]
        output.result("audit", document, lambda: pairs(rows))
        _refuse_unsound(shards, found)
        return
    _audit_labels(output, shards, against or _other_splits(index), out, people)


def _refuse_unsound(shards: str, found: list[str]) -> None:
    from hpscli.errors import InvalidData

    if found:
        more = f"\n... and {len(found) - SHOWN_COMPLAINTS} more" * (len(found) > SHOWN_COMPLAINTS)
        raise InvalidData(
            f"{shards} is not sound:\n" + "\n".join(found[:SHOWN_COMPLAINTS]) + more,
            "Prepare it again (--force), or copy it again from where it came.",
        )


def _audit_labels(
    output: Output, shards: str, against: list[str], out: Path | None, most: int
) -> None:
    """Measure, judge, write the page; exit 4 when something is wrong."""
    from hpscli.atomic import write_atomically
    from hpscli.data.audit.page import page
    from hpscli.data.audit.run import audit as run_audit
    from hpscli.errors import CheckFailed

    chosen, others = (
        open_shards(shards),
        [open_shards(prepared_place(name, "")) for name in against],
    )
    total = sum(min(len(one), most) for one in (chosen, *others))
    with output.progress("measuring", total, "people") as advance:
        found = run_audit(chosen, others, most=most, advance=advance)
    folder = out or (Path() if "://" in shards else Path(shards))
    folder.mkdir(parents=True, exist_ok=True)
    document = {**found.document(), "page": folder / "audit.html"}
    text = json_module.dumps(found.document(), indent=1) + "\n"
    write_atomically(folder / "audit.json", text.encode())
    write_atomically(folder / "audit.html", page(found, chosen).encode())

    def draw() -> None:
        table(
            ("question", "verdict", "answer"), [(f.name, f.verdict, f.says) for f in found.findings]
        )
        pairs([("samples", found.samples), ("verdict", "wrong" if found.wrong else "sound")])

    output.result("audit", document, draw)
    output.say("look", str(folder / "audit.html"))
    if found.wrong:
        first = found.wrong[0]
        raise CheckFailed(
            f"the labels of {shards} are wrong: {first.says}.", f"See {folder / 'audit.html'}"
        )


def _other_splits(index: "ShardIndex") -> list[str]:
    """-> prepared splits of the same data set that must show nobody of this one."""
    here = prepared_here().get(index.dataset, [])
    trains = "train" in index.split
    wanted = [split for split in here if "/" not in split and ("train" in split) != trains]
    return [f"shards/{index.dataset}/{split}" for split in wanted]


@app.command()
def stats(shards: Shards, json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Counts and ranges of what a shard folder holds."""
    from hpscli.data.audit.verify import statistics

    output = Output(json, quiet)
    people = open_shards(prepared_place(shards, ""))
    with output.progress("reading", len(people), "people") as advance:
        found = statistics(people, advance)

    def draw() -> None:
        least, median, greatest = found.box_px
        pairs(
            [
                ("samples", found.samples),
                ("pictures", f"{_counts(found.kinds)}, {found.image_bytes / 1024:.1f} kB each"),
                ("box side", f"{least:.0f} .. {median:.0f} .. {greatest:.0f} px (median between)"),
                ("gender", _counts(found.genders)),
            ]
        )
        table(
            ("array", "samples", "least", "greatest"),
            [
                (name, count, *found.ranges.get(name, (None, None)))
                for name, count in sorted(found.arrays.items())
            ],
        )

    output.result("stats", {"shards": people.location, **vars(found)}, draw)


app.command()(dump)


def _spec(name: str) -> "DatasetSpec | None":
    """-> the data set of this name or alias, unless there is none."""
    from hpscli.registry import get_registry

    specs = get_registry().all("dataset")
    return next((spec for spec in specs if name in (spec.name, *spec.aliases)), None)


def _document(spec: "DatasetSpec", prepared: dict[str, list[str]]) -> dict[str, Any]:
    """-> what is known about a data set: its record, and its card where it has one."""
    from hpscli.cards import load_card

    here = prepared.get(spec.name, [])
    card = dict(load_card(spec.card)) if spec.card else {}
    return {
        "name": spec.name,
        "aliases": list(spec.aliases),
        "full_name": card.get("full_name", ""),
        "summary": spec.summary,
        "access": spec.access,
        "licence": spec.licence,
        "homepage": spec.homepage,
        "body": spec.body,
        "splits": list(spec.splits),
        "options": dict(spec.options),
        "references": list(spec.references),
        "files": card.pop("files", None) or [{"glob": g, "what": w} for g, w in spec.files.items()],
        "prepared": sorted(here, key=[*spec.splits, *here].index),
        **{name: value for name, value in card.items() if name not in OF_THE_RECORD},
    }


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
