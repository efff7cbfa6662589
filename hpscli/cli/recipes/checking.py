"""hps recipes check: does a recipe resolve, name only what exists, and train?"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, pairs, table

if TYPE_CHECKING:
    from hpscli.testing.recipes import Outcome

RAM = Path("/dev/shm")  # where there is one: runs write hundreds of MB, and are thrown away


def check(
    name: Annotated[
        str,
        typer.Argument(help="A recipe's name or path; with --all a folder, '*_free', or nothing."),
    ] = "",
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, as for `hps train`.")
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every shipped recipe, or those of a folder.")
    ] = False,
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Train one fast dev run, or only look names up.")
    ] = True,
    small: Annotated[
        bool, typer.Option("--small", help="The tiny network of each family: quicker.")
    ] = False,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole",
            help="Networks of any size as the recipe has them: minutes, 10 GB for each 200 M parameters.",
        ),
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Recipes at once.")] = 1,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Names of data, losses, protocols and parameters; then one batch is trained and one measured.

    The people are stand-ins: made up, with the labels of the recipe's data sets. Networks of more
    than 120 M parameters are replaced by their family's tiny one. Weights start at random.
    As its authors chose their weights: train.as_published=true.
    """
    from hpscli.errors import CheckFailed, UsageError
    from hpscli.recipe import find_recipe, recipes_like

    if not name and not all_:
        raise UsageError("which recipe?", "hps recipes check NAME, or all: hps recipes check --all")
    if all_ and overrides:
        raise UsageError("changes (key=value) are for one recipe.", "Leave --all out.")
    if small and whole:
        raise UsageError("a network is tried tiny or as it is.", "--small or --whole")
    if not all_:
        find_recipe(name)  # says which names are near
    names = list(recipes_like(name)) if all_ else [name]
    output = Output(json, quiet)
    if run:
        output.say("stand-ins", "people made up with the labels of each data set; free bodies")
    with _workplace() as folder:
        size = "small" if small else "whole" if whole else ""
        order = (overrides or [], str(folder), run, size)
        found = list(output.track(_outcomes(names, order, jobs), "checking", len(names), "recipes"))
    failed = [outcome for outcome in found if not outcome.ok]
    document = {
        "ok": not failed,
        "recipes": [_document(outcome) for outcome in found],
        "standins": run,
    }
    output.result("recipe-check", document, lambda: _draw(found))
    if failed and len(found) == 1:
        raise CheckFailed(f"recipe '{failed[0].name}' failed.", "\n".join(failed[0].problems))
    if failed:
        raise CheckFailed(
            f"{len(failed)} of {len(found)} recipes failed: {', '.join(o.name for o in failed)}.",
            f"Look at one: hps recipes check {failed[0].name}",
        )


@contextmanager
def _workplace() -> Iterator[Path]:
    place = RAM if RAM.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="hps-check-", dir=place) as folder:
        yield Path(folder)


Order = tuple[Sequence[str], str, bool, str]


def _outcomes(names: Sequence[str], order: Order, jobs: int) -> "Iterator[Outcome]":
    """-> what was found out, in the order of the names."""
    if min(jobs, len(names)) < 2:
        yield from (check_one(name, order) for name in names)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=one_thread) as pool:
        yield from pool.map(partial(check_one, order=order), names)


def one_thread() -> None:
    """Checks beside each other take one core each."""
    import torch

    torch.set_num_threads(1)


def check_one(name: str, order: Order) -> "Outcome":
    """One recipe, on stand-ins that all processes share."""
    from hpscli.testing.recipes import check_recipe
    from hpscli.testing.standins.folders import Standins

    overrides, folder, run, size = order
    place = Path(folder)
    return check_recipe(
        name,
        overrides,
        standins=Standins(place / "standins"),
        run=run,
        small=size == "small",
        whole=size == "whole",
        place=place,
    )


def _draw(found: "Sequence[Outcome]") -> None:
    table(
        ("recipe", "", "network", "seconds", "loss", "figures", "what"),
        [
            (
                o.name,
                "ok" if o.ok else "FAILED",
                _network(o),
                f"{o.seconds:.1f}",
                "" if o.loss is None else f"{o.loss:.4g}",
                ", ".join(o.figures[:2]),
                "; ".join(o.problems or (o.notes if len(found) == 1 else ())),
            )
            for o in found
        ],
    )
    if len(found) > 1:
        pairs(_summary(found))


def _network(outcome: "Outcome") -> str:
    """-> "27 M", or "tiny (own: 670 M)"."""
    size = f"{outcome.parameters / 1e6:.0f} M" if outcome.ran else ""
    return f"tiny (own: {size})" if outcome.small else size


def _summary(found: "Sequence[Outcome]") -> Iterator[tuple[str, str]]:
    """-> how often each thing was changed or noticed; what recipes would start from, together."""
    counts: dict[str, int] = {}
    starts: dict[str, None] = {}
    for outcome in found:
        for note in outcome.notes:
            head, comma, start = note.partition(", not from ")
            counts[head] = counts.get(head, 0) + 1
            if comma:
                starts[start] = None
    for note, count in sorted(counts.items()):
        yield f"{count} recipes", note
    if starts:
        yield "not read", ", ".join(starts)
    ran = [outcome for outcome in found if outcome.ran]
    whole = sum(not outcome.small for outcome in ran)
    yield (
        f"{len(ran)} recipes",
        f"trained a batch, {whole} of them with a network as large as it is",
    )


def _document(outcome: "Outcome") -> dict[str, Any]:
    return {"ok": outcome.ok, **{k: v for k, v in vars(outcome).items()}}
