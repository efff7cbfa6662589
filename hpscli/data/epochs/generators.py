"""A random generator for each place of the training, so that its draws are nobody else's.

What is drawn for the pick at place p depends on (seed, p) alone: not on the process, the batch or the
worker that makes it. Philox takes a key instead of a state to be stirred, so that a generator for
every sample costs no more than a few microseconds.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence

AUGMENTING = 3  # what the draws are for; see hpscli/data/epochs/rounds.py for the other numbers


def sample_generators(seed: int, first: int, count: int) -> list[np.random.Generator]:
    """Seed, first place -> the generators of `count` places in a row."""
    start = _start(seed)
    return [
        np.random.Generator(np.random.Philox(_Key(start, place)))  # type: ignore[arg-type]
        for place in range(first, first + count)
    ]


@lru_cache(maxsize=8)
def _start(seed: int) -> int:
    """-> the half of the key that the seed makes."""
    return int(np.random.SeedSequence((seed, AUGMENTING)).generate_state(1, np.uint64)[0])


class _Key(ISeedSequence):
    """Hands Philox its key as it is."""

    def __init__(self, start: int, place: int) -> None:
        self.words = np.array([start, place], np.uint64)

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> np.ndarray:
        """-> the key (2,)."""
        return self.words
