"""Three things at once: the next people are read, the network works, those before are measured."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import torch

from hpscli.nn.threads import one_thread

Item = TypeVar("Item")
Ready = TypeVar("Ready")
Answer = TypeVar("Answer")
Done = TypeVar("Done")

AHEAD = 2  # batches that are read before they are needed, of each reader
BEHIND = 2  # batches whose answers wait to be measured


@dataclass
class Clock:
    """When each stage worked: (start, end) in seconds of time.perf_counter, batch after batch."""

    reading: list[tuple[float, float]] = field(default_factory=list)
    network: list[tuple[float, float]] = field(default_factory=list)
    measuring: list[tuple[float, float]] = field(default_factory=list)


def overlapped(
    items: Iterable[Item],
    read: Callable[[Item], Ready],
    network: Callable[[Ready], Answer],
    measure: Callable[[Answer], Done],
    *,
    readers: int = 1,
) -> Generator[Done, None, None]:
    """-> measure(network(read(item))) of every item, in order.

    `network` runs here; `read` in `readers` threads and `measure` in one, each with one thread of
    torch, so that they take no core from the network that it could use. What waits is bounded.
    An error of any of them is raised here, and what had not begun never begins.
    """
    threads = torch.get_num_threads()
    before = ThreadPoolExecutor(readers, "hps-read", initializer=_one_thread)
    after = ThreadPoolExecutor(1, "hps-measure", initializer=_one_thread)
    waiting: deque[Future[Ready]] = deque()
    done: deque[Future[Done]] = deque()
    try:
        rest = iter(items)
        waiting.extend(before.submit(read, item) for item in islice(rest, AHEAD * readers))
        while waiting:
            ready = waiting.popleft().result()
            waiting.extend(before.submit(read, item) for item in islice(rest, 1))
            done.append(after.submit(measure, network(ready)))
            while len(done) > BEHIND or (done and done[0].done()):
                yield done.popleft().result()
        while done:
            yield done.popleft().result()
    finally:
        before.shutdown(wait=True, cancel_futures=True)
        after.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(threads)  # new threads get what was said last, wherever


def one_after_another(
    items: Iterable[Item],
    read: Callable[[Item], Ready],
    network: Callable[[Ready], Answer],
    measure: Callable[[Answer], Done],
) -> Generator[Done, None, None]:
    """-> the same as `overlapped`, by the plain loop."""
    for item in items:
        with one_thread():  # as beside the network
            ready = read(item)
        answer = network(ready)
        with one_thread():
            done = measure(answer)
        yield done


def timed(
    function: Callable[[Item], Done], spans: list[tuple[float, float]]
) -> Callable[[Item], Done]:
    """-> the function, which notes when it ran."""

    def run(item: Item) -> Done:
        start = time.perf_counter()
        try:
            return function(item)
        finally:
            spans.append((start, time.perf_counter()))

    return run


def _one_thread() -> None:
    torch.set_num_threads(1)
