"""Random changes of a training crop, drawn first and applied later: the same draw, the same crop.

`draw` turns one generator per person into records of numbers; everything after it is a pure function
of them, so that a person at a place of an epoch looks the same whoever prepares it. Labels follow
exactly: 2D points by the crop's affine, 3D by the same rotation and mirror about the camera's z axis,
poses by names of joints. What cannot follow is dropped for that person: `transl` (it would need the
body; `untouched.*.transl` is for who has it), mesh vertices under a mirror (no left-right permutation).
What erases or hides changes no label.
"""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpscli.data.augmentations import Draws
from hpscli.data.augmentations.body_parts import draw_body_part
from hpscli.data.augmentations.boxes import draw_random_crop, draw_truncation
from hpscli.data.augmentations.pictures import After, Before, draw_after, draw_before
from hpscli.data.crops import crop_box
from hpscli.errors import UsageError, did_you_mean
from hpscli.recipe import Augment
from hpscli.records import Sample


@dataclass(frozen=True)
class Changes:
    """What happens to B crops; the neutral element is `unchanged(B)`."""

    flip: np.ndarray  # (B,) bool
    rotation_degrees: np.ndarray  # (B,)
    scale: np.ndarray  # (B,) multiplies the width of the crop
    shift: np.ndarray  # (B,2) in widths of the crop
    colour: np.ndarray  # (B,3) float32, multiplies R, G, B
    erase: np.ndarray  # (B,4) x0, y0, x1, y1 in parts of the window; empty when x1 <= x0
    erase_colour: np.ndarray  # (B,3) uint8
    before: tuple[Before | None, ...]  # B of them: on the stored picture; None: nothing
    after: tuple[After | None, ...]  # B of them: on the crop

    def __len__(self) -> int:
        return len(self.flip)


def unchanged(count: int) -> Changes:
    """-> the changes that leave B crops as they are."""
    return Changes(
        flip=np.zeros(count, bool),
        rotation_degrees=np.zeros(count),
        scale=np.ones(count),
        shift=np.zeros((count, 2)),
        colour=np.ones((count, 3), np.float32),
        erase=np.zeros((count, 4)),
        erase_colour=np.zeros((count, 3), np.uint8),
        before=(None,) * count,
        after=(None,) * count,
    )


DRAWS = 19  # numbers that every person takes from its generator, whatever the settings
ERASE_SIDES = (0.1, 0.5)  # sides of an erased rectangle, in parts of the window
ROTATION_LIMIT, SCALE_LIMIT = 2.0, 1.0  # in deviations: SPIN, METRO, mmhuman3d and OSX cut there


def draw(
    generators: Sequence[np.random.Generator],
    samples: Sequence[Sample],
    settings: Augment | Sequence[Augment],
    window: tuple[int, int],
    crop_scale: float = 1.0,
    seen: float = 1.0,
) -> Changes:
    """One generator, person and settings for each of B crops -> their changes.

    Every person takes DRAWS numbers first; only settings that need more take more.
    """
    rows = [settings] * len(samples) if isinstance(settings, Augment) else list(settings)
    numbers = np.stack([generator.random(DRAWS) for generator in generators])
    changes = _places(numbers, rows)
    rare = [row for row, setting in enumerate(rows) if _draws_more(setting)]
    if not rare:
        return changes
    before, after = list(changes.before), list(changes.after)
    for row in rare:
        draws = _both(generators[row])
        whole = crop_box(samples[row], window, seen)
        center, size_px = _cut(draws, rows[row], samples[row], *whole)
        placed = center + changes.shift[row] * size_px, size_px * crop_scale * changes.scale[row]
        before[row] = draw_before(draws, rows[row], samples[row], *placed)
        after[row] = draw_after(draws, rows[row], window)
        _fold(changes, row, whole, (center, size_px))
    return Changes(**{**vars(changes), "before": tuple(before), "after": tuple(after)})


