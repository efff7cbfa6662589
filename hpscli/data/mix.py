"""Which sample comes at which place of a weighted mix: arithmetic, so that any place is found at once.

Time is cut into blocks of BLOCK draws. In each block every member gets the same quota (its share of
the weights, rounded), in an order shuffled anew; so draw number d of a member is known without
counting. Draw d of a member, over all ranks together, walks through a permutation of the member that
changes with every pass: each sample comes once before any comes twice.
"""

from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from hpscli.errors import UsageError

BLOCK = 10_000  # weights are exact to a ten-thousandth
KEPT_TURNS = 2  # passes, and groups of shards below, whose order is kept at hand
KEPT_GROUPS = 4
GROUP = 32  # shards shuffled into each other; a big set is read in stretches of so many shards


@dataclass(frozen=True)
class Pick:
    """One draw: which member, its how-manieth draw on this rank."""

    member: int
    draw: int


@dataclass(frozen=True)
class MixPlan:
    """A pure function of (seed, rank, world, place)."""

    names: tuple[str, ...]
    quotas: tuple[int, ...]  # draws a block, by member
    shards: tuple[tuple[int, ...], ...]  # samples of each shard, by member
    seed: int
    rank: int
    world: int

    def pick(self, place: int) -> Pick:
        """Place on this rank (0, 1, ...) -> member and draw."""
        block, within = divmod(place, BLOCK)
        members, before = _block(self.quotas, self.seed, self.rank, block)
        member = int(members[within])
        return Pick(member, block * self.quotas[member] + int(before[within]))

    def sample(self, pick: Pick) -> tuple[int, int]:
        """-> position in the member's shards, and the pass (0, 1, ...) that it belongs to."""
        walk = self._walks[pick.member]
        turn, place = divmod(pick.draw * self.world + self.rank, walk.size)
        return walk.position(turn, place), turn

    @cached_property
    def _walks(self) -> tuple["_Walk", ...]:
        return tuple(_Walk(shards, self.seed, n) for n, shards in enumerate(self.shards))


def make_plan(
    weights: Mapping[str, float],
    shards: Mapping[str, tuple[int, ...]],
    *,
    seed: int,
    rank: int = 0,
    world: int = 1,
) -> MixPlan:
    """Weights and shard sizes by member -> the plan; members of weight 0 are left out."""
    names = tuple(name for name, weight in weights.items() if weight > 0)
    if not names:
        raise UsageError("the training mix has no member with a weight above 0.", "See: data.mix")
    return MixPlan(
        names=names,
        quotas=_quotas([weights[name] for name in names]),
        shards=tuple(shards[name] for name in names),
        seed=seed,
        rank=rank,
        world=world,
    )


def _quotas(weights: list[float]) -> tuple[int, ...]:
    """Weights -> whole draws a block that add up to BLOCK, by largest remainder, none below 1."""
    exact = np.array(weights) / sum(weights) * BLOCK
    quotas = np.maximum(np.floor(exact).astype(int), 1)
    by_remainder = np.argsort(-(exact - np.floor(exact)), kind="stable")
    for index in by_remainder[: max(BLOCK - int(quotas.sum()), 0)]:
        quotas[index] += 1
    quotas[int(np.argmax(quotas))] -= int(quotas.sum()) - BLOCK
    return tuple(int(quota) for quota in quotas)


@lru_cache(maxsize=8)
def _block(
    quotas: tuple[int, ...], seed: int, rank: int, block: int
) -> tuple[np.ndarray, np.ndarray]:
    """-> members (BLOCK,) in order, and how often each came before in this block (BLOCK,)."""
    members = np.repeat(np.arange(len(quotas)), quotas)
    np.random.default_rng((seed, 1, rank, block)).shuffle(members)
    before = np.empty(BLOCK, np.int64)
    for member, quota in enumerate(quotas):
        before[members == member] = np.arange(quota)
    return members, before


class _Walk:
    """The passes through one member: shards shuffled, then samples within groups of shards.

    Groups are shuffled when a draw falls into them, so that a set of any size costs a few groups.
    """

    def __init__(self, shards: tuple[int, ...], seed: int, member: int) -> None:
        self.sizes = np.array(shards, np.int64)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.size = int(self.sizes.sum())
        self.seed = (seed, 2, member)
        self._turns: dict[int, _Turn] = {}
        self._groups: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def position(self, turn: int, place: int) -> int:
        """Pass and place in it -> position in the member's shards."""
        if turn not in self._turns:
            if len(self._turns) >= KEPT_TURNS:
                self._turns.pop(min(self._turns))
            self._turns[turn] = self._turn(turn)
        found = self._turns[turn]
        group = int(np.searchsorted(found.ends, place, side="right"))
        before = int(found.ends[group - 1]) if group else 0
        return int(self._group(turn, group)[place - before])

    def _turn(self, turn: int) -> "_Turn":
        generator = np.random.default_rng((*self.seed, turn))
        sequence = generator.permutation(len(self.sizes))
        ends = np.cumsum(self.sizes[sequence])[GROUP - 1 :: GROUP]
        if len(ends) * GROUP < len(sequence):
            ends = np.append(ends, self.size)
        return _Turn(sequence, ends, generator)

    def _group(self, turn: int, group: int) -> np.ndarray:
        """-> the positions of a group of shards, shuffled."""
        known = (turn, group)
        if known not in self._groups:
            found = self._turns[turn]
            chosen = found.sequence[group * GROUP : (group + 1) * GROUP]
            parts = [np.arange(self.starts[s], self.starts[s] + self.sizes[s]) for s in chosen]
            together = np.concatenate(parts)
            # the first group goes on with the generator of the shards, as sets of one group always did
            generator = np.random.default_rng((*self.seed, turn, group))
            (deepcopy(found.generator) if group == 0 else generator).shuffle(together)
            if len(self._groups) >= KEPT_GROUPS:
                self._groups.popitem(last=False)
            self._groups[known] = together
        self._groups.move_to_end(known)
        return self._groups[known]


@dataclass(frozen=True)
class _Turn:
    """One pass: the order of the shards, where each group of them ends, and the generator."""

    sequence: np.ndarray
    ends: np.ndarray
    generator: np.random.Generator
