"""What each published mixing promises, of any sizes and weights."""

import time
import tracemalloc
from collections import Counter
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.data.epochs.plan import Pick, Plan, entries_of, make_plan
from hpscli.data.epochs.rounds import BLOCK, epoch_length
from hpscli.errors import UsageError
from hpscli.recipe import Member
from hpscli.recipe.schema import Mixing

MIXINGS = get_args(Mixing)
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=6)
quickly = settings(max_examples=25, deadline=None)


def members(count: int, weights: list[float] | None = None) -> dict[str, Member]:
    """-> members m0, m1, ..., the even ones on one side."""
    return {
        f"m{n}": Member(
            shards="people",
            weight=weights[n] if weights else n + 1.0,
            side="3d" if n % 2 == 0 else "2d",
        )
        for n in range(count)
    }


def plan(mixing: Any, shards: list[tuple[int, ...]], seed: int = 0, **other: Any) -> Plan:
    named = {f"m{n}": sizes for n, sizes in enumerate(shards)}
    return make_plan(members(len(shards), **other), named, mixing, seed)


def picks(one: Plan, first: int, count: int) -> list[Pick]:
    return [one.pick(place) for place in range(first, first + count)]


def in_shards(size: int) -> tuple[int, ...]:
    """-> shards of seven people, and the rest."""
    return (7,) * (size // 7) + ((size % 7,) if size % 7 else ())


@quickly
@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=8))
def test_weighted_gives_exact_shares_in_every_block(weights: list[float]) -> None:
    one = plan("weighted", [(5,)] * len(weights), weights=weights)
    counts = one.layout.counts(0, 7)
    wanted = np.array(weights) / sum(weights) * BLOCK
    assert counts.tolist() == pytest.approx(wanted, abs=len(weights) + 1)
    assert min(counts) >= 1 and sum(counts) == BLOCK


def test_published_weights_are_exact() -> None:
    weights = [0.5, 0.233, 0.046, 0.021, 0.2]  # mix 6 of hmr-benchmarks
    one = plan("weighted", [(50,)] * 5, weights=weights)
    counts = Counter(pick.member for pick in picks(one, 0, BLOCK))
    assert [counts[n] / BLOCK for n in range(5)] == weights
    assert list(one.shares().values()) == pytest.approx(weights)


@settings(max_examples=3, deadline=None)
@given(sizes)
def test_weighted_gives_everybody_once_before_anybody_twice(sizes: list[int]) -> None:
    one = plan("weighted", [in_shards(size) for size in sizes])
    seen: dict[int, list[int]] = {n: [] for n in range(len(sizes))}
    for pick in picks(one, 0, BLOCK + 170):
        seen[pick.member].append(pick.position)
    for member, size in enumerate(sizes):
        passes = [seen[member][at : at + size] for at in range(0, 3 * size, size)]
        assert all(sorted(one) == list(range(size)) for one in passes)


@quickly
@given(sizes, st.integers(0, 5))
def test_concatenation_gives_everybody_once_in_every_epoch(sizes: list[int], epoch: int) -> None:
    one = plan("concatenation", [in_shards(size) for size in sizes])
    length = sum(sizes)
    found = Counter(picks(one, epoch * length, length))
    assert found == {Pick(m, p): 1 for m, size in enumerate(sizes) for p in range(size)}


def test_concatenation_over_many_blocks_gives_everybody_once() -> None:
    shards = [(1000,) * 17, (999,) * 7, (3,)]
    one = plan("concatenation", shards)
    found = picks(one, sum(map(sum, shards)), sum(map(sum, shards)))
    assert len(set(found)) == len(found) == sum(map(sum, shards))
    parts = [Counter(p.member for p in found[at : at + BLOCK])[0] / BLOCK for at in (0, BLOCK)]
    assert parts == pytest.approx([17000 / 23996] * 2, abs=0.03)


