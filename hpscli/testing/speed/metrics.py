"""How fast a metric is beside a plain loop over people, on one core, with equal results."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hpscli.errors import InvalidData
from hpscli.hooks import SpeedSpec
from hpscli.registry import resolve

# What the libraries below NumPy and PyTorch ask for the number of threads when they are loaded.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
REPEATS = 3  # of ours, the fastest counts: a first call also loads and compiles


@dataclass(frozen=True, kw_only=True)
class MetricSpeed:
    """One row: seconds of the whole set; `plain_s` scaled up where only a part was measured."""

    name: str
    summary: str
    people: int
    measured: int  # people that the plain loop was given
    plain_s: float
    ours_s: float
    needed: float  # times
    worst: float  # relative difference of the results
    tolerance: float
    official: str = ""

    @property
    def ratio(self) -> float:
        """-> how many times faster than plain."""
        return self.plain_s / max(self.ours_s, 1e-9)

    @property
    def ok(self) -> bool:
        """-> fast enough, and equal."""
        return self.ratio >= self.needed and self.worst <= self.tolerance


def measure(specs: Sequence[SpeedSpec], least: float = 0.0) -> Iterator[MetricSpeed]:
    """Rows to measure -> what came out, one after the other; least: instead of each row's own."""
    for spec in specs:
        with one_core():
            yield measure_one(spec, least)


def measure_one(spec: SpeedSpec, least: float = 0.0) -> MetricSpeed:
    """One row: inputs are made in memory, then both run on them."""
    given = resolve(spec.make)()
    ours, plain = resolve(spec.ours), resolve(spec.plain)
    count = max(1, round(spec.people * spec.share))
    part = first_people(given, spec.people, count)
    seconds = min(timed(ours, given)[0] for _ in range(REPEATS))
    plain_s, expected = timed(plain, part)
    _, found = timed(ours, part)
    return MetricSpeed(
        name=spec.name,
        summary=spec.summary,
        people=spec.people,
        measured=count,
        plain_s=plain_s * spec.people / count,
        ours_s=seconds,
        needed=least or spec.at_least,
        worst=worst_difference(spec.name, found, expected),
        tolerance=spec.tolerance,
        official=spec.official,
    )


def first_people(given: Mapping[str, Any], people: int, count: int) -> dict[str, Any]:
    """Inputs of `people` -> those of the first `count`; what has another length stays whole."""
    return {
        name: value[:count] if hasattr(value, "__len__") and len(value) == people else value
        for name, value in given.items()
    }


def timed(
    function: Callable[[Mapping[str, Any]], Any], given: Mapping[str, Any]
) -> tuple[float, Mapping[str, Any]]:
    """-> seconds of computing, and what the function returned.

    Those of this process, not those that pass: beside other programs a pause lasts as long as it likes.
    """
    start = time.process_time()
    found = function(given)
    return time.process_time() - start, found


def worst_difference(name: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> float:
    """Two results of the same names -> their largest difference, relative to each array's largest."""
    import numpy as np

    if set(found) != set(expected):
        raise InvalidData(
            f"speed '{name}': the two results name {sorted(found)} and {sorted(expected)}."
        )
    worst = 0.0
    for key in expected:
        a, b = np.asarray(found[key], np.float64), np.asarray(expected[key], np.float64)
        if a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
            return float("inf")
        known = ~np.isnan(b)
        if known.any():
            largest = max(float(np.abs(b[known]).max()), 1e-12)
            worst = max(worst, float(np.abs(a[known] - b[known]).max()) / largest)
    return worst


@contextmanager
def one_core() -> Iterator[None]:
    """One thread for whatever is loaded from here on, and for PyTorch."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    from hpscli.nn.threads import one_thread

    try:
        with one_thread():
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
