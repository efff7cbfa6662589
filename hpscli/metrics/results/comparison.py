"""Two results, person by person: the difference in each figure and how far chance could move it.

The interval is the 95 % percentile interval of a paired bootstrap. Frames of one video resemble
each other, so whole videos are drawn, not frames, where the results tell which person is of which.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpscli.errors import UsageError
from hpscli.metrics.results import Result

RESAMPLES = 2000  # draws; the ends of the interval move by about 1 % of its width
CHUNK = 4_000_000  # units drawn at once, about 32 MB
FRAMES = 5  # people that a video must have on average, or its frames were not read out of the keys
FEW = 20  # videos; with fewer, a percentile interval covers less than it says
KEY_NUMBERS = re.compile(r"[-_]?\d+(?:[-_]\d+)?$")  # "..._00042" or "..._00042-1" ends a key
NEAR = 1e-6  # relative: a figure that differs more from the mean over people is no such mean

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """B minus A in one figure over the people both have, with its 95 % interval.

    `low` and `high` are None for figures that no person has a share in: there is nothing to draw.
    """

    metric: str
    label: str
    unit: str
    first: float  # mean of the people's shares; without shares the figure itself
    second: float
    difference: float
    low: float | None
    high: float | None
    samples: int
    smaller_is_better: bool = True
    remark: str = ""

    @property
    def significant(self) -> bool:
        """True when zero lies outside the interval."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    @property
    def verdict(self) -> str:
        """-> B is better | B is worse | no difference shown."""
        if not self.significant:
            return "no difference shown" if self.low is not None else "no interval"
        return "B is better" if (self.difference < 0) == self.smaller_is_better else "B is worse"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Second against first: over whom, and drawn by what."""

    differences: tuple[Difference, ...]
    common: int
    only_first: int
    only_second: int
    blocks: int = 0  # videos that were drawn; 0: people were
    blocks_from: str = ""  # where the videos are known from
    first_places: Numbers  # of the common people in each result
    second_places: Numbers

    @property
    def says(self) -> str:
        """-> in a sentence how the interval was made."""
        drawn = (
            f"{self.blocks} videos drawn whole ({self.blocks_from})"
            if self.blocks
            else f"{self.common} people drawn one by one: no videos are known"
        )
        if 0 < self.blocks < FEW:
            drawn += "; so few videos give too narrow an interval"
        left = [
            f"{count} only in {side}"
            for count, side in ((self.only_first, "A"), (self.only_second, "B"))
            if count
        ]
        people = f"{self.common} people in common" + (f" ({', '.join(left)})" if left else "")
        return f"{people}; paired bootstrap, {RESAMPLES} draws, {drawn}"


def told_apart(results: Sequence[Result]) -> list[str]:
    """Results -> of each the settings in which they differ, in words: "tta flip", "tta none"."""
    names = dict.fromkeys(name for one in results for name in one.settings if name != "batch")
    unlike = [n for n in names if len({str(one.settings.get(n) or "none") for one in results}) > 1]
    return [
        ", ".join(f"{name} {one.settings.get(name) or 'none'}" for name in unlike)
        for one in results
    ]


def compare(first: Result, second: Result, *, resamples: int = RESAMPLES) -> Comparison:
    """Two results -> second minus first in each shared figure, over the people that both measured."""
    _comparable(first, second)
    left, right = _common(first.keys, second.keys)
    videos, known_from = videos_of(first)
    labels = [videos[place] for place in left] if videos else []
    blocks = np.unique(np.array(labels), return_inverse=True)[1] if labels else None
    if blocks is not None and blocks.max() == 0:
        blocks = None
    names = [n for n in first.metrics if _shared(n, first) and _shared(n, second)]
    pairs = {n: (first.errors[n][left], second.errors[n][right]) for n in names}
    intervals = bootstrap_intervals({n: b - a for n, (a, b) in pairs.items()}, blocks, resamples)
    found = [
        _difference(name, first, second, pairs.get(name), intervals.get(name))
        for name in first.metrics
        if name in second.metrics
    ]
    return Comparison(
        differences=tuple(found),
        common=len(left),
        only_first=len(first.keys) - len(left),
        only_second=len(second.keys) - len(left),
        blocks=0 if blocks is None else int(blocks.max()) + 1,
        blocks_from="" if blocks is None else known_from,
        first_places=left,
        second_places=right,
    )


def _difference(
    name: str,
    first: Result,
    second: Result,
    pair: tuple[Array, Array] | None,
    interval: tuple[float, float] | None,
) -> Difference:
    """One figure of both -> their difference; from the people's shares where there are any."""
    metric, other = first.metrics[name], second.metrics[name]
    a, b, samples = metric.value, other.value, 0
    remark = "no shares of single people are kept"
    if pair is not None and interval is not None:
        both = ~np.isnan(pair[0]) & ~np.isnan(pair[1])
        a, b = (float(side[both].mean()) for side in pair)
        samples, remark = int(both.sum()), ""
        whole = samples == metric.n == other.n
        if whole and not np.allclose((a, b), (metric.value, other.value), rtol=NEAR):
            remark = f"mean over people; the figures are {metric.value:.2f}, {other.value:.2f}"
    return Difference(
        metric=name,
        label=metric.label or name,
        unit=metric.unit,
        first=a,
        second=b,
        difference=b - a,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        samples=samples,
        smaller_is_better=metric.smaller_is_better,
        remark=remark,
    )


