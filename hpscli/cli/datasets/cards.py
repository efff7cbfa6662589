"""How data sets look on a terminal: the list, and the card of one."""

import textwrap
from collections.abc import Callable
from typing import Any

from hpscli.cli.output import console, pairs, size_text, table

TEXT_WIDTH = 110  # of sentences, characters
WIDE = 120  # characters that a row with licence and splits needs


def draw_list(rows: list[dict[str, Any]]) -> None:
    """All columns where there is room; in a narrow terminal those that say what one can choose."""
    cells: dict[str, Callable[[dict[str, Any]], object]] = {
        "data set": lambda row: row["name"],
        "body": lambda row: row["body"] or "-",
        "access": lambda row: row["access"],
        "splits": lambda row: " ".join(row["splits"]),
        "prepared": lambda row: " ".join(row["prepared"]) or "-",
        "licence": lambda row: row["licence"],
        "summary": lambda row: row["summary"],
    }
    if console().width < WIDE:
        for name in ("splits", "licence"):
            del cells[name]
    table(list(cells), [[cell(row) for cell in cells.values()] for row in rows])


def draw_card(document: dict[str, Any]) -> None:
    """The short facts as pairs, then what to download, files, counts and defects."""
    shown = ("files", "counts", "defects", "download", "tree", "notes")
    width = min(console().width, TEXT_WIDTH)
    pairs(lines({name: value for name, value in document.items() if name not in shown}))
    for name in ("download", "tree", "notes"):
        if document.get(name):
            print(f"\n{name}\n{textwrap.indent(str(document[name]).strip(), '  ')}")
    columns = {
        "files": ("glob", "what"),
        "counts": ("split", "what", "count", "status", "source"),
    }
    for name, titles in columns.items():
        if rows := document.get(name):
            table(
                titles,
                title=f"\n{name}",
                rows=[[row.get(title, "") for title in titles] for row in rows],
            )
    if defects := document.get("defects"):
        print("defects")
    for defect in defects or ():
        print(_filled(str(defect["what"]), "  * ", width))
        for who in ("ours", "reference"):
            if said := defect.get(who):
                print(_filled(str(said), f"      {who:<9}  ", width))


def _filled(text: str, head: str, width: int) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def lines(document: dict[str, Any]) -> list[tuple[str, object]]:
    """Facts -> `name  value` pairs in words."""
    lines: list[tuple[str, object]] = []
    for name, value in document.items():
        if name == "shards":
            tars = "tar" if len(value) == 1 else "tars"
            value = f"{len(value)} {tars}, {size_text(sum(shard['bytes'] for shard in value))}"
        elif isinstance(value, dict):
            value = "  ".join(f"{k}={v}" for k, v in value.items() if k != "records") or "-"
        elif isinstance(value, list):
            value = " ".join(map(str, value)) or "-"
        lines.append((name, value or "-"))
    return lines
