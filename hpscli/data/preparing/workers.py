"""The people of a source, encoded on one or many processes, in order.

A generator (`people` or `samples`) is read by this process and encoded by the workers; of a pair of
count and function (`parallel`) the workers also make the samples.
"""

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context, parent_process
from typing import Any

from hpscli.data.sources import Bad, Encoded, Source, make_and_encode
from hpscli.errors import HpsError
from hpscli.records import Person, Sample

CHUNK = 8  # people in one task of a worker
LONGEST_CHUNK = 256  # of one video, whose frames one worker decodes in order
STORED = (".jpg", ".jpeg", ".png", ".webp")  # names of pictures that shards hold as they are
AHEAD = 4  # tasks that wait for each worker


def encoded(
    source: Source,
    first: int,
    stop: int | None,
    workers: int,
    skip: Callable[[int], bool] = lambda position: False,
) -> Iterator[Encoded | Bad]:
    """-> the people at positions first .. stop - 1 (None: to the end) that are not skipped, in order."""
    numbered: Iterator[tuple[int, Any]]
    if source.spec.parallel:
        count, make = source.open_parallel()
        positions = range(first, count if stop is None else min(stop, count))
        numbered = ((position, None) for position in positions)
    else:
        numbered = itertools.islice(enumerate(source.open_records()), first, stop)
    numbered = (item for item in numbered if not skip(item[0]))
    if workers <= 1 and source.spec.parallel:
        yield from (make_and_encode(source, i, partial(make, i)) for i, _ in numbered)
    elif workers <= 1:
        yield from (_encode_one(source, *item) for item in numbered)
    else:
        with _pool(source, workers) as pool:
            yield from _in_order(source, pool, _chunks(numbered), workers * AHEAD)


def _encode_one(source: Source, position: int, record: Any) -> Encoded | Bad:
    return make_and_encode(source, position, lambda: record)


def _chunks(numbered: Iterable[tuple[int, Any]]) -> Iterator[list[tuple[int, Any]]]:
    """-> tasks of a few records; people of one picture or one video stay together."""
    chunk: list[tuple[int, Any]] = []
    last = ""
    for position, record in numbered:
        place = _file_of(record)
        full = len(chunk) >= (LONGEST_CHUNK if place and place == last else CHUNK)
        if chunk and full:
            yield chunk
            chunk = []
        chunk.append((position, record))
        last = place
    if chunk:
        yield chunk


def _file_of(record: Any) -> str:
    """-> the picture or video that a person is in; "" where opening it again costs nothing."""
    if not isinstance(record, Person):
        return ""
    if record.picture is None:
        return record.image
    return "" if record.picture.offset >= 0 else record.picture.path


def _in_order(
    source: Source, pool: ProcessPoolExecutor, chunks: Iterator[Any], waiting: int
) -> Iterator[Encoded | Bad]:
    """Tasks are handed out ahead, results come back in the order of the source."""
    pending: deque[Callable[[], list[Encoded | Bad]]] = deque()
    try:
        for chunk in chunks:
            if _is_copied(source, chunk):
                pending.append(partial(_here_and_now, source, chunk))
            else:
                pending.append(pool.submit(_work, chunk).result)
            if len(pending) >= waiting:
                yield from pending.popleft()()
        while pending:
            yield from pending.popleft()()
    except BrokenProcessPool:
        raise HpsError(
            "a worker process died (out of memory?).",
            "Repeat the same command with fewer --workers: it goes on where it stopped.",
        ) from None


def _is_copied(source: Source, chunk: Sequence[tuple[int, Any]]) -> bool:
    """Whether pictures go into the tar as they are: sending them between processes costs more."""
    if source.layout.kind != "full" or source.decode:
        return False
    pictures = [record.picture for _, record in chunk if isinstance(record, Person)]
    as_they_are = all(p is None or (p.frame < 0 and not p.turns) for p in pictures)
    names = [record.image for _, record in chunk if isinstance(record, Person)]
    return as_they_are and bool(names) and all(name.lower().endswith(STORED) for name in names)


def _here_and_now(source: Source, chunk: Sequence[tuple[int, Any]]) -> list[Encoded | Bad]:
    return [_encode_one(source, *item) for item in chunk]


@contextmanager
def _pool(source: Source, workers: int) -> Iterator[ProcessPoolExecutor]:
    # spawn: no thread of this process (OpenCV, torch) is copied half-way
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (source,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_here: list[Source] = []  # in a worker: its source
_made_here: list[Callable[[int], Sample]] = []  # and the function of a parallel one


def _start_worker(source: Source) -> None:
    import signal

    import cv2

    # Ctrl-C, and a cluster's warning before it stops a job, are the parent's business
    for name in ("SIGINT", "SIGUSR1", "SIGUSR2"):
        if number := getattr(signal, name, None):
            signal.signal(number, signal.SIG_IGN)
    end_with_parent()
    cv2.setNumThreads(1)
    _here[:] = [source]
    if source.spec.parallel:
        _made_here[:] = [source.open_parallel()[1]]


def end_with_parent() -> None:
    """Watch the process that started this worker: killed, it cannot stop its workers, so they go."""
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _work(chunk: Sequence[Any]) -> list[Encoded | Bad]:
    if _made_here:
        return [make_and_encode(_here[0], i, partial(_made_here[0], i)) for i, _ in chunk]
    return [_encode_one(_here[0], *item) for item in chunk]
