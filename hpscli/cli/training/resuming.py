"""Which run --resume means."""

from pathlib import Path
from typing import TYPE_CHECKING

from hpscli.errors import MissingError, UsageError

if TYPE_CHECKING:
    from hpscli.cli.output import Output
    from hpscli.cli.training.order import Order

MOST = 3  # changes that a warning shows


def run_to_resume(order: "Order", output: "Output") -> Path | None:
    """-> the run folder that is continued, None to start one.

    --resume RUN; RECIPE --resume: its newest run; RECIPE --resume --out RUN: that one if it has come
    to a checkpoint, else it is started, so that the same command can be repeated until it ends.
    """
    from hpscli.train.keeping.state import check_resumable, whole

    plain = [word for word in order.words if "=" not in word]
    if not order.resume:
        _refuse_runs(order, plain)
        return None
    if len(plain) > 1:
        raise UsageError(f"--resume takes one run, not {len(plain)}: {' '.join(plain)}.")
    if order.out is not None:
        if plain:
            raise UsageError(
                f"--resume {plain[0]} and --out {order.out} both name a run.", "Give one of them."
            )
        return order.out if whole(order.out) else None
    if plain:
        return check_resumable(Path(plain[0]))
    if is_recipe(order.recipe):
        return newest_run(order.recipe, output)
    if not Path(order.recipe).exists():
        raise _neither(order.recipe)
    return check_resumable(Path(order.recipe))


def tell_changes(order: "Order", run: Path, world: int, output: "Output") -> None:
    """Warn where the recipe that was named says something else than its run, which keeps its own."""
    from hpscli.errors import HpsError
    from hpscli.recipe import load_recipe
    from hpscli.train.keeping.state import differences
    from hpscli.train.plan import adjusted

    if not is_recipe(order.recipe):
        return
    try:
        named = load_recipe(order.recipe, order.changes)
        lines = differences(run, adjusted(named, world, **order.adjustments()))
    except HpsError:  # it is not needed any more
        return
    if lines:
        more = f" and {len(lines) - MOST} more" if len(lines) > MOST else ""
        output.say(
            "warning",
            f"{run} goes on with its own recipe, which is not {order.recipe} as it is now: "
            f"{'; '.join(lines[:MOST])}{more}",
        )


def is_recipe(name: str) -> bool:
    """-> whether a word means a recipe rather than a run folder."""
    from hpscli.recipe import find_recipe

    if name.endswith(".toml") or Path(name).exists():
        return name.endswith(".toml")
    try:
        return bool(find_recipe(name))
    except UsageError:
        return False


def _neither(name: str) -> MissingError:
    """-> the error for a word that is no run and no recipe."""
    from hpscli.recipe import find_recipe

    fix = "The name of a run is printed when it starts. Recipes: hps recipes list"
    try:
        find_recipe(name)
    except UsageError as error:
        fix = fix if error.fix.startswith("See") else error.fix
    return MissingError(f"'{name}' is neither a run folder nor a recipe.", fix)


def newest_run(recipe: str, output: "Output") -> Path:
    """-> the newest run of a recipe that can be continued; newer ones that cannot are named."""
    from hpscli.nn.weights.sources import RUN_NAME
    from hpscli.recipe import load_recipe
    from hpscli.train.keeping.state import check_resumable, whole

    folder = Path("runs") / load_recipe(recipe).name
    found = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
    runs = [run for run in found if RUN_NAME.fullmatch(run.name)]
    for number, run in enumerate(runs):
        if whole(run):
            for passed in runs[:number]:
                output.say("warning", f"{passed} is newer, and was stopped before its first save")
            return run
    if not runs:
        raise MissingError(f"{recipe} has no run in {folder}.", f"Start one: hps train {recipe}")
    return check_resumable(folder)


def _refuse_runs(order: "Order", plain: list[str]) -> None:
    if plain:
        raise UsageError(f"'{plain[0]}' is not key=value.", "For example: optim.lr=1e-4")
    if (Path(order.recipe) / "recipe.toml").is_file():
        raise UsageError(
            f"{order.recipe} is a run folder, not a recipe.",
            f"Continue it: hps train --resume {order.recipe}",
        )
