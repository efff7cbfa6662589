"""Processes that are started together, and how they end."""

import threading
from pathlib import Path

import pytest

from hpscli.run.spawning import spawn_together

TORN_DOWN = "torn-down"


def with_a_thread(rank: int, world: int, job: str, folder: str) -> None:
    """One process, which has done its work while a thread of it goes on."""

    def outlive() -> None:
        threading.main_thread().join()
        (Path(folder) / TORN_DOWN).touch()

    threading.Thread(target=outlive).start()
    (Path(folder) / f"{rank}.{job}").touch()


@pytest.mark.slow
def test_processes_leave_without_tearing_python_down_around_their_threads(tmp_path: Path) -> None:
    spawn_together(with_a_thread, 2, "done", "cpu", tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"0.done", "1.done"}
