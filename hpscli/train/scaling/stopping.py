"""Stopping in good order: on Ctrl-C, and on the signals by which Slurm says that time is up."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

PARENT = "HPS_LAUNCHER"  # process id of the launcher, for processes that it started
# Ctrl-C; scancel and preemption; --signal=USR1@120 of a job script; submitit's
SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)


class Stop:
    """Whether somebody asked this process to stop, and by which signals."""

    def __init__(self, outer: "Stop | None" = None) -> None:
        self.signals: set[int] = set()
        self._parent = int(os.environ.get(PARENT, "0"))
        self._outer = outer

    @property
    def requested(self) -> bool:
        """-> whether a signal came."""
        return bool(self.signals)

    def now(self) -> bool:
        """-> True after a signal, or when the launcher is gone: nobody would stop us later."""
        orphaned = self._parent != 0 and os.getppid() != self._parent
        return self.requested or orphaned or (self._outer is not None and self._outer.now())

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Take note of a signal; a second Ctrl-C will act at once."""
        self.hear([number])
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def hear(self, numbers: Iterable[int]) -> None:
        """Take note of signals, of other processes too; the one around this one hears them as well."""
        self.signals.update(numbers)
        if self._outer is not None:
            self._outer.hear(numbers)


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Within it a signal sets a flag; a second Ctrl-C acts at once.

    Where one is within another, both are told.
    """
    around = signal.getsignal(signal.SIGTERM)
    stop = Stop(around if isinstance(around, Stop) else None)
    previous: dict[int, Any] = {}
    try:
        for number in SIGNALS:
            previous[number] = signal.signal(number, stop)
    except ValueError:  # not the main thread: signals stay with whoever has them
        previous = {}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
