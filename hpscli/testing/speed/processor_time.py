"""Seconds of processor of a program and all that it starts, orphans included.

The system tells a parent only of children that it waited for; data workers are nobody's when they end.
"""

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

PROC = Path("/proc")
EVERY_S = 0.5  # what a process does after the last look is lost


class ProcessorTime:
    """While it is open, looks at a process and its descendants: `seconds` is what they took."""

    def __init__(self, pid: int) -> None:
        self._known = {pid}
        self._ticks: dict[int, int] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def seconds(self) -> float | None:
        """-> user and system time of all; None where there is no /proc."""
        if not self._ticks:
            return None
        return sum(self._ticks.values()) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> Self:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        found = dict(filter(None, map(_read, PROC.glob("[0-9]*/stat"))))
        new = self._known
        while new:  # children of children may stand before their parents
            new = {p for p, (parent, _) in found.items() if parent in self._known} - self._known
            self._known |= new
        self._ticks |= {pid: found[pid][1] for pid in self._known if pid in found}


def _read(file: Path) -> tuple[int, tuple[int, int]] | None:
    """/proc/PID/stat -> process, (its parent, ticks of user and system); None when it is over."""
    try:
        text = file.read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # a name in brackets may hold anything
    return int(file.parent.name), (int(fields[1]), int(fields[11]) + int(fields[12]))
