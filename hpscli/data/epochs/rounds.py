"""How each published training puts its data sets together: what one round of the list holds.

The list of a training is endless and made of rounds. A round takes so many picks from each of some
sources; a source is a data set, read in one of three ways. Where a pick comes in its round, and whom
it means, is in plan.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hpscli.errors import UsageError
from hpscli.recipe.schema import Mixing

BLOCK = 10_000  # weights are exact to a ten-thousandth; picks are put in order in such blocks
# What random numbers are for; augmentation has 3 (generators.py).
ORDER, WALK, COUNTS, CHANCE = 1, 2, 4, 5


@dataclass(frozen=True)
class Entry:
    """A member of the mix, as mixing sees it."""

    name: str
    samples: int
    weight: float = 1.0
    side: str = ""


Reading = Literal["once", "chance", "index"]


@dataclass(frozen=True)
class Source:
    """A data set and how it is read.

    once: every sample before any comes again; chance: any sample each time; index: by the place in
    the round, modulo the number of samples.
    """

    member: int
    reading: Reading


@dataclass(frozen=True)
class Drawn:
    """Picks of a round whose source is drawn: how many, from which sources, the chance of each."""

    count: int
    sources: tuple[int, ...]
    chances: tuple[float, ...]


@dataclass(frozen=True)
class Layout:
    """What every round of a mixing is made of."""

    length: int
    sources: tuple[Source, ...]
    fixed: tuple[int, ...]  # picks that each source always has
    drawn: tuple[Drawn, ...] = ()

    def counts(self, seed: int, number: int) -> np.ndarray:
        """Round -> picks of each source (S,)."""
        found = np.array(self.fixed, np.int64)
        generator = np.random.default_rng((seed, COUNTS, number))
        for one in self.drawn:
            found[list(one.sources)] += generator.multinomial(one.count, one.chances)
        return found

    def blocks(self, seed: int, number: int) -> np.ndarray:
        """Round -> picks of each source in each block (blocks,S): dealt out without replacement."""
        left = self.counts(seed, number)
        full = -(-self.length // BLOCK) - 1
        if full == 0:
            return left[None]
        generator = np.random.default_rng((seed, COUNTS, number, 1))
        dealt = np.empty((full + 1, len(left)), np.int64)
        for block in range(full):
            dealt[block] = generator.multivariate_hypergeometric(left, BLOCK, method="marginals")
            left = left - dealt[block]
        dealt[full] = left
        return dealt

    def shares(self, members: int) -> list[float]:
        """-> the part of all picks that each member gets, in the long run."""
        expected = np.array(self.fixed, float)
        for one in self.drawn:
            expected[list(one.sources)] += one.count * np.array(one.chances)
        found = np.zeros(members)
        np.add.at(found, [source.member for source in self.sources], expected)
        return [float(share) for share in found / self.length]


def epoch_length(mixing: Mixing, entries: Sequence[Entry]) -> int:
    """-> samples of an epoch where the recipe does not say: as the authors of that mixing had it."""
    if mixing == "concatenation":
        return sum(entry.samples for entry in entries)
    if mixing == "balanced":
        sides = side_sizes(entries)
        return len(sides) * max(sides.values())
    return max(entry.samples for entry in entries)


def make_layout(mixing: Mixing, entries: Sequence[Entry]) -> Layout:
    """Members (weights above 0) -> what every round is made of."""
    members = range(len(entries))
    weights = [entry.weight for entry in entries]
    length = epoch_length(mixing, entries)
    if mixing == "weighted":
        return Layout(BLOCK, tuple(Source(m, "once") for m in members), quotas(weights))
    if mixing == "concatenation":
        sizes = tuple(entry.samples for entry in entries)
        return Layout(length, tuple(Source(m, "once") for m in members), sizes)
    if mixing == "balanced":
        return _balanced(entries, length)
    reading: Reading = "chance" if mixing == "independent" else "index"
    return Layout(
        length,
        tuple(Source(m, reading) for m in members),
        (0,) * len(entries),
        (Drawn(length, tuple(members), _normalised(weights)),),
    )


def _balanced(entries: Sequence[Entry], length: int) -> Layout:
    """Each side as long as the longest: whole repeats, and the rest by chance."""
    sides = side_sizes(entries)
    longest = max(sides.values())
    count = len(entries)
    whole = tuple(longest // sides[e.side] * e.samples for e in entries)
    drawn = []
    for side, size in sides.items():
        own = [m for m, entry in enumerate(entries) if entry.side == side]
        chances = _normalised([entries[m].samples for m in own])
        drawn.append(Drawn(longest % size, tuple(count + m for m in own), chances))
    return Layout(
        length,
        tuple(Source(m, "once") for m in range(count))
        + tuple(Source(m, "chance") for m in range(count)),
        whole + (0,) * count,
        tuple(one for one in drawn if one.count),
    )


def side_sizes(entries: Sequence[Entry]) -> dict[str, int]:
    """-> samples of each side."""
    sizes: dict[str, int] = {}
    for entry in entries:
        if not entry.side:
            raise UsageError(
                f'data.mixing = "balanced", but data.mix.{entry.name} is on no side.',
                f'For example: data.mix.{entry.name}.side="3d"',
            )
        sizes[entry.side] = sizes.get(entry.side, 0) + entry.samples
    return sizes


def _normalised(weights: Sequence[float]) -> tuple[float, ...]:
    total = sum(weights)
    return tuple(weight / total for weight in weights)


def quotas(weights: Sequence[float]) -> tuple[int, ...]:
    """Weights -> whole picks a block that add up to BLOCK, by largest remainder, none below 1."""
    exact = np.array(weights) / sum(weights) * BLOCK
    found = np.maximum(np.floor(exact).astype(int), 1)
    by_remainder = np.argsort(-(exact - np.floor(exact)), kind="stable")
    for index in by_remainder[: max(BLOCK - int(found.sum()), 0)]:
        found[index] += 1
    found[int(np.argmax(found))] -= int(found.sum()) - BLOCK
    return tuple(int(quota) for quota in found)
