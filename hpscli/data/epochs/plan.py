"""A training is one endless list of picks, and a pick is a pure function of (seed, its place).

The list is that of the whole job. A global batch takes the next picks of it; processes, micro batches
and workers take slices of that batch (data/streaming/stream.py). So a training is where it is by one number: how
many picks it has taken; and it goes on from there with any number of processes.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpscli.data.epochs.rounds import BLOCK, ORDER, Entry, Layout, make_layout
from hpscli.data.epochs.walks import Lottery, Walk, keep
from hpscli.errors import UsageError
from hpscli.recipe.schema import Member, Mixing


@dataclass(frozen=True)
class Pick:
    """Whom a place of the list means: which member, and the position in its shards."""

    member: int
    position: int


@dataclass(frozen=True)
class Plan:
    """The list of a training: place 0, 1, ... -> pick."""

    names: tuple[str, ...]
    shards: tuple[tuple[int, ...], ...]  # samples of each shard, by member
    layout: Layout
    seed: int

    def pick(self, place: int) -> Pick:
        """Place in the list of the job -> member and position."""
        number, within = divmod(place, self.layout.length)
        block, slot = divmod(within, BLOCK)
        order = self._blocks.order(number, block)
        index = int(order.sources[slot])
        draw = int(order.draws[slot])
        source = self.layout.sources[index]
        walk = self._walks[source.member]
        if source.reading == "once":
            turn, spot = divmod(number * self.layout.fixed[index] + draw, walk.size)
            return Pick(source.member, walk.position(turn, spot))
        if source.reading == "index":
            turn, spot = divmod(within, walk.size)
            turns = -(-self.layout.length // walk.size)
            return Pick(source.member, walk.position(number * turns + turn, spot))
        return Pick(source.member, self._lottery(index, number).position(draw))

    def shares(self) -> dict[str, float]:
        """-> the part of all picks that each member gets, in the long run."""
        return dict(zip(self.names, self.layout.shares(len(self.names)), strict=True))

    @cached_property
    def _walks(self) -> tuple[Walk, ...]:
        return tuple(Walk(shards, self.seed, n) for n, shards in enumerate(self.shards))

    @cached_property
    def _blocks(self) -> "_Blocks":
        return _Blocks(self.layout, self.seed)

    @cached_property
    def _lotteries(self) -> list[OrderedDict[int, Lottery]]:
        return [OrderedDict() for _ in self.layout.sources]

    def _lottery(self, index: int, number: int) -> Lottery:
        """-> the draws of a source that is read by chance, in one round."""
        known = self._lotteries[index]
        if number not in known:
            walk = self._walks[self.layout.sources[index].member]
            count = int(self._blocks.counts(number)[index])
            keep(known, number, Lottery(walk, number, count, index))
        return known[number]


def make_plan(
    members: Mapping[str, Member], shards: Mapping[str, tuple[int, ...]], mixing: Mixing, seed: int
) -> Plan:
    """Members and their shard sizes -> the list; members of weight 0 are left out."""
    entries = entries_of(members, {name: sum(sizes) for name, sizes in shards.items()})
    names = tuple(entry.name for entry in entries)
    return Plan(
        names=names,
        shards=tuple(shards[name] for name in names),
        layout=make_layout(mixing, entries),
        seed=seed,
    )


def entries_of(members: Mapping[str, Member], sizes: Mapping[str, int]) -> list[Entry]:
    """Members of a mix, people in their shards by name -> the members that are used, as mixing sees them."""
    used = {name: member for name, member in members.items() if member.weight > 0}
    if not used:
        raise UsageError("the training mix has no member with a weight above 0.", "See: data.mix")
    return [
        Entry(name, min(member.limit or sizes[name], sizes[name]), member.weight, member.side)
        for name, member in used.items()
    ]


@dataclass(frozen=True)
class _Order:
    """One block of a round: the source of each pick, and how-manieth pick of it in the round."""

    sources: np.ndarray
    draws: np.ndarray


class _Blocks:
    """The order of sources in every block of every round."""

    def __init__(self, layout: Layout, seed: int) -> None:
        self.layout, self.seed = layout, seed
        self._rounds: OrderedDict[int, np.ndarray] = OrderedDict()
        self._orders: OrderedDict[tuple[int, int], _Order] = OrderedDict()

    def counts(self, number: int) -> np.ndarray:
        """Round -> picks of each source (S,)."""
        return self._ends(number)[-1]  # type: ignore[no-any-return]

    def order(self, number: int, block: int) -> _Order:
        """Round, block in it -> its order."""
        known = (number, block)
        if known not in self._orders:
            ends = self._ends(number)
            quotas = ends[block + 1] - ends[block]
            sources = np.repeat(np.arange(len(quotas)), quotas)
            np.random.default_rng((self.seed, ORDER, block, number)).shuffle(sources)
            draws = np.empty(len(sources), np.int64)
            for source in range(len(quotas)):
                draws[sources == source] = np.arange(ends[block][source], ends[block + 1][source])
            keep(self._orders, known, _Order(sources, draws))
        return self._orders[known]

    def _ends(self, number: int) -> np.ndarray:
        """-> picks of each source before each block (blocks+1,S)."""
        if number not in self._rounds:
            dealt = self.layout.blocks(self.seed, number)
            keep(self._rounds, number, np.concatenate([np.zeros_like(dealt[:1]), dealt]).cumsum(0))
        return self._rounds[number]
