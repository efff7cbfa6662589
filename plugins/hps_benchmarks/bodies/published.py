"""What others published for bodies: the rows of published.json, protocol by protocol."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from hpscli.hooks import Published

FILE = "published.json"  # {"tables": [{"protocol", "source", "rows": [...]}]}


def published(protocol: str) -> tuple[Published, ...]:
    """A protocol's name -> the figures that were published under it; () if there are none."""
    return tuple(
        Published(
            model=row["model"],
            metric=metric,
            value=value,
            source=table["source"],
            label=row["label"],
            doubt=row.get("doubt", ""),
            note=row.get("note", ""),
            options=row.get("options", {}),
        )
        for table in tables()
        if table["protocol"] == protocol
        for row in table["rows"]
        for metric, value in row["values"].items()
    )


@cache
def tables() -> tuple[dict[str, Any], ...]:
    """-> the tables as their authors printed them."""
    text = files(__package__).joinpath(FILE).read_text(encoding="utf-8")
    return tuple(json.loads(text)["tables"])
