"""Who of the predicted people is who of the true ones: AGORA's greedy matching in the picture.

Read in agora_evaluation/matching.py (revision 8c9dece). The cost of a pair is numpy's
`norm(difference, 2)`, which of a matrix is the largest singular value, not the root of all squares.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpscli.errors import InvalidData

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MATCHED_JOINTS = 24
IOU_THRESHOLD = 0.1
OCCLUSION_PERCENT = (0.0, 90.0)
FIX_POINTS = "Look at the joints of that picture's predictions."
NEAR = 1e-4  # relative; costs nearer than this are computed as the official program rounds them


@dataclass(frozen=True)
class Matching:
    """The people of one picture, by their places in the lists of predicted and of true people.

    `invalid` may name somebody twice, as the official list does; `ignored` predictions are on
    somebody who does not count (never in the official matching).
    """

    pairs: tuple[tuple[int, int], ...]
    false_positives: tuple[int, ...]
    misses: tuple[int, ...]
    invalid: tuple[int, ...]
    ignored: tuple[int, ...] = ()


def matchable_people(valid: ArrayLike, occlusion_percent: ArrayLike) -> Flags:
    """valid (G,), occlusion (G,) percent -> who can be matched (G,)."""
    hidden = np.asarray(occlusion_percent, np.float64)
    low, high = OCCLUSION_PERCENT
    return np.asarray(np.asarray(valid, bool) & (hidden >= low) & (hidden <= high))


def pair_costs(predicted: Sequence[Array], true: Sequence[Array]) -> Array:
    """joints [(>=24,>=2)] px of P and of G people -> cost of each pair (P,G) px."""
    first, second = (
        np.stack([points[:MATCHED_JOINTS, :2] for points in people]) for people in (predicted, true)
    )
    apart = np.subtract(first[:, None], second[None], dtype=np.float64)
    x, y = apart[..., 0], apart[..., 1]
    a, b, c = (two.sum(axis=-1) for two in (x * x, y * y, x * y))
    squares = (a + b) / 2 + np.sqrt(((a - b) / 2) ** 2 + c**2)
    costs = np.sqrt(squares)
    steps = np.sort(costs.ravel())
    if (np.diff(steps) > NEAR * steps[1:]).all():
        return np.asarray(costs)
    return _as_rounded(first, second)


def _as_rounded(first: Array, second: Array) -> Array:
    """-> costs (P,G) with the rounding errors of the official program, which decide near ties."""
    apart = first[:, None] - second[None]  # in the precision of the files
    if np.isfinite(apart).all():
        return np.asarray(np.linalg.norm(apart, 2, axis=(-2, -1)), np.float64)
    costs = np.full(apart.shape[:2], np.nan)
    whole = np.isfinite(apart).all(axis=(-2, -1))
    costs[whole] = np.linalg.norm(apart[whole], 2, axis=(-2, -1))
    return costs


def box_overlaps(predicted: Sequence[Array], true: Sequence[Array]) -> Array:
    """joints [(J,>=2)] px of P and of G people -> IoU of the boxes around all joints (P,G)."""
    first, second = _boxes(predicted)[:, None], _boxes(true)[None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    shared = np.maximum(high - low + 1, 0).prod(axis=-1)
    areas = [(boxes[..., 2:] - boxes[..., :2] + 1).prod(axis=-1) for boxes in (first, second)]
    return np.asarray(shared / (areas[0] + areas[1] - shared))


def _boxes(people: Sequence[Array]) -> Array:
    """-> left, top, right, bottom (N,4) px, float64."""
    if len({points.shape for points in people}) == 1:
        flat = np.asarray(people, np.float64)[:, :, :2]
        return np.concatenate([flat.min(axis=1), flat.max(axis=1)], axis=1)
    return np.concatenate([_boxes([points]) for points in people])


def match_official(predicted: Sequence[Array], true: Sequence[Array], matchable: Flags) -> Matching:
    """joints px of P and of G people of one picture, who can be matched (G,) -> the matching.

    Predictions come in the order of their file names as text. A pair that overlaps too little
    counts towards the false positives each time that one is met, so that the loop may end before
    good pairs are looked at; somebody who cannot be matched takes no prediction.
    """
    count, people = len(predicted), len(true)
    pairs: list[tuple[int, int]] = []
    invalid: list[int] = []
    if count and people:
        costs = pair_costs(predicted, true).ravel()
        overlaps = box_overlaps(predicted, true).ravel().tolist()
        pairs, invalid = _greedy(costs, overlaps, matchable.tolist(), count)
    matched = {prediction for prediction, _ in pairs}
    found = {person for _, person in pairs}
    missed = [person for person in range(people) if person not in found]
    return Matching(
        pairs=tuple(pairs),
        false_positives=tuple(p for p in range(count) if p not in matched),
        misses=tuple(person for person in missed if matchable[person]),
        invalid=(*invalid, *(person for person in missed if not matchable[person])),
    )


def _greedy(
    costs: Array, overlaps: list[float], matchable: list[bool], count: int
) -> tuple[list[tuple[int, int]], list[int]]:
    """-> accepted pairs, and people who were reached and cannot be matched, in order."""
    people = len(matchable)
    if not np.isfinite(costs).all():
        raise InvalidData("2D joints of a prediction are NaN or infinite.", FIX_POINTS)
    queue = iter(np.argsort(costs, kind="stable").tolist())
    taken, assigned = [False] * count, [False] * people
    pairs: list[tuple[int, int]] = []
    invalid: list[int] = []
    struck = 0
    while sum(assigned) < people and len(pairs) + struck < count:
        for place in queue:  # cannot run dry: each free pair was accepted, or raised `struck`
            prediction, person = divmod(place, people)
            overlap = overlaps[place]
            accepted = not taken[prediction] and not assigned[person] and overlap >= IOU_THRESHOLD
            if accepted or overlap < IOU_THRESHOLD:
                break
        else:
            raise InvalidData("the matching does not end: a box has no area.", FIX_POINTS)
        struck += not accepted
        if not matchable[person]:
            assigned[person] = True
            invalid.append(person)
        elif accepted:
            pairs.append((prediction, person))
            taken[prediction] = assigned[person] = True
    return pairs, invalid


def match_corrected(
    predicted: Sequence[Array], true: Sequence[Array], matchable: Flags
) -> Matching:
    """As match_official, defined for all: every pair is looked at once, the nearest first.

    A prediction is a false positive when nobody is left whom it overlaps. One that is on somebody
    who cannot be matched is ignored.
    """
    count, people = len(predicted), len(true)
    pairs: list[tuple[int, int]] = []
    ignored: list[int] = []
    free, alone = set(range(count)), set(range(people))
    if count and people:
        costs, overlaps = pair_costs(predicted, true), box_overlaps(predicted, true)
        order = np.argsort(costs, axis=None, kind="stable")
        for place in order[(overlaps.ravel() >= IOU_THRESHOLD)[order]].tolist():
            prediction, person = divmod(place, people)
            if prediction in free and person in alone:
                free.discard(prediction)
                alone.discard(person)
                if matchable[person]:
                    pairs.append((prediction, person))
                else:
                    ignored.append(prediction)
    return Matching(
        pairs=tuple(pairs),
        false_positives=tuple(sorted(free)),
        misses=tuple(person for person in sorted(alone) if matchable[person]),
        invalid=tuple(person for person in range(people) if not matchable[person]),
        ignored=tuple(sorted(ignored)),
    )
