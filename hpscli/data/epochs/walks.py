"""The ways through one data set: every sample once, or any sample each time; in stretches of shards.

A big set is read in stretches of GROUP shards, in an order that changes with every pass; so a few
shards are open at a time, and the next ones can be fetched while these are read.
"""

from collections import OrderedDict
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpscli.data.epochs.rounds import BLOCK, CHANCE, WALK

KEPT = 2  # passes, groups and stretches of draws that are kept at hand: this one and its neighbour
GROUP = 32  # shards shuffled into each other


class Walk:
    """The passes through one member: shards shuffled, then samples within groups of shards.

    Groups are shuffled when a pick falls into them, so that a set of any size costs a few groups.
    """

    def __init__(self, shards: tuple[int, ...], seed: int, member: int) -> None:
        self.sizes = np.array(shards, np.int64)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.size = int(self.sizes.sum())
        self.seed = (seed, WALK, member)
        self.kind = np.int32 if self.size < 2**31 else np.int64
        self._passes: OrderedDict[int, Pass] = OrderedDict()
        self._groups: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def position(self, turn: int, place: int) -> int:
        """Pass and place in it -> position in the member's shards."""
        found = self.one_pass(turn)
        group = int(np.searchsorted(found.ends, place, side="right"))
        before = int(found.ends[group - 1]) if group else 0
        return int(self._group(turn, group)[place - before])

    def one_pass(self, turn: int) -> "Pass":
        """-> the order of the shards in one pass."""
        if turn not in self._passes:
            generator = np.random.default_rng((*self.seed, turn))
            sequence = generator.permutation(len(self.sizes))
            ends = np.cumsum(self.sizes[sequence])[GROUP - 1 :: GROUP]
            if len(ends) * GROUP < len(sequence):
                ends = np.append(ends, self.size)
            keep(self._passes, turn, Pass(sequence, ends, generator))
        return self._passes[turn]

    def _group(self, turn: int, group: int) -> np.ndarray:
        """-> the positions of a group of shards, shuffled."""
        known = (turn, group)
        if known not in self._groups:
            found = self.one_pass(turn)
            parts = [
                np.arange(self.starts[s], self.starts[s] + self.sizes[s], dtype=self.kind)
                for s in found.shards(group)
            ]
            together = np.concatenate(parts)
            # the first group goes on with the generator of the shards, as sets of one group always did
            generator = np.random.default_rng((*self.seed, turn, group))
            (deepcopy(found.generator) if group == 0 else generator).shuffle(together)
            keep(self._groups, known, together)
        return self._groups[known]


@dataclass(frozen=True)
class Pass:
    """The order of the shards in one pass, where each group of them ends, and the generator."""

    sequence: np.ndarray
    ends: np.ndarray
    generator: np.random.Generator

    def shards(self, group: int) -> np.ndarray:
        """-> the shards of a group."""
        return self.sequence[group * GROUP : (group + 1) * GROUP]


class Lottery:
    """`count` draws from one member, any sample each time, in one pass through its groups.

    How many fall into each group is drawn first: all together they are as independent as if each
    had the whole set before it, and only their order follows the shards.
    """

    def __init__(self, walk: Walk, turn: int, count: int, source: int) -> None:
        self.walk, self.turn = walk, turn
        self.seed = (walk.seed[0], CHANCE, source, turn)
        ends = walk.one_pass(turn).ends
        sizes = np.diff(ends, prepend=0)
        draws = np.random.default_rng(self.seed).multinomial(count, sizes / walk.size)
        self.group_sizes, self.ends = sizes, np.cumsum(draws)
        self._drawn: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def position(self, draw: int) -> int:
        """Draw 0 ... count - 1 -> position in the member's shards."""
        group = int(np.searchsorted(self.ends, draw, side="right"))
        part, place = divmod(draw - (int(self.ends[group - 1]) if group else 0), BLOCK)
        return int(self._part(group, part)[place])

    def _part(self, group: int, part: int) -> np.ndarray:
        """-> a stretch of draws from one group, as positions."""
        known = (group, part)
        if known not in self._drawn:
            generator = np.random.default_rng((*self.seed, group, part))
            within = generator.integers(0, self.group_sizes[group], BLOCK)
            shards = self.walk.one_pass(self.turn).shards(group)
            ends = np.cumsum(self.walk.sizes[shards])
            hit = np.searchsorted(ends, within, side="right")
            found = self.walk.starts[shards][hit] + within - (ends - self.walk.sizes[shards])[hit]
            keep(self._drawn, known, found)
        return self._drawn[known]


def keep(known: OrderedDict[Any, Any], name: Any, value: Any) -> None:
    """Add to what is at hand, and let go of the oldest."""
    known[name] = value
    while len(known) > KEPT:
        known.popitem(last=False)
