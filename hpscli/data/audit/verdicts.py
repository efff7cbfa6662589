"""From numbers of single people to what is said of a data set, one finding for each question."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

OK, LOOK, WRONG, UNKNOWN = "ok", "look", "wrong", "not checked"
FEWEST = 8  # people with a measure before a whole data set is judged by it
SHOWN = 8  # people named as examples
LEG = (0.45, 1.15)  # metres from hip over knee to ankle: children to the tallest
HAND = (0.03, 0.26)  # metres from wrist to the tip of the middle finger, which may touch the palm
FAR = 0.1  # of the box's side: labels that far off in the median do not belong together
HALF = 0.5


@dataclass(frozen=True)
class Finding:
    """One question about the labels, its answer, and people to look at."""

    name: str
    verdict: str  # ok, look, wrong, not checked
    says: str
    people: int = 0  # that it was measured on
    examples: tuple[str, ...] = ()  # keys, worst first


@dataclass(frozen=True)
class Measured:
    """Keys of people, and what was measured on each."""

    keys: Sequence[str]
    rows: Sequence[Mapping[str, float]]

    def column(self, name: str) -> tuple[list[str], np.ndarray]:
        """-> keys and values (N,) of the people that have this measure."""
        pairs = [(k, r[name]) for k, r in zip(self.keys, self.rows, strict=True) if name in r]
        return [key for key, _ in pairs], np.array([value for _, value in pairs], np.float64)

    def worst(self, name: str, sign: float = 1.0) -> tuple[str, ...]:
        keys, values = self.column(name)
        return tuple(keys[i] for i in np.argsort(-sign * values)[:SHOWN])


def judge(measured: Measured) -> Iterator[Finding]:
    """-> the findings of one shard folder."""
    yield _behind(measured)
    yield _agreement(measured, "projection", "3D joints through the camera", "2D joints")
    yield _agreement(measured, "body2d", "the parameters' body", "2D joints")
    yield _sides(measured, "projection", "3D joints through the camera")
    yield _sides(measured, "body2d", "the parameters' body in the picture")
    yield _sides(measured, "body3d", "the parameters' body")
    yield _knees(measured)
    yield _lengths(measured, "leg", LEG, "a leg")
    yield _lengths(measured, "hand", HAND, "a hand")
    yield _betas(measured)
    yield _outside(measured)


def _behind(measured: Measured) -> Finding:
    """Absolute 3D joints are in front of the camera, or in another frame than it is said."""
    keys, values = measured.column("behind")
    if not keys:
        return Finding("in front", UNKNOWN, "no absolute 3D joints with a camera")
    behind = int((values > 0).sum())
    text = f"3D joints behind the camera: {behind} of {len(keys)} people"
    verdict = OK if not behind else LOOK
    if behind > HALF * len(keys) and len(keys) >= FEWEST:
        verdict, text = WRONG, f"{text}: relative to the root, or not in the camera's frame"
    return Finding("in front", verdict, text, len(keys), measured.worst("behind"))


def _agreement(measured: Measured, name: str, one: str, other: str) -> Finding:
    keys, values = measured.column(name)
    if not keys:
        return Finding(f"{name} distance", UNKNOWN, f"{one} and {other}: nothing to compare")
    middle = float(np.median(values))
    far = int((values > FAR).sum())
    text = (
        f"{one} to {other}: {middle:.1%} of the box (median), {far} of {len(keys)} over {FAR:.0%}"
    )
    verdict = WRONG if middle > FAR and len(keys) >= FEWEST else LOOK if far else OK
    return Finding(f"{name} distance", verdict, text, len(keys), measured.worst(name))


def _sides(measured: Measured, name: str, what: str) -> Finding:
    """Whether labels fit better with left and right exchanged."""
    rows = [
        (key, row[name] - row[f"{name}_mirrored"])
        for key, row in zip(measured.keys, measured.rows, strict=True)
        if f"{name}_mirrored" in row
    ]
    if not rows:
        return Finding(f"{name} sides", UNKNOWN, f"{what}: nothing to compare")
    better = [(gain, key) for key, gain in rows if gain > 0]
    share = len(better) / len(rows)
    text = f"{what}: nearer when mirrored for {len(better)} of {len(rows)}"
    verdict = OK if share < HALF / 5 else LOOK
    if share > HALF and len(rows) >= FEWEST:
        verdict, text = WRONG, f"{text}: left and right are exchanged"
    examples = tuple(key for _, key in sorted(better, reverse=True)[:SHOWN])
    return Finding(f"{name} sides", verdict, text, len(rows), examples)


def _knees(measured: Measured) -> Finding:
    """Knees bend forwards; labels with exchanged sides turn front and back."""
    keys, values = measured.column("knee")
    if not keys:
        return Finding("knees", UNKNOWN, "no bent leg in 3D joints")
    share = float(values.mean())
    text = f"{share:.0%} of clearly bent knees bend forwards ({len(keys)} people)"
    verdict = OK if share > 0.8 else LOOK
    if share < HALF and len(keys) >= FEWEST:
        verdict, text = WRONG, f"{text}: left and right, or front and back, are exchanged"
    return Finding("knees", verdict, text, len(keys), measured.worst("knee", -1.0))


def _lengths(measured: Measured, name: str, limits: tuple[float, float], what: str) -> Finding:
    keys, values = measured.column(name)
    if not keys:
        return Finding(f"{name} length", UNKNOWN, f"no 3D joints of {what}")
    middle = float(np.median(values))
    strange = int(((values < limits[0]) | (values > limits[1])).sum())
    text = f"{what} is {middle:.3f} m long (median), {strange} of {len(keys)} outside {limits[0]}..{limits[1]} m"
    verdict = OK if not strange else LOOK
    if not limits[0] <= middle <= limits[1]:
        verdict, text = WRONG, f"{text}: wrong units, or no metres"
    return Finding(f"{name} length", verdict, text, len(keys), measured.worst(name))


def _betas(measured: Measured) -> Finding:
    keys, values = measured.column("betas")
    if not keys:
        return Finding("betas", UNKNOWN, "no shape coefficients")
    large, zero = int((values > 5).sum()), int((values == 0).sum())
    text = f"largest shape coefficient {values.max():.1f}; over 5: {large}, all zero: {zero} of {len(keys)}"
    return Finding("betas", LOOK if large else OK, text, len(keys), measured.worst("betas"))


def _outside(measured: Measured) -> Finding:
    keys, values = measured.column("outside")
    _, boxes = measured.column("box_outside")
    half, away = int((values > HALF).sum()), int((boxes > HALF).sum())
    text = f"more than half of the 2D joints outside the image: {half}; of the box: {away} of {len(boxes)}"
    name = "outside" if half else "box_outside"
    return Finding("outside", LOOK if half or away else OK, text, len(boxes), measured.worst(name))
