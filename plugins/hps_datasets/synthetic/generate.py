"""Samples by number: sample i is a pure function of body, split, seed and i, on any worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.synthetic.plugin import OPTIONS, SPLITS
from hps_datasets.synthetic.scene import make_sample
from hpscli.errors import UsageError, did_you_mean
from hpscli.records import Sample

BODIES = ("smpl", "mano", "smplx")
HANDS = ("right", "left", "both")
SCENES = ("any", "plain")


@dataclass(frozen=True)
class Generator:
    """`generator(i)` -> sample i. Small and picklable: workers get a copy."""

    split: str
    body: str
    hand: str
    size_px: int
    yaw_degrees: float
    seed: int
    jpeg_quality: int
    scene: str

    def __call__(self, index: int) -> Sample:
        place = [self.seed, list(SPLITS).index(self.split), BODIES.index(self.body), index]
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(place)))
        hand = ("right", "left")[index % 2] if self.hand == "both" else self.hand
        name = self.body if self.body != "mano" else f"mano-{hand}"
        sample = make_sample(
            rng,
            f"{name}-{self.split}-{self.seed}-{index:06d}",
            self.body,
            hand,
            self.size_px,
            self.yaw_degrees,
            self.jpeg_quality,
            plain=self.scene == "plain",
        )
        meta = {"dataset": "synthetic", "split": self.split, "seed": self.seed, "index": index}
        return replace(sample, meta={**meta, **sample.meta})


def indexed(root: Path | None, split: str, **options: Any) -> tuple[int, Callable[[int], Sample]]:
    """-> how many samples there are, and the function that makes the one of a number."""
    if unknown := sorted(set(options) - set(OPTIONS)):
        raise UsageError(
            f"synthetic people have no option '{unknown[0]}'.",
            did_you_mean(unknown[0], OPTIONS) or f"Known: {', '.join(OPTIONS)}",
        )
    if split not in SPLITS:
        raise UsageError(
            f"synthetic people have no split '{split}'.", f"Splits: {', '.join(SPLITS)}"
        )
    chosen = {**OPTIONS, **options}
    _check(chosen)
    count = chosen.pop("count") or SPLITS[split]
    return int(count), Generator(split, **chosen)


def samples(root: Path | None, split: str, **options: Any) -> Iterator[Sample]:
    """-> the people of a split, one after the other; nothing is read from `root`."""
    count, generator = indexed(root, split, **options)
    return map(generator, range(count))


def _check(chosen: dict[str, Any]) -> None:
    for name, known in (("body", BODIES), ("hand", HANDS), ("scene", SCENES)):
        if chosen[name] not in known:
            near = did_you_mean(str(chosen[name]), known) or f"Choose {', '.join(known)}."
            raise UsageError(f"no synthetic {name} '{chosen[name]}'.", near)
    limits = {
        "size_px": (32, 2048),
        "yaw_degrees": (0, 180),
        "count": (0, 10**6),
        "seed": (0, 2**32),
        "jpeg_quality": (10, 100),
    }
    for name, (low, high) in limits.items():
        value = chosen[name]
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise UsageError(f"synthetic {name} = {value!r} is not between {low} and {high}.")
        if name != "yaw_degrees" and value != int(value):
            raise UsageError(f"synthetic {name} = {value!r} is not a whole number.")
        chosen[name] = float(value) if name == "yaw_degrees" else int(value)
