"""Making the people that a recipe wants and that need no files of anybody."""

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpscli.cli.output import Output
    from hpscli.recipe import Recipe
    from hpscli.train.plan import Part

TRIED = 6  # people that are made to see how long all will take
MOST_WORKERS = 8  # of hps prepare


@dataclass(frozen=True)
class Making:
    """People that are to be made: where, what is typed after `hps prepare`, how many are used."""

    shards: str
    words: tuple[str, ...]
    limit: int  # 0: all
    again: bool = False  # there are some, made for a smaller run

    def command(self) -> list[str]:
        """-> the whole command."""
        from hpscli.train.plan import without_place

        return [
            *without_place(self.words),
            *(["--limit", str(self.limit), "--partial"] if self.limit else []),
            *(["--force"] if self.again else []),
            *("--out", self.shards),
        ]

    @property
    def count(self) -> int:
        """-> how many people; 0: its plugin knows."""
        told = self.words[self.words.index("--count") + 1 :] if "--count" in self.words else ()
        whole = int(told[0]) if told else 0
        return min(self.limit, whole) if self.limit and whole else self.limit or whole


def to_make(recipe: "Recipe", parts: "list[Part]", fast: int) -> Iterator[Making]:
    """Recipe, its parts, people that a fast dev run takes (0: no such run) -> what is to be made."""
    from hpscli.recipe import Member, Validation
    from hpscli.train.plan import makeable, selection

    for part in parts:
        if part.name == "adversary" and recipe.adversary is not None and makeable(part):
            yield Making(part.shards, tuple(shlex.split(recipe.adversary.prepare)), 0)
            continue
        wanted: Member | Validation | None = recipe.data.mix.get(part.name)
        if part.name == "validation":
            wanted = selection(recipe)
        if wanted is None or not wanted.prepare:
            continue
        limit = wanted.limit or (fast if isinstance(wanted, Member) else 0)
        made = Making(part.shards, tuple(shlex.split(wanted.prepare)), limit)
        if makeable(part):
            yield made
        elif part.problem is None and _too_few(part.shards, made.words[0], limit):
            yield Making(part.shards, made.words, limit, again=True)


def make(wanted: Making, output: "Output") -> None:
    """Say what is made and how long it takes, and make it."""
    from hpscli.cli.app import load_command
    from hpscli.cli.output import said_by_caller

    why = "was made for a smaller run" if wanted.again else "is not there, but can be made"
    output.say("data", f"{wanted.shards} {why}: {_amount(wanted)}")
    output.say("$", f"hps prepare {shlex.join(wanted.command())}")
    with redirect_stdout(sys.stderr), said_by_caller():
        load_command("prepare").main(
            args=wanted.command(), prog_name="hps prepare", standalone_mode=False
        )


def _too_few(shards: str, dataset: str, limit: int) -> bool:
    """-> whether shards that are there were made with a limit below the one that is wanted now."""
    from hpscli.data.remote import is_remote
    from hpscli.data.shards import read_index
    from hpscli.registry import get_registry

    if is_remote(shards) or get_registry().dataset(dataset).needs_root:
        return False
    index = read_index(shards)
    told = index.made_by.get("limit")
    made = told if isinstance(told, int) else 0
    return index.dataset == dataset and 0 < made == index.samples and (not limit or limit > made)


def _amount(wanted: Making) -> str:
    """-> "8000 people, about 40 s"."""
    from hpscli.registry import get_registry

    count = wanted.count
    if get_registry().dataset(wanted.words[0]).poses:
        return "poses"
    if not count:
        return "people"
    seconds = count * seconds_each(wanted.words) / min(os.cpu_count() or 1, MOST_WORKERS)
    shown = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    return f"{count} people, about {shown}"


def seconds_each(words: tuple[str, ...]) -> float:
    """Words after `hps prepare` -> how long one person takes on one core, from a few that are made."""
    from hpscli.data.sources import Source, make_and_encode
    from hpscli.registry import get_registry

    spec = get_registry().dataset(words[0])
    if not spec.parallel:
        return 0.0
    options = dict(spec.options)
    for name in set(options) & {"size_px", "body"}:
        flag = f"--{name.removesuffix('_px')}"
        if flag in words:
            text = words[words.index(flag) + 1]
            options[name] = int(text) if isinstance(options[name], int) else text
    source = Source(spec=spec, root=Path(), split=spec.splits[0], options=options)
    _, one = source.open_parallel()
    make_and_encode(source, 0, partial(one, 0))  # loads the body
    start = time.perf_counter()
    for number in range(1, TRIED + 1):
        make_and_encode(source, number, partial(one, number))
    return (time.perf_counter() - start) / TRIED
