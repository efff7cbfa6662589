"""Noticing that another process of the job is gone: killed, stopped, or on a machine that died.

Each process counts upwards in the store where all have met, and looks at the counts of the others. It
does so beside its work, so a long validation, a slow disk or a compilation are no silence. Without this
a process would wait for a lost one for as long as its group allows: half an hour.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from hpscli.errors import HpsError
from hpscli.run.processes import LOST as BROKEN
from hpscli.train.keeping.state import saved_step
from hpscli.train.scaling.launch import LOST
from hpscli.train.scaling.stopping import PARENT

GROUP_SECONDS = 1800.0  # for a process that lives and does not come: a first compilation takes long
BEAT_SECONDS = 2.0
SILENT_SECONDS = 30.0  # of one that has not been heard of
HURRY_SECONDS = 8.0  # the same, after a connection broke
LAST_WORDS_SECONDS = 20.0  # for ending, where libraries wait for the one that is lost
# Added to a count at the end, which no count of beats reaches.
LEFT, FAILED = 10**9, 2 * 10**9


@contextmanager
def watched(rank: int, world: int, run: Path) -> Iterator[None]:
    """Within it the loss of another process ends this one; one of them says in a line who it was."""
    if world == 1:
        yield
        return
    watch = Watch(rank, world, run)
    watch.start()
    mark = FAILED
    try:
        yield
        mark = LEFT
    except RuntimeError as error:
        if not any(word in str(error) for word in BROKEN):
            raise
        watch.blame()
    finally:
        watch.end(mark)


class Watch:
    """Two threads: one beats and listens, the other listens to the first, which a dead store stops."""

    def __init__(self, rank: int, world: int, run: Path) -> None:
        self.rank, self.world, self.run = rank, world, run
        self.patience = SILENT_SECONDS
        self.ended = threading.Event()
        self.found = threading.Event()
        self.waiting = False  # the main thread for `found`
        self.lost = -1
        self.failed = False  # the lost one has said itself why it ends
        self.speaks = True
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        self._keys = [f"hps/beat/{again}/{number}" for number in range(world)]

    def start(self) -> None:
        """Begin to beat; every process of the job does at about this time."""
        self._store = self._open()
        for key in self._keys:
            self._store.add(key, 0)  # so that asking for it never waits
        self.answered = time.monotonic()
        for work in (self._beat, self._guard):
            thread = threading.Thread(target=work, daemon=True, name="hps-heartbeat")
            thread.start()
            self._threads.append(thread)

    def end(self, mark: int) -> None:
        """Stop; the others learn from the mark that this silence means nothing."""
        self.ended.set()
        with suppress(RuntimeError):  # nobody is left to tell
            self._store.add(self._keys[self.rank], mark)
        for thread in self._threads:  # a Python that ends while one asks the store is torn down
            thread.join(BEAT_SECONDS)

    def blame(self) -> NoReturn:
        """A connection broke -> find out who is gone, and end."""
        if PARENT in os.environ:  # the launcher knows who died, and says it
            _end_soon(LOST)
            raise SystemExit(LOST)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's: there is little left to do
        self.waiting = True
        self.patience = HURRY_SECONDS
        self.found.wait(3 * HURRY_SECONDS)  # a pause of this process begins the silence anew
        _end_soon(HpsError.exit_code)
        if not self.speaks:
            raise SystemExit(HpsError.exit_code)
        raise self.error()

    def error(self) -> HpsError:
        """-> what is said about a loss."""
        name = f"process {self.lost} of {self.world}" if self.lost >= 0 else "a process"
        why = "it was killed, it hangs, or its machine is gone"
        said = f"{name} is lost: {why}." if not self.failed else f"{name} ended with an error."
        step = saved_step(self.run)
        if step < 0:
            return HpsError(
                said, f"Nothing was saved yet. Start again: hps train RECIPE --out {self.run}"
            )
        more = "Its own words say why. " if self.failed else ""
        return HpsError(
            said,
            f"{more}Everything up to step {step} is saved; start as many processes again with: "
            f"hps train --resume {self.run}",
        )

    def _open(self) -> Any:
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        patience = timedelta(seconds=SILENT_SECONDS)
        return TCPStore(*place, is_master=False, timeout=patience, wait_for_workers=False)

    def _beat(self) -> None:
        counts = [0] * self.world
        heard = [time.monotonic()] * self.world
        before = time.monotonic()
        while not self.ended.wait(BEAT_SECONDS):
            if (now := time.monotonic()) - before > self.patience / 2:  # we were stopped ourselves
                heard = [now] * self.world
            before = now
            try:
                self._store.add(self._keys[self.rank], 1)
                news = [int(text) for text in self._store.multi_get(self._keys)]
            except RuntimeError:  # the guard knows how long this has lasted
                continue
            self.answered = time.monotonic()
            for rank, count in enumerate(news):
                if count != counts[rank] or LEFT <= count < FAILED:
                    counts[rank], heard[rank] = count, now
            silences = [now - last for last in heard]
            gone = [rank for rank in range(self.world) if silences[rank] > self.patience]
            if gone and not self.ended.is_set():
                self._ends(gone, max(gone, key=lambda rank: silences[rank]), counts)

    def _guard(self) -> None:
        """The store is with process 0: when it answers nobody, that one is gone."""
        before = time.monotonic()
        while not self.ended.wait(BEAT_SECONDS):
            now = time.monotonic()
            if now - before > self.patience / 2:
                self.answered = now
            before = now
            if now - self.answered > self.patience:
                self._ends([0], 0, [0] * self.world)

    def _ends(self, gone: list[int], lost: int, counts: list[int]) -> None:
        """Tell the main thread if it waits to hear it, else end the process: it may hang."""
        with self._lock:
            if self.found.is_set():
                return
            self.lost, self.failed = lost, counts[lost] >= FAILED
            rest = [rank for rank in range(self.world) if rank not in gone]
            self.speaks = self.rank == min(rest, default=self.rank)
            self.found.set()
        if self.waiting:
            return
        if self.speaks:
            error = self.error()
            print(f"error  {error.problem}\n       {error.fix}", file=sys.stderr, flush=True)
        else:  # the one that speaks must not be stopped before it has
            time.sleep(2 * BEAT_SECONDS)
        os._exit(LOST if PARENT in os.environ else HpsError.exit_code)


def _end_soon(code: int) -> None:
    """End this process after a while, whatever waits."""
    timer = threading.Timer(LAST_WORDS_SECONDS, os._exit, [code])
    timer.daemon = True
    timer.start()
