"""How the workers of a training start, and that they let pass what is meant for the training.

Slurm sends its warnings to every process of a job. The training saves and ends on them; a worker that died
of one before would take the step away from it that is being done.
"""

import multiprocessing
import signal
import threading
from collections.abc import Sequence
from typing import Any

FOR_THE_TRAINING = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)


def worker_context(preload: Sequence[str]) -> Any:
    """Modules that workers need -> how they start: forked from a clean server, which has imported them.

    Forking this process itself would copy locks that threads of OpenCV, torch or fsspec hold, and
    a worker that waits for such a lock hangs for ever.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    _start_servers()
    return context


def _start_servers() -> None:
    """Start the server, and the process that tidies up, with signals ignored: its workers inherit that."""
    from multiprocessing.forkserver import ensure_running

    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may say what signals do; the server starts with the first worker
    before = {number: signal.signal(number, signal.SIG_IGN) for number in FOR_THE_TRAINING}
    try:
        ensure_running()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
