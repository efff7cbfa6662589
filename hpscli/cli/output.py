"""What commands print: the result on stdout (a table, or one JSON document), the story on stderr."""

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

from hpscli.errors import HpsError

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
CropOption = Annotated[
    str, typer.Option("--crop", help="official or fast; default: as the weights were trained.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print no story on stderr.")]

T = TypeVar("T")
INSIDE: ContextVar[bool] = ContextVar("a command runs inside another", default=False)
LOG_SECONDS = 30.0
LOG_SHARE = 0.05
PACE_SECONDS = 1.0  # a rate over less than this is noise
LEAST_ROOM = 40  # columns; a narrower terminal breaks lines itself


@contextmanager
def said_by_caller() -> Iterator[None]:
    """While a command runs inside another, only the outer one says what to type next."""
    token = INSIDE.set(True)
    try:
        yield
    finally:
        INSIDE.reset(token)


@dataclass(frozen=True)
class Output:
    """Where a command's words go. `Output(json=True)` keeps stdout for the document alone."""

    json: bool = False
    quiet: bool = False

    def say(self, label: str, text: object = "") -> None:
        """One aligned line of the story: `label     text`."""
        if not self.quiet:
            print(f"{label:<11} {text}".rstrip(), file=sys.stderr, flush=True)

    def next(self, command: str) -> None:
        """The command that most people type after this one; of a command inside another, nothing."""
        if not INSIDE.get():
            self.say("next", command)

    def result(self, schema: str, document: Mapping[str, Any], draw: Callable[[], None]) -> None:
        """Print the result: as JSON {"schema": "hps/<schema>/1", ...}, or drawn for people."""
        if self.json:
            print(json.dumps({"schema": f"hps/{schema}/1", **document}, default=_plain, indent=2))
        else:
            draw()

    @contextmanager
    def progress(self, label: str, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
        """Yield `advance(n)`: a bar on a terminal, else a line every 30 s or 5 %.

        `advance(0)` starts the clock of its rate anew: what came before was not made now.
        """
        if self.quiet:
            yield lambda n: None
        elif sys.stderr.isatty():
            with _bar(label, total, unit) as advance:
                yield advance
        else:
            yield _LogProgress(label, total, unit).advance

    def track(self, items: Iterable[T], label: str, total: int, unit: str = "") -> Iterator[T]:
        """Pass items on while showing progress."""
        with self.progress(label, total, unit) as advance:
            for item in items:
                yield item
                advance(1)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Draw rows on stdout; numbers to the right."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    rows = [list(row) for row in rows]
    drawn = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(drawn.columns):
        values = [row[index] for row in rows if row[index] not in (None, "")]
        if values and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
            column.justify = "right"
        column.overflow = "fold"  # a narrow terminal breaks words, and loses none
    drawn.columns[0].no_wrap = True  # a name to type again
    for row in rows:
        drawn.add_row(*[_cell(value) for value in row])
    screen = console()
    if title:  # not rich's own title, which is broken to the width of the columns
        screen.print(title)
    screen.print(drawn)


def pairs(rows: Iterable[tuple[str, object]]) -> None:
    """Draw `name  value` lines on stdout; a terminal gets long values in several lines, below each other."""
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    room = shutil.get_terminal_size().columns - width - 2 if sys.stdout.isatty() else 0
    for name, value in rows:
        lines = [_cell(value)]
        if room >= LEAST_ROOM:
            lines = textwrap.wrap(lines[0], room, break_long_words=False, break_on_hyphens=False)
        for number, line in enumerate(lines or [""]):
            print(f"{'' if number else name:<{width}}  {line}".rstrip())


def size_text(size_bytes: int) -> str:
    """-> "20.5 kB", "3.1 MB", "45.2 GB"."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes / 1e3:.1f} kB"


def console(stderr: bool = False) -> Any:
    """-> a rich console; as wide as needed when nobody watches, so that pipes get whole lines."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else 160, highlight=False, markup=False
    )


def show_error(error: HpsError) -> None:
    """`error  what happened` and, on the next line, what to type."""
    colour = sys.stderr.isatty()
    head = "\x1b[1;31merror\x1b[0m" if colour else "error"
    lines = error.problem.splitlines() + (error.fix.splitlines() if error.fix else [])
    for index, line in enumerate(lines):
        print(f"{head if index == 0 else '     '}  {line}", file=sys.stderr)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:z.2f}"  # z: what rounds to zero has no sign
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _plain(value: Any) -> Any:
    """JSON for what json does not know: paths, numpy scalars and arrays, tuples of records."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value)


@contextmanager
def _bar(label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(f"{label:<11}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    pace, done = _Pace(unit), 0
    with Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task(label, total=total or None, rate="")

        def advance(count: int) -> None:
            nonlocal done
            done += count
            bar.update(task, completed=done, rate=pace.after(done))

        yield advance


class _Pace:
    """Units a second since the first were done: start-up and what was done before do not count."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.start, self.before, self.done = 0.0, -1, -1

    def after(self, done: int) -> str:
        """-> "412 people/s", or nothing while that says little."""
        now = time.monotonic()
        if self.before < 0 or done == self.done:
            self.start, self.before = now, done
        self.done = done
        seconds = now - self.start
        if not self.unit or seconds < PACE_SECONDS:
            return ""
        return f"{(done - self.before) / seconds:.0f} {self.unit}/s"


class _LogProgress:
    """Progress for logs: one line every LOG_SECONDS or LOG_SHARE, whichever is later to annoy."""

    def __init__(self, label: str, total: int, unit: str) -> None:
        self.label, self.total, self.pace = label, total, _Pace(unit)
        self.last = time.monotonic()
        self.done = self.shown = 0

    def advance(self, count: int) -> None:
        self.done += count
        now, rate = time.monotonic(), self.pace.after(self.done)
        share = (self.done - self.shown) / self.total if self.total else LOG_SHARE
        due = share >= LOG_SHARE and now - self.last >= LOG_SECONDS / 6
        if not due and (not self.total or self.done < self.total):
            return
        count_of = f"{self.done}/{self.total}" if self.total else f"{self.done}"
        print(f"{self.label:<11} {count_of}  {rate}".rstrip(), file=sys.stderr, flush=True)
        self.last, self.shown = now, self.done
