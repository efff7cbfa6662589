"""One training at a time in a run folder: two would write over each other's checkpoints.

The lock is on the run's recipe.toml, which nobody rewrites; the system lets go of it when its process
ends, however that happens. File systems without locks do without.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hpscli.errors import UsageError

if TYPE_CHECKING:
    from hpscli.train.scaling.processes import Processes
    from hpscli.train.telling.track import Say

PATIENCE_SECONDS = 100.0  # a server of files keeps the locks of a machine that died for 90
POLL_SECONDS = 0.5
NOTHING = -1  # held, where there is nothing to hold


@contextmanager
def claimed(processes: "Processes", say: "Say") -> Iterator[None]:
    """Within it no other training is in this run folder; one that is ending is waited for."""
    handle = _wait_for(processes.run, say) if processes.first else NOTHING
    try:
        if processes.gather(handle is None)[0]:
            raise in_use_error(processes.run)
        yield
    finally:
        if handle is not None and handle != NOTHING:
            os.close(handle)


def in_use(run: Path) -> bool:
    """-> whether a training is in this run folder now."""
    handle = _hold(run)
    if handle is not None and handle != NOTHING:
        os.close(handle)
    return handle is None


def in_use_error(run: Path) -> UsageError:
    """-> what is said of a run folder that another training is in."""
    return UsageError(
        f"another training is in {run}: it was started or continued a second time.",
        f"Look at it: tail -F {run}/log.txt     Wait for its end, or end it; then again.\n"
        "A machine that died may keep it locked: cd there, then: "
        "cp recipe.toml copy && mv copy recipe.toml",
    )


def _wait_for(run: Path, say: "Say") -> int | None:
    """-> a handle that holds the folder, None when another one keeps it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    handle = _hold(run)
    if handle is None:
        say("waiting", f"another training is in {run}; it may be ending")
    while handle is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        handle = _hold(run)
    return handle


def _hold(run: Path) -> int | None:
    """-> a handle that holds the folder, NOTHING where that cannot be, None when it is taken."""
    try:
        import fcntl
    except ImportError:  # Windows
        return NOTHING
    file = run / "recipe.toml"
    try:
        handle = os.open(file, os.O_RDWR if os.access(file, os.W_OK) else os.O_RDONLY)
    except OSError:
        return NOTHING
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:  # a file system without locks
        os.close(handle)
        return NOTHING
    return handle