@quickly
@given(sizes, st.integers(0, 3))
def test_partition_takes_each_index_once_and_lets_chance_choose_the_set(
    sizes: list[int], epoch: int
) -> None:
    one = plan("partition", [in_shards(size) for size in sizes])
    length = max(sizes)
    found = Counter(picks(one, epoch * length, length))
    for pick, count in found.items():  # an index, modulo the size, comes so often at most
        assert count <= -(-length // sizes[pick.member])


@pytest.mark.parametrize("mixing", ["independent", "partition"])
def test_sets_that_are_drawn_come_by_their_shares(mixing: str) -> None:
    shards = [(100,) * 100, (50,), (7,) * 40]
    one = plan(mixing, shards, weights=[0.3, 0.6, 0.1])
    counts = Counter(pick.member for pick in picks(one, 0, 40_000))
    # binomial: three deviations of 0.6 are 0.0073
    assert [counts[n] / 40_000 for n in range(3)] == pytest.approx([0.3, 0.6, 0.1], abs=0.0075)
    in_order = [pick.member for pick in picks(one, 0, 10_000)]
    stays = np.mean([a == b for a, b in zip(in_order, in_order[1:], strict=False)])
    assert stays == pytest.approx(0.3**2 + 0.6**2 + 0.1**2, abs=0.02)  # as of independent draws


def test_independent_draws_come_as_often_as_chance_has_it() -> None:
    one = plan("independent", [(10,) * 100], weights=[1.0])
    often = Counter(Counter(p.position for p in picks(one, 0, 1000)).values())
    never = 1000 - sum(often.values())
    # with replacement a sample comes 0, 1, 2 times in 37, 37 and 18 of 100 cases (Poisson)
    assert [never, often[1], often[2]] == pytest.approx([368, 368, 184], abs=60)


@quickly
@given(st.lists(st.integers(1, 30), min_size=2, max_size=5), st.integers(0, 3))
def test_balanced_makes_both_sides_as_long_as_the_longer(sizes: list[int], epoch: int) -> None:
    one = plan("balanced", [in_shards(size) for size in sizes])
    sides = [sum(sizes[0::2]), sum(sizes[1::2])]
    longest = max(sides)
    found = Counter(picks(one, epoch * 2 * longest, 2 * longest))
    for side, total in enumerate(sides):
        own = {pick: count for pick, count in found.items() if pick.member % 2 == side}
        assert sum(own.values()) == longest
        for member in range(side, len(sizes), 2):
            whole = longest // total  # repeats of everybody; what is left is drawn
            assert all(own[Pick(member, p)] >= whole for p in range(sizes[member]))


def test_balanced_wants_to_know_the_side_of_each_member() -> None:
    with pytest.raises(UsageError, match="but data.mix.a is on no side"):
        make_plan({"a": Member(shards="people")}, {"a": (5,)}, "balanced", 0)


def test_an_epoch_that_a_recipe_leaves_open_is_as_long_as_published() -> None:
    def length(mixing: Any) -> int:
        return epoch_length(mixing, entries_of(members(3), {"m0": 10, "m1": 40, "m2": 7}))

    assert {mixing: length(mixing) for mixing in MIXINGS} == {
        "weighted": 40,
        "independent": 40,
        "partition": 40,
        "concatenation": 57,
        "balanced": 80,
    }


@quickly
@given(st.sampled_from(MIXINGS), sizes, st.integers(0, 10**7), st.integers(0, 3))
def test_a_pick_depends_on_seed_and_place_alone(
    mixing: str, sizes: list[int], place: int, seed: int
) -> None:
    shards = [in_shards(size) for size in sizes]
    asked_before = plan(mixing, shards, seed)
    picks(asked_before, 0, 5)
    asked_before.pick(place + 12345)
    assert picks(asked_before, place, 20) == picks(plan(mixing, shards, seed), place, 20)


@pytest.mark.parametrize("mixing", MIXINGS)
def test_epochs_and_seeds_differ(mixing: str) -> None:
    shards = [(100,) * 3, (80,)]
    one = plan(mixing, shards)
    orders = [
        picks(one, 0, 40),
        picks(one, one.layout.length, 40),
        picks(plan(mixing, shards, 1), 0, 40),
    ]
    assert len({tuple(order) for order in orders}) == 3


@pytest.mark.parametrize("mixing", MIXINGS)
def test_a_big_set_is_read_in_stretches_of_shards(mixing: str) -> None:
    one = plan(mixing, [(10,) * 400], weights=[1.0])
    shards = [pick.position // 10 for pick in picks(one, 0, 250)]
    assert len(set(shards)) <= 33  # by chance a stretch may be a little shorter than 32 shards
    assert len(set(shards[:40])) > 15


@pytest.mark.parametrize("mixing", MIXINGS)
def test_members_of_weight_zero_are_left_out(mixing: Any) -> None:
    both = {
        "a": Member(shards="people", weight=1, side="3d"),
        "b": Member(shards="people", weight=0, side="2d"),
    }
    assert make_plan(both, {"a": (5,)}, mixing, 0).names == ("a",)
    with pytest.raises(UsageError, match="no member with a weight above 0"):
        make_plan({"b": both["b"]}, {}, mixing, 0)


@pytest.mark.parametrize("mixing", MIXINGS)
def test_ten_members_of_a_million_are_no_burden(mixing: str) -> None:
    tracemalloc.start()
    begun = time.process_time()
    one = plan(mixing, [(1000,) * 1000] * 10)
    assert len(picks(one, 0, 32)) == 32
    assert len(picks(one, 123_456_789, 32)) == 32
    seconds = time.process_time() - begun
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 1.0 and peak < 20e6
