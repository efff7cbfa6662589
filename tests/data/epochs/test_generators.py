"""A random generator for each place."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.data.epochs.generators import sample_generators


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(1, 5))
def test_a_generator_depends_on_seed_and_place_alone(seed: int, first: int, skipped: int) -> None:
    here = [one.random() for one in sample_generators(seed, first, skipped + 3)]
    there = [one.random() for one in sample_generators(seed, first + skipped, 3)]
    assert here[skipped:] == there
    assert len(set(here)) == len(here)


def test_neighbours_have_nothing_to_do_with_each_other() -> None:
    numbers = np.array([one.random(3) for one in sample_generators(0, 0, 20_000)])
    assert np.abs(numbers.mean(0) - 0.5).max() < 0.01
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.03


def test_a_generator_costs_little() -> None:
    taken = []
    for start in range(0, 10_000, 1000):
        begun = time.process_time()
        sample_generators(1, start, 1000)
        taken.append((time.process_time() - begun) / 1000)
    assert min(taken) < 10e-6  # 3 us measured
