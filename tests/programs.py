"""Programs that tests start: none of their processes outlives the test, however that ends."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

START_SECONDS = 180.0  # for imports, on a machine that does other things
LIFE_SECONDS = 600.0  # of any program: one that hangs must not stop the tests for ever


@contextmanager
def program(words: Sequence[str], **options: Any) -> "Iterator[subprocess.Popen[str]]":
    """Start a program; options: of Popen. What is left of it at the end, and below it, is killed."""
    process = subprocess.Popen(words, text=True, **options)
    timer = threading.Timer(LIFE_SECONDS, _end, [process])
    timer.daemon = True
    timer.start()
    try:
        yield process
    finally:
        timer.cancel()
        _end(process)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill a program and all below it; some have sessions of their own."""
    if process.poll() is None:
        left = descendants(process.pid)
        process.kill()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def programs(
    words: Sequence[str], environments: Sequence[Mapping[str, str]], **options: Any
) -> "Iterator[list[subprocess.Popen[str]]]":
    """Start a program in each of these environments: the processes of a job."""
    with ExitStack() as stack:
        yield [stack.enter_context(program(words, env=one, **options)) for one in environments]


def wait_until(
    process: "subprocess.Popen[str]", done: Callable[[], object], poll_seconds: float = 0.02
) -> None:
    """Return when a program that runs has come so far; it must not end before."""
    end = time.monotonic() + START_SECONDS
    while not done():
        assert process.poll() is None, f"it ended with {process.returncode}"
        assert time.monotonic() < end, "it takes too long"
        time.sleep(poll_seconds)
    assert process.poll() is None, f"it ended with {process.returncode}"


def children(pid: int) -> list[int]:
    """-> the processes that this one started; none of one that is gone."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # a thread that has just ended
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def descendants(pid: int) -> list[int]:
    """-> all processes below this one."""
    return [one for child in children(pid) for one in (child, *descendants(child))]


def gone(pid: int) -> bool:
    """-> whether a process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
