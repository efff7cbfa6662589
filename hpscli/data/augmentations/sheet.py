"""A picture of what a recipe does to people: each augmentation alone, and all together."""

from collections.abc import Sequence

import numpy as np

from hpscli.data.augmentations.changes import NEUTRAL, draw
from hpscli.data.batch import make_batch
from hpscli.data.crops import from_crop_units
from hpscli.data.epochs.generators import sample_generators
from hpscli.recipe import Augment
from hpscli.records import Sample
from hpscli.render.pictures import contact_sheet, draw_keypoints

GROUPS_ABREAST = 3  # augmentations beside each other
TOGETHER = 2  # groups with all of them, as training draws them
RANGES = ("rotation_degrees", "scale", "shift", "colour", "truncation")  # all others are chances
# What published trainings use, where a recipe has none of it: docs/explanation/augmentations.md.
EVERYTHING = Augment(shift=0.1, truncation=0.4, **dict.fromkeys(set(NEUTRAL) - set(RANGES), 0.5))


def augmentation_sheet(
    people: Sequence[Sample],
    augment: Augment,
    *,
    window: tuple[int, int],
    joints: str,
    crop_scale: float = 1.0,
    seed: int = 0,
    title: str = "",
) -> np.ndarray:
    """A few people -> RGB picture: unchanged, each augmentation alone and always, all by chance.

    2D labels are drawn where they are after the change.
    """
    off = augment.model_copy(update={name: 0.0 for name in NEUTRAL})
    shown = [("unchanged", off)]
    for name in NEUTRAL:
        value = getattr(augment, name)
        if value:
            always = {name: value if name in RANGES else 1.0, "rotation_chance": 1.0}
            shown.append((name, off.model_copy(update=always)))
    shown += [(f"together {number + 1}", augment) for number in range(TOGETHER)]
    images, captions = [], []
    for number, (name, settings) in enumerate(shown):
        # alone, all are drawn from the same places: only what differs differs
        first = number * len(people) if settings is augment else 0
        generators = sample_generators(seed, first, len(people))
        changes = draw(generators, people, settings, window, crop_scale)
        batch = make_batch(people, window, joints, crop_scale=crop_scale, changes=changes)
        points = batch.targets.get(f"keypoints2d.{joints}")
        for row in range(len(people)):
            image = np.ascontiguousarray(batch.image[row].permute(1, 2, 0).numpy())
            if points is not None:
                moved = points[row].numpy().astype(np.float64)
                moved[:, :2] = from_crop_units(moved[:, :2], window)
                image = draw_keypoints(image, moved, joints)
            images.append(image)
            captions.append(name.replace("_", " "))
    columns = GROUPS_ABREAST * len(people)
    sheet: np.ndarray = contact_sheet(images, captions, columns, title=title)
    return sheet
