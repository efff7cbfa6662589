"""hps datasets list | show | audit | stats | dump: what can be prepared, and what shards hold."""

import json as json_module
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, pairs, table

if TYPE_CHECKING:
    from hpscli.data.evalset import EvalSet
    from hpscli.hooks import DatasetSpec

app = typer.Typer(
    help="Data sets that plugins can read, and shards made from them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
Shards = Annotated[
    str, typer.Argument(help="Shard folder, its URL, or NAME or NAME/SPLIT below shards/.")
]
SHOWN_COMPLAINTS = 20


@app.command("list")
def list_(json: JsonOption = False) -> None:
    """Every data set: access, licence, splits, and what is prepared here."""
    from hpscli.registry import get_registry

    registry, prepared = get_registry(), _prepared_here()
    rows = [
        {**_document(spec, prepared), "plugin": registry.origin("dataset", spec.name)}
        for spec in registry.all("dataset")
    ]

    def draw() -> None:
        table(
            ("data set", "body", "access", "splits", "prepared", "licence", "summary"),
            [
                (
                    row["name"],
                    row["body"] or "-",
                    row["access"],
                    " ".join(row["splits"]),
                    " ".join(row["prepared"]) or "-",
                    row["licence"],
                    row["summary"],
                )
                for row in rows
            ],
        )

    Output(json).result("datasets", {"datasets": rows}, draw)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Data set, shard folder or URL.")],
    sample: Annotated[int, typer.Option(help="Draw this person of the shards into a PNG.")] = -1,
    split: Annotated[str, typer.Option(help="Split, when NAME is a data set.")] = "",
    out: Annotated[Path | None, typer.Option(help="Where the PNG goes.")] = None,
    json: JsonOption = False,
) -> None:
    """What a data set is; or a shard folder; or, with --sample, one labelled person."""
    from hpscli.registry import get_registry

    output = Output(json)
    registry = get_registry()
    if sample >= 0:
        _show_sample(output, _open(_prepared(name, split)), sample, out)
    elif name in registry.names("dataset"):
        document = _document(registry.dataset(name), _prepared_here())
        output.result("dataset", document, lambda: pairs(_lines(document)))
        if registry.dataset(name).needs_root:
            output.next(f"hps prepare {name} --from DIR")
        else:
            output.next(f"hps prepare {name}")
    elif _looks_like_shards(place := _prepared(name, split)):
        from hpscli.data.shards import read_index

        document = read_index(place).document()
        document.pop("schema")
        output.result("shards", document, lambda: pairs(_lines(document)))
    else:
        registry.dataset(name)  # says which names are near


