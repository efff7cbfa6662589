from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.data.mix import BLOCK, Pick, make_plan
from hpscli.errors import UsageError


def plan(weights: dict[str, float], sizes: dict[str, tuple[int, ...]], **where: int):
    return make_plan(weights, sizes, **{"seed": 0, **where})


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=12))
def test_members_get_their_share_of_every_block(weights: list[float]) -> None:
    names = {str(index): weight for index, weight in enumerate(weights)}
    quotas = plan(names, dict.fromkeys(names, (5,))).quotas
    assert sum(quotas) == BLOCK
    wanted = np.array(weights) / sum(weights) * BLOCK
    assert np.abs(np.array(quotas) - wanted).max() < len(weights) + 1
    assert min(quotas) >= 1


def test_published_mixing_weights_are_exact() -> None:
    weights = {"h36m": 0.5, "coco": 0.233, "lspet": 0.046, "mpii": 0.021, "mi": 0.2}
    one = plan(weights, dict.fromkeys(weights, (50,)))
    counts = Counter(one.names[one.pick(place).member] for place in range(BLOCK))
    assert {name: count / BLOCK for name, count in counts.items()} == weights


def test_the_draws_of_a_member_are_numbered_without_gap_over_blocks() -> None:
    one = plan({"a": 3, "b": 1}, {"a": (5,), "b": (5,)})
    seen: dict[int, list[int]] = {0: [], 1: []}
    for place in range(2 * BLOCK + 17):
        pick = one.pick(place)
        seen[pick.member].append(pick.draw)
    assert all(draws == list(range(len(draws))) for draws in seen.values())


@pytest.mark.parametrize("world", [1, 3])
def test_each_sample_comes_once_before_any_comes_twice(world: int) -> None:
    sizes = (8, 8, 8, 5)
    positions = []
    for draw in range(29):
        for rank in range(world):
            one = plan({"a": 1}, {"a": sizes}, rank=rank, world=world)
            positions.append(one.sample(one.pick(draw))[0])
    for turn in range(world):
        assert sorted(positions[29 * turn : 29 * turn + 29]) == list(range(29))


def test_passes_seeds_and_ranks_differ() -> None:
    def first(turn: int = 0, **where: int) -> list[int]:
        one = plan({"a": 1}, {"a": (100,)}, **where)
        return [one.sample(one.pick(place))[0] for place in range(100 * turn, 100 * turn + 20)]

    orders = [first(), first(turn=1), first(seed=1), first(rank=1, world=2)]
    assert len({tuple(order) for order in orders}) == len(orders)


def test_shards_of_a_big_set_are_read_in_groups() -> None:
    one = plan({"a": 1}, {"a": (10,) * 100})
    shards = [one.sample(one.pick(place))[0] // 10 for place in range(320)]
    assert len(set(shards)) == 32
    assert len(set(shards[:40])) > 15


@pytest.mark.parametrize("sizes", [(10,) * 100, (7,) * 33, (9, 1) * 48])
def test_a_pass_through_many_groups_gives_each_sample_once(sizes: tuple[int, ...]) -> None:
    one = plan({"a": 1}, {"a": sizes})
    positions = [one.sample(Pick(0, draw))[0] for draw in range(2 * sum(sizes))]
    first, second = positions[: sum(sizes)], positions[sum(sizes) :]
    assert sorted(first) == sorted(second) == list(range(sum(sizes)))
    assert first != second


def test_a_member_of_weight_zero_is_left_out_and_none_at_all_is_an_error() -> None:
    assert plan({"a": 1, "b": 0}, {"a": (5,), "b": (5,)}).names == ("a",)
    with pytest.raises(UsageError, match="no member with a weight above 0"):
        plan({"a": 0}, {"a": (5,)})
