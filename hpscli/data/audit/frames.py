"""Frames that are missing from sequences: gaps in the numbers of picture names."""

import re
from collections import Counter
from collections.abc import Iterable

NUMBER = re.compile(r"(\d+)(\D*)$")
FEWEST = 8  # pictures of a sequence before its step is believed


def missing_frames(paths: Iterable[str]) -> dict[str, list[int]]:
    """Picture names -> {sequence: numbers that its regular step leaves out}; first ones only."""
    sequences: dict[str, set[int]] = {}
    for path in paths:
        if found := NUMBER.search(path.rsplit(".", 1)[0]):
            sequences.setdefault(path[: found.start()], set()).add(int(found[1]))
    gaps: dict[str, list[int]] = {}
    for name, numbers in sorted(sequences.items()):
        ordered = sorted(numbers)
        steps = Counter(b - a for a, b in zip(ordered, ordered[1:], strict=False))
        if len(ordered) < FEWEST:
            continue
        step, often = steps.most_common(1)[0]
        if often * 2 < len(ordered):  # no regular step: pictures, not a film
            continue
        lacking = [
            number
            for a, b in zip(ordered, ordered[1:], strict=False)
            if (b - a) % step == 0
            for number in range(a + step, b, step)
        ]
        if lacking:
            gaps[name] = lacking
    return gaps