def videos_of(result: Result) -> tuple[tuple[str, ...], str]:
    """-> the video of each person and where it is known from; () when there are no videos."""
    count = len(result.keys)
    if len(result.sequences) == count and any(result.sequences):
        return result.sequences, "by the labels"
    guessed = tuple(KEY_NUMBERS.sub("", key) for key in result.keys)
    videos = len(set(guessed))
    if 1 < videos <= count / FRAMES:
        return guessed, "by what the keys have before the number of the frame"
    return (), ""


def bootstrap_intervals(
    values: Mapping[str, Array], blocks: Numbers | None = None, resamples: int = RESAMPLES
) -> dict[str, tuple[float, float]]:
    """{name: (N,), NaN unknown}, (N,) number of each one's block -> {name: 95 % interval of the mean}.

    The same draws serve all names, and the same call gives the same intervals.
    """
    known = {n: ~np.isnan(v) for n, v in values.items()}
    names = [name for name in values if known[name].any()]
    if not names:
        return {}
    sums = np.stack([np.where(known[n], values[n], 0.0) for n in names], axis=1)
    counts = np.stack([known[n].astype(np.float64) for n in names], axis=1)
    if blocks is not None:
        sums, counts = _by_block(sums, blocks), _by_block(counts, blocks)
    means = _drawn_means(sums, counts, resamples)
    ends = np.nanpercentile(means, [2.5, 97.5], axis=0)
    return {name: (float(ends[0, i]), float(ends[1, i])) for i, name in enumerate(names)}


def _by_block(rows: Array, blocks: Numbers) -> Array:
    """(N,M), (N,) -> (blocks,M), sums."""
    total = np.zeros((int(blocks.max()) + 1, rows.shape[1]))
    np.add.at(total, blocks, rows)
    return total


def _drawn_means(sums: Array, counts: Array, resamples: int) -> Array:
    """(N,M) sums and counts of the units that are drawn -> (resamples,M) means."""
    random, units = np.random.default_rng(0), len(sums)
    both = np.concatenate([sums, counts], axis=1)
    rows = max(1, CHUNK // units)
    means = []
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = random.integers(0, units, size=(size, units), dtype=np.int32)
        times = np.stack([np.bincount(row, minlength=units) for row in drawn])
        total = times.astype(np.float64) @ both
        with np.errstate(invalid="ignore", divide="ignore"):
            means.append(total[:, : sums.shape[1]] / total[:, sums.shape[1] :])
    return np.concatenate(means)


def _shared(name: str, result: Result) -> bool:
    """-> whether each person of the list has a share in this figure."""
    return name in result.errors and len(result.errors[name]) == len(result.keys)


def _common(first: Sequence[str], second: Sequence[str]) -> tuple[Numbers, Numbers]:
    """-> places of the common people in both, in the order of the first."""
    places = {key: index for index, key in enumerate(second)}
    pairs = [(i, places[key]) for i, key in enumerate(first) if key in places]
    if not pairs:
        raise UsageError("the two results have no person in common.")
    left, right = np.array(pairs, np.int64).T
    return left, right


def _comparable(first: Result, second: Result) -> None:
    """Raise where a difference would mean nothing."""
    for what, a, b in (
        ("protocol", first.protocol["name"], second.protocol["name"]),
        ("body source", first.body.get("source"), second.body.get("source")),
        ("body", first.body.get("kind"), second.body.get("kind")),
    ):
        if a != b:
            raise UsageError(
                f"these results cannot be compared: {what} '{a}' and {what} '{b}'.",
                "Evaluate both checkpoints with the same protocol and the same body files.",
            )
