"""Pictures of people in shards: one with all labels, a few as a recipe changes them."""

from pathlib import Path
from typing import TYPE_CHECKING

from hpscli.cli.output import Output, pairs

if TYPE_CHECKING:
    from hpscli.data.evalset import EvalSet

SHEET_PEOPLE = 3  # whose augmentations are drawn
SHEET_WINDOW = (224, 224)  # without a recipe that says one


def show_sample(output: Output, people: "EvalSet", number: int, out: Path | None) -> None:
    """Draw one person with all labels, and print what is stored."""
    from hpscli.data.audit.verify import describe, pictures
    from hpscli.errors import UsageError
    from hpscli.render.pictures import write_image

    if number >= len(people):
        raise UsageError(
            f"{people.location} has no person {number}; it has {len(people)}.",
            f"--sample 0 ... {len(people) - 1}",
        )
    output.say("drawing", f"person {number} of {people.location}")
    sample = people[number]
    path = out or Path(f"{sample.key}.png")
    write_image(path, pictures(sample))
    document = {**describe(sample), "picture": path}
    arrays = {name: list(array.shape) for name, array in sample.arrays.items()}
    rows = [
        ("key", sample.key),
        ("picture", path),
        *sample.meta.items(),
        *[(name, "x".join(map(str, shape))) for name, shape in arrays.items()],
    ]
    output.result("sample", document, lambda: pairs(rows))


def show_augmentations(
    output: Output, people: "EvalSet", recipe: str, seed: int, out: Path | None
) -> None:
    """Draw what the augmentations of a recipe make of a few people."""
    from hpscli.data.augmentations.sheet import EVERYTHING, augmentation_sheet
    from hpscli.recipe import load_recipe
    from hpscli.registry import get_registry
    from hpscli.render.pictures import write_image

    settings, window, joints, crop_scale = EVERYTHING, SHEET_WINDOW, "smpl24", 1.0
    if recipe != "everything":
        chosen = load_recipe(recipe)
        settings, joints = chosen.augment, chosen.data.joints
        window = chosen.data.image_size or get_registry().model(chosen.model.name).input_size
        crop_scale = chosen.data.crop_scale
    count = min(SHEET_PEOPLE, len(people))
    positions = [number * len(people) // count for number in range(count)]
    output.say("drawing", f"{count} people of {people.location}, as {recipe} changes them")
    sheet = augmentation_sheet(
        [people[position] for position in positions],
        settings,
        window=window,
        joints=joints,
        crop_scale=crop_scale,
        seed=seed,
        title=f"{recipe}: each augmentation alone and always, then all together as training draws them",
    )
    path = out or Path("augmentations.png")
    write_image(path, sheet)
    document = {"recipe": recipe, "people": [people.key(position) for position in positions]}
    rows = [("recipe", recipe), ("people", count), ("picture", path)]
    output.result("augmentations", {**document, "picture": path}, lambda: pairs(rows))
