"""hps bench free: every free recipe from scratch, beside the mean person."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, table

if TYPE_CHECKING:
    from hpscli.recipe import Recipe
    from hpscli.testing.free_training import Row

PLACE = Path("runs") / "free"
COLUMNS = (
    *("recipe", "model", "people", "steps", "samples", "minutes", "CPU minutes"),
    *("mean MPJPE", "MPJPE", "below %", "mean PA-MPJPE", "PA-MPJPE", "below %", ""),
)


def free(
    names: Annotated[
        list[str] | None, typer.Argument(help="Recipes by name or file; default: all *_free.")
    ] = None,
    least: Annotated[
        float, typer.Option(min=0.0, help="% below the mean person that MPJPE has to be.")
    ] = 15.0,
    check: Annotated[
        bool, typer.Option("--check", help="Exit 4 when a recipe stays above that.")
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Folder of the runs; finished ones are taken as they are.")
    ] = PLACE,
    markdown: Annotated[
        Path | None,
        typer.Option(help="Also write the table as a page of documents.", show_default=False),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train every recipe of free people from scratch on the CPU; compare with the mean person.

    Missing people are made first, which is not counted. Measured are the weights of the last step, under
    the protocol of the recipe's validation. Stop it at any time: the same command goes on.
    """
    from hpscli.errors import CheckFailed
    from hpscli.recipe import load_recipe
    from hpscli.testing.free_training import free_recipes, measured, train_from_scratch

    output = Output(json, quiet)
    rows: list[Row] = []
    recipes = {name: load_recipe(name) for name in free_recipes(names or ())}
    for name, recipe in recipes.items():
        output.say("\n$", f"hps train {name}")
        _make_people(recipe, output)
        place = out / recipe.name
        times = train_from_scratch(name, recipe, place, quiet=quiet)
        rows.append(measured(recipe, place, times))
    machine = _machine()
    document = {"machine": machine, "least_percent": least}
    document["rows"] = [row.document(least) for row in rows]
    output.result("bench-free", document, lambda: _draw(rows, least, machine))
    if markdown is not None:
        from hpscli.atomic import write_atomically

        left_out = sorted({*free_recipes()} - {*recipes})
        write_atomically(markdown, page(rows, least, machine, left_out).encode())
        output.say("saved", markdown)
    bad = [row.name for row in rows if not row.ok(least)]
    if check and bad:
        raise CheckFailed(f"less than {least:g} % below the mean person: {', '.join(bad)}.")


def _make_people(recipe: "Recipe", output: Output) -> None:
    """Make what is missing, so that its time is not that of the training."""
    from hpscli.cli.training.people import make, to_make
    from hpscli.train.plan import check_shards

    for wanted in to_make(recipe, check_shards(recipe), 0):
        make(wanted, output)


def _machine() -> str:
    """-> "Intel ..., 2 cores, ...; torch 2.5, hps 1.0": what the times belong to."""
    import os
    from importlib.metadata import version

    from hpscli import __version__

    names = (line for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name"))
    processor = next(names, "").partition(":")[2].strip() or "CPU"
    where = f"{processor}, {os.cpu_count()} cores, with the threads that `hps train` chooses"
    return f"{where}; torch {version('torch')}, hps {__version__}"


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.is_file() else []


def _cells(row: "Row", least: float) -> tuple[object, ...]:
    cpu = row.times.cpu_s
    cells: list[Any] = [row.name, row.family, row.people, row.steps, row.samples]
    cells += [row.times.wall_s / 60, None if cpu is None else cpu / 60]
    for name in row.ours:
        cells += [row.mean[name], row.ours[name], row.below[name]]
    return (*cells, "ok" if row.ok(least) else f"above {least:g} %")


def _draw(rows: "list[Row]", least: float, machine: str) -> None:
    table(COLUMNS, [_cells(row, least) for row in rows])
    print(machine)
    print(_company(rows))


def _company(rows: "list[Row]") -> str:
    """-> what is to be known about the times: other programs on the same machine."""
    loads = [row.times.load for row in rows]
    days = sorted({row.times.date for row in rows})
    return (
        f"{' to '.join(dict.fromkeys((days[0], days[-1])))}; in the minute before each training began, "
        f"{min(loads):.1f} to {max(loads):.1f} other programs wanted a core."
    )


HEAD = """# Free recipes

For each family there is a recipe that needs no files: `hps train NAME_free` makes its own
[people](synthetic-people.md) and trains the `tiny` preset in minutes. They show that losses and the loop
teach every network something about people who are at most mirrored, moved and scaled a little: rotation and colours
stay off, for minutes are few. Nobody should use what comes out.

METRO, Mesh Graphormer, FastMETRO and OSX see bodies in a plain room (`scene=plain`), HMR, PARE, HMR2 and all that
learn hands see them anywhere. Networks that start from nothing spend their first ten thousand people on finding out
what is background, and those four take too long for each person to get beyond that in five minutes.

What that is, against *the mean person*: the mean of the root-centred training people, predicted for everybody without
looking at a picture. Both are measured on 200 people of the validation split, with the weights of the last step.

This page was written by

    hps bench free --markdown docs/explanation/free-recipes.md

which trains every one of them from scratch, goes on where it was stopped, and with `--check` ends with exit code 4
when one is less than 15 % below the mean person in MPJPE.

"""


def page(rows: "list[Row]", least: float, machine: str, left_out: Sequence[str] = ()) -> str:
    """-> the page docs/explanation/free-recipes.md; left_out: recipes that were not asked for."""
    titles = (*COLUMNS[:5], "min", "CPU min", *COLUMNS[7:])
    lines = ["| " + " | ".join(titles) + " |"]
    lines.append("|---|---|---|" + "--:|" * (len(titles) - 4) + "---|")
    for row in rows:
        cells = [f"{c:.1f}" if isinstance(c, float) else str(c) for c in _cells(row, least)]
        lines.append("| " + " | ".join(cells) + " |")
    foot = (
        "Errors in mm. `min` is the time of the whole command `hps train` with its validations and "
        "pictures,\n`CPU min` that of all its processes together (without the making of people).\n\n"
        f"{machine}.\n{_company(rows)}\n"
    )
    if left_out:
        foot += f"\nNot in this table, for nobody asked for them: {', '.join(left_out)}.\n"
    return HEAD + "\n".join(lines) + "\n\n" + foot
