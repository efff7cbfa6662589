"""The pages of docs/datasets, one for each data set, written from its record and its card."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hpscli.cards import load_card
from hpscli.hooks import DatasetSpec
from hpscli.registry import get_registry

FORMATS = {
    "run": "Its reader was run on small files in the owner's containers and compared with what official "
    "converters make of them.",
    "read": "**Known only from reading**: nobody ran this reader on the owner's files, or on files "
    "written by the owner's code.",
}


def dataset_pages() -> dict[str, str]:
    """-> {file name: text} of every data set that has a card, and of the list of all."""
    specs = [spec for spec in get_registry().all("dataset") if spec.card]
    specs.sort(key=lambda spec: spec.name)
    pages = {f"{spec.name}.md": page(spec, load_card(spec.card)) for spec in specs}
    return {"README.md": overview(specs), **pages}


def overview(specs: Sequence[DatasetSpec]) -> str:
    rows = [
        (
            f"[{spec.name}]({spec.name}.md)",
            load_card(spec.card)["full_name"],
            spec.body,
            spec.access,
            " ".join(spec.splits),
            load_card(spec.card).get("format", ""),
            ", ".join(spec.references),
        )
        for spec in specs
    ]
    titles = ("data set", "", "body", "access", "splits", "format", "also read as")
    return (
        "# Data sets\n\nWhat `hps prepare NAME` reads. The same as data: `hps datasets list --json`, "
        "`hps datasets show NAME --json`.\nFormat: *run* means that the reader was compared with official "
        "converters on small files in the owner's containers, *read* that it\nis known only from "
        "reading. *Also read as*: official converters that `--as-reference` reproduces.\n\n"
        + "\n".join(table(titles, rows))
        + "\n"
    )


def page(spec: DatasetSpec, card: Mapping[str, Any]) -> str:
    """-> the page of one data set."""
    return "\n".join(_parts(spec, card)).rstrip() + "\n"


def _parts(spec: DatasetSpec, card: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {card['full_name']}\n\n{spec.summary}.\n"
    yield f"```console\n$ hps prepare {spec.name} --from DIR --split {spec.splits[0]}\n```\n"
    yield from table(("", ""), [(name, text) for name, text in _facts(spec, card) if text])
    if card.get("download"):
        yield f"\n## Where to get it\n\n{card['download'].strip()}\n"
    if card.get("tree"):
        yield f"\n## The folder\n\n```text\n{card['tree'].strip()}\n```\n"
    if files := card.get("files"):
        yield "\nLooked for before anything is read:\n"
        yield from table(("file", "what", "for"), [_file(entry) for entry in files])
    if counts := card.get("counts"):
        yield "\n## How many\n"
        rows = [
            (c["split"], f"{c['count']:,}", c["what"], c["status"], c.get("source", ""))
            for c in counts
        ]
        yield from table(("split", "", "of", "status", "source"), rows)
    if spec.options:
        yield "\n## Options\n\nGiven as `key=value`.\n"
        shown = [(f"`{key}`", f"`{value!r}`") for key, value in spec.options.items()]
        yield from table(("option", "default"), shown)
    if defects := card.get("defects"):
        yield "\n## Known defects, and what we do\n"
        rows = [(d["what"], d["ours"], d.get("reference", "")) for d in defects]
        yield from table(("what", "hps", "with `--as-reference`"), rows)
    if card.get("notes"):
        yield f"\n## Notes\n\n{card['notes'].strip()}\n"
    if card.get("format"):
        yield f"\n## How far this is checked\n\n{FORMATS[card['format']]}\n"


def _facts(spec: DatasetSpec, card: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("owner's page", card["homepage"]),
        ("year", str(card.get("year", ""))),
        ("paper", card.get("paper", "")),
        ("access", spec.access),
        ("licence", spec.licence),
        ("body", spec.body),
        ("splits", ", ".join(spec.splits)),
        ("2D joints", ", ".join(card.get("joints2d", ()))),
        ("3D joints", ", ".join(card.get("joints3d", ()))),
        ("frame and units", card.get("frame", "")),
        ("box", card.get("box", "")),
        ("also called", ", ".join(spec.aliases)),
        ("`--as-reference`", ", ".join(spec.references)),
    ]


def _file(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    what = entry["what"] + (" (optional)" if entry.get("optional") else "")
    return f"`{entry['glob']}`", what, ", ".join(entry.get("splits", ("every split",)))


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """-> the lines of a Markdown table."""
    yield "| " + " | ".join(titles) + " |"
    yield "|" + "---|" * len(titles)
    for row in rows:
        cells = (" ".join(str(cell).split()).replace("|", "\\|") for cell in row)
        yield "| " + " | ".join(cells) + " |"