def _places(numbers: np.ndarray, settings: Sequence[Augment]) -> Changes:
    """numbers (B,DRAWS) uniform, B settings -> what every person has: place, colour, erasing."""

    def each(name: str) -> np.ndarray:
        return np.array([getattr(one, name) for one in settings])

    symmetric = 2.0 * numbers - 1.0
    normal, spread = _normal(numbers[:, 1], numbers[:, 2]), _normal(numbers[:, 4], numbers[:, 5])
    turned = np.clip(normal, -ROTATION_LIMIT, ROTATION_LIMIT) * each("rotation_degrees")
    sides = ERASE_SIDES[0] + (ERASE_SIDES[1] - ERASE_SIDES[0]) * numbers[:, 11:13]
    corner = numbers[:, 13:15] * (1.0 - sides)
    erases = (numbers[:, 15] < each("erase"))[:, None]
    colour = 1.0 + symmetric[:, 8:11] * each("colour")[:, None]
    return Changes(
        flip=numbers[:, 0] < each("flip"),
        rotation_degrees=turned * (numbers[:, 3] < each("rotation_chance")),
        scale=1.0 + np.clip(spread, -SCALE_LIMIT, SCALE_LIMIT) * each("scale"),
        shift=symmetric[:, 6:8] * each("shift")[:, None],
        colour=colour.astype(np.float32),
        erase=np.concatenate([corner, corner + sides], axis=1) * erases,
        erase_colour=(numbers[:, 16:19] * 256).astype(np.uint8),
        before=(None,) * len(settings),
        after=(None,) * len(settings),
    )


def _normal(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Two uniform draws -> normal with deviation 1 (Box-Muller)."""
    return np.asarray(np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2.0 * np.pi * second))


MORE = (  # settings that take more numbers, or none when they are 0
    "body_part",
    "crop",
    "truncation",
    "photometric",
    "hard_erasing",
    "random_occlusion",
    "occluders",
    "motion_blur",
    "soft_erasing",
    "self_mixing",
    "coarse_dropout",
    "grid_dropout",
)


def _draws_more(settings: Augment) -> bool:
    return any(getattr(settings, name) for name in MORE)


def _both(generator: np.random.Generator) -> Draws:
    """A generator -> the two sources that published code takes turns with, fed by it."""
    python = random.Random(int(generator.integers(1 << 62)))
    return Draws(np.random.RandomState(generator.bit_generator), python)


def _cut(
    draws: Draws,
    settings: Augment,
    sample: Sample,
    center: np.ndarray,
    size_px: float,
) -> tuple[np.ndarray, float]:
    """-> the box after the choice of a part of the body, random crop and truncation."""
    if chance := settings.body_part:
        center, size_px = draw_body_part(draws, sample, center, size_px, probability=chance)
    if settings.crop:
        center, size_px = draw_random_crop(draws, tuple(center), size_px, probability=settings.crop)
    if settings.truncation:
        center, size_px = draw_truncation(draws, center, size_px, most=settings.truncation)
    return center, size_px


def _fold(
    changes: Changes, row: int, old: tuple[np.ndarray, float], new: tuple[np.ndarray, float]
) -> None:
    """Write the step from one box to another into shift and scale, which speak of the first."""
    shrunk = new[1] / old[1]
    changes.shift[row] = (new[0] - old[0]) / old[1] + changes.shift[row] * shrunk
    changes.scale[row] *= shrunk


NEUTRAL = ("flip", "rotation_degrees", "scale", "shift", "colour", "erase", *MORE)


def settings_of_members(augment: Augment, members: Collection[str]) -> Mapping[str, Augment]:
    """-> the settings of each member of the mix: what is `only` for others is 0 there."""
    return {member: _settings_of(augment, member) for member in members}


def check_only(augment: Augment, mix: Collection[str]) -> None:
    """Raise where `only` has a name that no augmentation or no member of the whole mix has."""
    for name, chosen in augment.only.items():
        if name not in NEUTRAL:
            raise UsageError(
                f"augment.only.{name}: there is no such augmentation.",
                did_you_mean(name, NEUTRAL) or f"One of: {', '.join(NEUTRAL)}",
            )
        for unknown in set(chosen) - set(mix):
            raise UsageError(
                f"augment.only.{name} names '{unknown}', which is no member of the mix.",
                did_you_mean(unknown, mix) or f"One of: {', '.join(sorted(mix))}",
            )


def _settings_of(augment: Augment, member: str) -> Augment:
    off = {name: 0.0 for name, chosen in augment.only.items() if member not in chosen}
    return augment.model_copy(update=off)
