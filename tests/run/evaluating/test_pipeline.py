"""What happens beside the network changes no bit, ends in order, and ends when something breaks."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from hpscli.errors import InvalidData
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.run.evaluating.pipeline import AHEAD, BEHIND, one_after_another, overlapped
from hpscli.run.evaluating.settings import Settings
from hpscli.run.evaluating.timing import timed_share
from tests.run.people import tiny_model, write_people


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def ours() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("hps-")]


@pytest.mark.parametrize("count", [1, 2])
def test_no_bit_differs_from_the_plain_loop(count: int, tmp_path: Path, threads: None) -> None:
    torch.set_num_threads(count)
    shards = write_people(tmp_path / "test", 23)
    model = tiny_model(tmp_path)
    protocol = get_registry().protocol("synthetic/test@smpl24-v1")
    beside, plain = (
        evaluate(model, shards, protocol, batch=5, overlap=overlap) for overlap in (True, False)
    )
    assert beside.keys == plain.keys and beside.metrics == plain.metrics
    for name, values in plain.errors.items():
        assert values.tobytes() == beside.errors[name].tobytes(), name
    assert torch.get_num_threads() == count


def test_everything_comes_once_and_in_order_by_several_readers() -> None:
    def read(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item

    found = overlapped(range(40), read, lambda item: -item, lambda item: item * 2, readers=4)
    assert list(found) == [-2 * item for item in range(40)]
    assert ours() == []


def test_what_waits_is_bounded() -> None:
    read: list[int] = []
    measured: list[int] = []
    most = 0

    def network(item: int) -> int:
        nonlocal most
        time.sleep(0.01)
        most = max(most, len(read) - len(measured))
        return item

    def measure(item: int) -> int:
        time.sleep(0.02)  # slower than the network: the network must wait
        measured.append(item)
        return item

    def note(item: int) -> int:
        read.append(item)
        return item

    list(overlapped(range(30), note, network, measure))
    assert most <= AHEAD + 1 + BEHIND + 1 + 1


@pytest.mark.parametrize("stage", ["read", "network", "measure"])
def test_an_error_of_any_stage_is_raised_here_and_no_thread_stays(stage: str) -> None:
    def breaks(name: str, item: int) -> int:
        if name == stage and item == 3:
            raise InvalidData("person 3 is broken.")
        return item

    done = []
    with pytest.raises(InvalidData, match="person 3"):
        for item in overlapped(
            range(1000),
            lambda item: breaks("read", item),
            lambda item: breaks("network", item),
            lambda item: breaks("measure", item),
        ):
            done.append(item)
    assert done == list(range(len(done))) and len(done) <= 3
    assert ours() == []


def test_an_interruption_in_the_network_ends_the_threads() -> None:
    def network(item: int) -> int:
        if item == 2:
            raise KeyboardInterrupt
        return item

    with pytest.raises(KeyboardInterrupt):
        list(overlapped(range(100), lambda item: item, network, lambda item: item))
    assert ours() == []


def test_who_stops_listening_ends_the_threads() -> None:
    found = overlapped(range(100), *[lambda item: item] * 3)
    assert next(found) == 0
    found.close()  # type: ignore[attr-defined]
    assert ours() == []


def test_the_plain_loop_says_the_same() -> None:
    stages = (lambda item: item + 1, lambda item: item * 3, lambda item: item - 2)
    assert list(one_after_another(range(9), *stages)) == list(overlapped(range(9), *stages))


def test_the_time_of_every_stage_is_told(tmp_path: Path) -> None:
    shards = write_people(tmp_path / "test", 12)
    protocol = get_registry().protocol("synthetic/test@smpl24-v1")
    found = timed_share(tiny_model(tmp_path), shards, protocol, Settings(batch=4))
    assert found.people == 12 and 0 < found.network <= found.steady <= found.wall
    assert found.share == pytest.approx(found.network / found.steady)
    assert found.reading > 0 and found.measuring > 0 and np.isfinite(found.people_per_second)