@app.command()
def audit(
    shards: Shards,
    fast: Annotated[bool, typer.Option("--fast", help="Do not decode the pictures.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Checksums, schema and every sample of a shard folder; exit 5 when something is wrong."""
    from hpscli.data.shards import read_index
    from hpscli.data.verify import verify
    from hpscli.errors import InvalidData

    output = Output(json, quiet)
    shards = _prepared(shards, "")
    index = read_index(shards)
    # no rate: a tar that cannot be read is passed over whole
    with output.progress("checking", index.samples) as advance:
        found = verify(shards, advance=advance, decode=not fast)
    document = {"shards": shards, "samples": index.samples, "complaints": found}
    verdict = "sound" if not found else f"{len(found)} complaint{'s' * (len(found) != 1)}"
    rows = [("shards", shards), ("samples", index.samples), ("verdict", verdict)]
    output.result("audit", document, lambda: pairs(rows))
    if found:
        more = f"\n... and {len(found) - SHOWN_COMPLAINTS} more" * (len(found) > SHOWN_COMPLAINTS)
        raise InvalidData(
            f"{shards} is not sound:\n" + "\n".join(found[:SHOWN_COMPLAINTS]) + more,
            "Prepare it again (--force), or copy it again from where it came.",
        )


@app.command()
def stats(shards: Shards, json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Counts and ranges of what a shard folder holds."""
    from hpscli.data.verify import statistics

    output = Output(json, quiet)
    people = _open(_prepared(shards, ""))
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


@app.command()
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
        typer.Option(help="Write the pictures, and their boxes.json, into this folder."),
    ] = None,
) -> None:
    """Every label in plain form: JSON lines on stdout, or one .jsonl or .npz file."""
    from hpscli.data.dump import write_npz, write_pictures
    from hpscli.data.preparation import BOX_MARGIN
    from hpscli.data.verify import describe
    from hpscli.errors import UsageError

    people = _open(_prepared(shards, ""), limit)
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


def _show_sample(output: Output, people: "EvalSet", number: int, out: Path | None) -> None:
    from hpscli.data.verify import describe, picture
    from hpscli.errors import UsageError
    from hpscli.render.pictures import write_image

    if number >= len(people):
        raise UsageError(
            f"{people.location} has no person {number}; it has {len(people)}.",
            f"--sample 0 ... {len(people) - 1}",
        )
    sample = people[number]
    path = out or Path(f"{sample.key}.png")
    write_image(path, picture(sample, side_px=512))
    document = {**describe(sample), "picture": path}
    arrays = {name: list(array.shape) for name, array in sample.arrays.items()}
    rows = [
        ("key", sample.key),
        ("picture", path),
        *sample.meta.items(),
        *[(name, "x".join(map(str, shape))) for name, shape in arrays.items()],
    ]
    output.result("sample", document, lambda: pairs(rows))


def _open(location: str, limit: int = 0) -> "EvalSet":
    from hpscli.data.evalset import EvalSet

    return EvalSet(location, limit)


def _looks_like_shards(name: str) -> bool:
    return "/" in name or Path(name).is_dir()


def _prepared(name: str, split: str) -> str:
    """Folder, URL, NAME or NAME/SPLIT -> where its shards are."""
    if "://" in name or (Path(name) / "index.json").is_file():
        return name
    below = Path("shards") / name / split if split else Path("shards") / name
    if (below / "index.json").is_file():
        return str(below)
    found = sorted(path.parent for path in below.glob("*/index.json"))
    return str(found[0]) if found else name


def _prepared_here() -> dict[str, list[str]]:
    """-> what the indexes below shards/ say: data set -> its splits, or FOLDER/SPLIT elsewhere."""
    from hpscli.data.shards import read_index
    from hpscli.errors import HpsError

    found: dict[str, list[str]] = {}
    top = Path("shards")
    for path in sorted([*top.glob("*/index.json"), *top.glob("*/*/index.json")]):
        place = path.parent.relative_to(top).as_posix()
        try:
            index = read_index(path.parent)
        except HpsError:  # nothing that could be used; whoever names it is told why
            continue
        usual = place == f"{index.dataset}/{index.split}"
        found.setdefault(index.dataset, []).append(index.split if usual else place)
    return found


def _document(spec: "DatasetSpec", prepared: dict[str, list[str]]) -> dict[str, Any]:
    here = prepared.get(spec.name, [])
    return {
        "name": spec.name,
        "summary": spec.summary,
        "access": spec.access,
        "licence": spec.licence,
        "homepage": spec.homepage,
        "body": spec.body,
        "splits": list(spec.splits),
        "options": dict(spec.options),
        "files": dict(spec.files),
        "prepared": sorted(here, key=[*spec.splits, *here].index),
    }


def _lines(document: dict[str, Any]) -> list[tuple[str, object]]:
    lines: list[tuple[str, object]] = []
    for name, value in document.items():
        if name == "shards":
            value = f"{len(value)} tars, {sum(shard['bytes'] for shard in value) / 1e6:.1f} MB"
        elif isinstance(value, dict):
            value = "  ".join(f"{k}={v}" for k, v in value.items() if k != "records") or "-"
        elif isinstance(value, list):
            value = " ".join(map(str, value)) or "-"
        lines.append((name, value or "-"))
    return lines


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
