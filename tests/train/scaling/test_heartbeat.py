"""Processes that listen to each other: who is silent is named, who has left in order is not."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from hpscli.errors import HpsError
from hpscli.train.keeping import state
from hpscli.train.scaling import heartbeat
from hpscli.train.scaling.heartbeat import FAILED, LEFT, Watch
from hpscli.train.scaling.stopping import PARENT
from tests.nn.test_checkpoints import info

WAIT_SECONDS = 20.0


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[TCPStore]:
    """Where processes meet; hearts beat fast."""
    server = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(server.port))
    monkeypatch.delenv(PARENT, raising=False)
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr(heartbeat, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(heartbeat, "HURRY_SECONDS", 2.0)
    yield server


@pytest.fixture
def watches(store: TCPStore, tmp_path: Path) -> Iterator[list[Watch]]:
    """Three processes of a job; what they find is kept, and ends nobody."""
    made = [Watch(rank, 3, tmp_path) for rank in range(3)]
    for watch in made:
        watch.waiting = True
        watch.start()
    yield made
    for watch in made:
        watch.ended.set()


def test_who_falls_silent_is_named_and_one_of_the_others_says_it(watches: list[Watch]) -> None:
    watches[1].ended.set()  # beats no more, and leaves no mark: as one that was killed
    for watch in (watches[0], watches[2]):
        assert watch.found.wait(WAIT_SECONDS)
        assert (watch.lost, watch.failed) == (1, False)
    assert (watches[0].speaks, watches[2].speaks) == (True, False)
    assert "process 1 of 3 is lost" in watches[0].error().problem


def test_who_has_left_in_order_is_not_missed(watches: list[Watch]) -> None:
    watches[1].end(LEFT)
    assert not watches[0].found.wait(4.0)


def test_who_ended_with_an_error_is_named_as_that(watches: list[Watch]) -> None:
    watches[2].end(FAILED)
    assert watches[0].found.wait(WAIT_SECONDS)
    assert watches[0].error().problem == "process 2 of 3 ended with an error."


class Gone:
    """A store whose process ends while a beat is under way: the answer fails, and late."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def add(self, key: str, amount: int) -> int:
        if amount == LEFT:
            raise RuntimeError("Broken pipe")
        return 1

    def multi_get(self, keys: list[str]) -> list[bytes]:
        self.asked.set()
        time.sleep(0.5)
        raise RuntimeError("Broken pipe")


def test_who_leaves_after_process_0_waits_for_its_own_threads(
    store: TCPStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(1, 2, tmp_path)
    watch.waiting = True
    watch.start()
    watch._store = gone = Gone()
    assert gone.asked.wait(WAIT_SECONDS)
    monkeypatch.setattr(heartbeat, "BEAT_SECONDS", 5.0)  # of patience with them
    watch.end(LEFT)
    assert not any(thread.is_alive() for thread in watch._threads)


def test_a_store_that_does_not_answer_means_that_process_0_is_lost(
    store: TCPStore, tmp_path: Path
) -> None:
    watch = Watch(1, 2, tmp_path)
    watch.waiting = True
    watch.start()
    watch._store = Deaf()
    assert watch.found.wait(WAIT_SECONDS)
    assert (watch.lost, watch.speaks) == (0, True)


class Deaf:
    """A store on a machine that was stopped: what asks it waits."""

    def add(self, key: str, number: int) -> int:
        threading.Event().wait(WAIT_SECONDS)
        raise RuntimeError("timed out")


def test_the_line_says_what_is_saved_and_how_to_go_on(tmp_path: Path) -> None:
    watch = Watch(0, 2, tmp_path)
    watch.lost = 1
    assert "Nothing was saved yet" in watch.error().fix
    state.save(tmp_path, {"a": torch.ones(1)}, info(step=7), {"step": 7}, best=False, keep=1)
    assert "up to step 7 is saved" in watch.error().fix
    assert f"hps train --resume {tmp_path}" in watch.error().fix


def test_a_broken_connection_ends_in_the_name_of_who_is_gone(
    store: TCPStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[int] = []
    monkeypatch.setattr(heartbeat, "_end_soon", ends.append)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    with (
        pytest.raises(HpsError, match="process 1 of 2 is lost"),
        heartbeat.watched(0, 2, tmp_path),
    ):
        raise RuntimeError("[gloo/pair.cc:553] Connection closed by peer [127.0.0.1]:5")
    assert ends == [1]


def test_an_error_of_our_own_passes(store: TCPStore, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shape"), heartbeat.watched(0, 2, tmp_path):
        raise RuntimeError("a shape does not fit")


def test_one_process_alone_needs_no_store(tmp_path: Path) -> None:
    assert "MASTER_PORT" not in os.environ
    with heartbeat.watched(0, 1, tmp_path):
        pass
