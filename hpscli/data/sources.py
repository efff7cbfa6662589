"""Reading people out of a data set plugin, checked and encoded, on one or many processes, in order.

A source is a generator (`people` or `samples`), read by this process and encoded by the workers, or a
pair of count and function (`parallel`), where the workers also make the samples. A record that is bad comes out
as `Bad` with its position and reason; it never stops the others.
"""

import itertools
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hpscli.data.people import Layout, keyed, make_sample, recropped
from hpscli.data.sample import complaints, encode_record, image_kind
from hpscli.errors import HpsError, UsageError, did_you_mean
from hpscli.hooks import DatasetSpec
from hpscli.records import Person, Sample
from hpscli.registry import get_registry, resolve

CHUNK = 8  # people in one task of a worker
LONGEST_CHUNK = 256  # of one video, whose frames one worker decodes in order
STORED = (".jpg", ".jpeg", ".png", ".webp")  # names of pictures that shards hold as they are
AHEAD = 4  # tasks that wait for each worker
KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Encoded:
    """A sound person, ready for the tar."""

    position: int
    key: str
    extension: str
    image: bytes
    record: bytes
    names: tuple[str, ...]
    body_source: str


@dataclass(frozen=True)
class Bad:
    """A record that cannot be used, and why."""

    position: int
    key: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set plugin with everything that its functions need; small, so that it travels."""

    spec: DatasetSpec
    root: Path
    split: str
    options: Mapping[str, Any] = field(default_factory=dict)
    layout: Layout = Layout()
    decode: bool = False  # whole pictures too are decoded, to see whether they can be

    def open_parallel(self) -> tuple[int, Callable[[int], Sample]]:
        """-> how many people there are, and the function that makes one."""
        get_registry()  # development plugins (HPS_PLUGINS) become importable
        count, make = resolve(self.spec.parallel)(self.root, self.split, **self.options)
        return int(count), make

    def open_records(self) -> Iterator[Person | Sample | HpsError]:
        """-> people or samples; an error comes in place of a record that cannot be read."""
        get_registry()
        target = self.spec.people or self.spec.samples
        records = iter(resolve(target)(self.root, self.split, **self.options))
        return keyed(records) if self.spec.people else records

    def finish(self, record: Person | Sample) -> Sample:
        """-> the sample of a person, or a sample in the layout that is asked for."""
        if isinstance(record, Sample):
            return recropped(record, self.layout)
        meta = {"dataset": self.spec.name, "split": self.split, **record.meta}
        if self.options.get("reference"):
            meta["as_reference"] = self.options["reference"]
        return make_sample(self.root, replace(record, meta=meta), self.layout)


def checked_options(spec: DatasetSpec, words: Sequence[str]) -> dict[str, Any]:
    """`key=value` words -> all options of the data set, typed like their defaults."""
    options = dict(spec.options)
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"'{word}' is not key=value.", f"See: hps datasets show {spec.name}")
        if key not in options:
            raise UsageError(
                f"data set '{spec.name}' has no option '{key}'.",
                did_you_mean(key, options) or f"Its options: {', '.join(options) or 'none'}",
            )
        options[key] = _typed(spec, key, text)
    return options


def _typed(spec: DatasetSpec, key: str, text: str) -> Any:
    default = spec.options[key]
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if isinstance(default, int | float):
            return type(default)(text)
    except (KeyError, ValueError):
        kind = KINDS[type(default)]
        raise UsageError(
            f"option '{key}' of '{spec.name}' is {text!r}, expected {kind}.",
            f"For example: {key}={default}",
        ) from None
    return text


def encode(position: int, sample: Sample, *, decode: bool = True) -> Encoded | Bad:
    """A sample -> bytes for the tar, or what is wrong with it."""
    arrays = {name: _narrow(array) for name, array in sample.arrays.items()}
    sample = Sample(key=sample.key, image=sample.image, arrays=arrays, meta=sample.meta)
    wrong = complaints(sample, decode=decode)
    if wrong:
        return Bad(position, sample.key, "; ".join(wrong))
    return Encoded(
        position,
        sample.key,
        image_kind(sample.image),
        sample.image,
        encode_record(arrays, sample.meta),
        tuple(sorted(arrays)),
        str(sample.meta.get("body_source", "")),
    )


def _narrow(values: Any) -> np.ndarray:
    array: np.ndarray = np.asarray(values)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def make_and_encode(source: Source, position: int, make: Callable[[], Any]) -> Encoded | Bad:
    """The function that gives record number `position` -> encoded, or what is wrong with it."""
    key, record = "", None
    try:
        record = make()
        if isinstance(record, HpsError):
            raise record
        key = record.key
        sample = source.finish(record)
        # a person's picture was looked at when the sample was made
        decode = isinstance(record, Sample) or (source.decode and _is_another(sample.image))
        found = encode(position, sample, decode=decode)
    except HpsError as error:
        found = Bad(position, key, _anywhere(error.problem.rstrip("."), source.root))
    except Exception as error:  # a plugin that stumbles over one record must not lose the others
        found = Bad(position, key, _anywhere(f"{type(error).__name__}: {error}", source.root))
    if isinstance(found, Bad) and isinstance(record, Person):
        return _with_file(found, record.image)
    return found


def _anywhere(problem: str, root: Path) -> str:
    """-> the same without addresses and the folder of this machine: the index is the same everywhere."""
    return re.sub(r" at 0x[0-9a-f]+", "", problem.replace(f"{root}{os.sep}", ""))


def _with_file(bad: Bad, image: str) -> Bad:
    """-> the same, naming the picture if it does not yet."""
    if PurePosixPath(image).name in bad.problem:
        return bad
    return replace(bad, problem=f"{image}: {bad.problem}")


_decoded: list[bytes] = []  # the picture that was decoded last: people of one follow each other


def _is_another(image: bytes) -> bool:
    if _decoded and _decoded[0] is image:
        return False
    _decoded[:] = [image]
    return True


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
