"""Which sample comes at which place of a weighted mix: arithmetic, so that any place is found at once.

Time is cut into blocks of BLOCK draws. In each block every member gets the same quota (its share of
the weights, rounded), in an order shuffled anew; so draw number d of a member is known without
counting. Draw d of a member, over all ranks together, walks through a permutation of the member that
changes with every pass: each sample comes once before any comes twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hpscli.errors import UsageError

BLOCK = 10_000  # weights are exact to a ten-thousandth
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
        size = sum(self.shards[pick.member])
        overall = pick.draw * self.world + self.rank
        order = _order(self.shards[pick.member], self.seed, pick.member, overall // size)
        return int(order[overall % size]), overall // size


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


@lru_cache(maxsize=64)
def _order(shards: tuple[int, ...], seed: int, member: int, turn: int) -> np.ndarray:
    """-> a permutation of a member's samples: shards shuffled, then samples within groups of shards."""
    generator = np.random.default_rng((seed, 2, member, turn))
    starts = np.concatenate([[0], np.cumsum(shards)])
    sequence = generator.permutation(len(shards))
    parts = []
    for first in range(0, len(sequence), GROUP):
        chosen = sequence[first : first + GROUP]
        together = np.concatenate([np.arange(starts[s], starts[s + 1]) for s in chosen])
        generator.shuffle(together)
        parts.append(together)
    return np.concatenate(parts)
