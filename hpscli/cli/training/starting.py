"""Carrying out an order: in this process, in several that are started here, or as a job of a cluster."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import typer

from hpscli.cli.output import Output
from hpscli.cli.training.machine import refused_here
from hpscli.cli.training.order import Order, check
from hpscli.cli.training.planning import check_plan
from hpscli.cli.training.resuming import run_to_resume, tell_changes
from hpscli.errors import HpsError, Interrupted, UsageError

if TYPE_CHECKING:
    from hpscli.recipe import Recipe
    from hpscli.train.scaling.launch import Ending
    from hpscli.train.scaling.slurm import Cluster


def carry_out(order: Order) -> None:
    """Do what was typed; what happens to all processes of a job is said by the first."""
    from hpscli.launched import join_step

    join_step()
    if "RANK" in os.environ:  # else DDP warns that it found no unused parameters; torch reads
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # this when it is imported
    # data workers whose process is killed leave semaphores; their tracker removes them, with a warning
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning:multiprocessing.resource_tracker")
    try:
        _carry_out(order)
    except (UsageError, Interrupted) as error:  # the same for all
        if os.environ.get("RANK", "0") == "0":
            raise
        _let_the_first_end(error)


def _let_the_first_end(error: HpsError) -> None:
    """The first bad exit may end all (torchrun, srun --kill-on-bad-exit): it is to be that of process 0.

    Another process that ends earlier silences it. An error that is still there after a while is
    this process's alone.
    """
    from hpscli.train.scaling.launch import FIRST_SECONDS
    from hpscli.train.scaling.stopping import PARENT

    if isinstance(error, Interrupted):  # our own launcher has asked for it, and waits for all
        raise typer.Exit(error.exit_code if PARENT in os.environ else 0)
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(error.exit_code))
    time.sleep(FIRST_SECONDS)
    raise error


def _carry_out(order: Order) -> None:
    from hpscli.nn.weights.sources import find_checkpoint
    from hpscli.recipe import load_recipe
    from hpscli.train.plan import adjusted

    check(order)
    cluster = _cluster(order)
    world = _world(order, cluster)
    output = Output(order.json, order.quiet or not talks())
    run = run_to_resume(order, output)
    # with --out a recipe is named besides the run: check_plan compares the two
    named = order.recipe if run is None or order.out else str(run / "recipe.toml")
    recipe = adjusted(load_recipe(named, order.changes), world, **order.adjustments())
    if run is not None and order.out is None:
        tell_changes(order, run, world, output)
    if run is None and recipe.model.init and not order.dry_run:
        find_checkpoint(recipe.model.init)  # before people are made for the training
    if order.dry_run and cluster is not None:
        output.say("job", cluster.describe())
    refused = refused_here(order, recipe, cluster, start=run is None)
    terms = check_plan(order, recipe, run, world, output, refused)
    if order.dry_run:
        if talks():
            document: dict[str, Any] = {"run": None, "dry_run": True, "recipe": recipe.name}
            document |= {"processes": world, "terms": terms}
            output.result("train", document, lambda: None)
        return
    with _place(order, recipe, run) as place:
        if cluster is not None:
            from hpscli.cli.training.cluster import hand_over

            hand_over(order, recipe, place, cluster, output)
            return
        _train(order, recipe, run, place, world)
    if talks():
        output.result("train", {"run": str(place)}, lambda: print(place))
        output.next(
            f"hps eval {place} --testset {_testset(recipe)}     "
            f"hps predict IMAGE --checkpoint {place}"
        )


@contextmanager
def _place(order: Order, recipe: "Recipe", run: Path | None) -> Iterator[Path]:
    """-> the folder of the run; a new one is there at once, for another run may start in this second."""
    from hpscli.nn.weights.sources import TRIAL
    from hpscli.run.places import dated_folder

    if given := run or order.out:
        yield given
        return
    place = dated_folder(Path("runs") / recipe.name, TRIAL * order.fast, make=talks())
    try:
        yield place
    except BaseException:
        with suppress(OSError):  # of one in which nothing was written nothing stays
            os.removedirs(place)
        raise


def _train(order: Order, recipe: "Recipe", run: Path | None, place: Path, world: int) -> None:
    """Train in this process, or start as many as are wanted."""
    from hpscli.train.scaling.launch import inside_job

    if world > 1 and not inside_job():
        _launch(order, recipe, run, place, world)
        return
    from hpscli.train.loop import train as run_training

    story = Output(order.json, order.quiet)
    run_training(recipe, place, resume=run is not None, say=story.say, **order.settings)


def _cluster(order: Order) -> "Cluster | None":
    from hpscli.train.scaling.launch import check_launcher, inside_job
    from hpscli.train.scaling.slurm import cluster_of

    check_launcher(order.processes)
    if not order.slurm:
        return None
    if inside_job():
        raise UsageError(
            "--slurm hands a job over, and this process is in one.", "Leave --slurm out."
        )
    return cluster_of(order.slurm)


def _world(order: Order, cluster: "Cluster | None") -> int:
    """-> how many processes there will be, or are."""
    from hpscli.train.scaling.launch import check_gpus, inside_job

    if cluster is not None:
        return cluster.world
    if inside_job():
        return int(os.environ["WORLD_SIZE"])
    if order.gpus and order.device != "cpu" and not order.dry_run:  # that one names it among others
        check_gpus(order.gpus)
    return max(order.gpus, order.processes, 1)


def talks() -> bool:
    """-> whether this process tells the plan: the launcher, or the first process of another's job."""
    from hpscli.train.scaling.stopping import PARENT

    return PARENT not in os.environ and os.environ.get("RANK", "0") == "0"


def _testset(recipe: "Recipe") -> str:
    from hpscli.registry import get_registry

    validation = recipe.data.validation
    return get_registry().protocol(validation.protocol).testset if validation else "NAME"


def _launch(order: Order, recipe: "Recipe", run: Path | None, place: Path, world: int) -> None:
    """Start the processes of a job: each is told the same recipe, complete, and the run folder."""
    from hpscli.recipe import to_toml
    from hpscli.train.scaling.launch import launch

    with TemporaryDirectory(prefix="hps-train-") as folder:
        file = Path(folder) / f"{recipe.name}.toml"
        file.write_text(to_toml(recipe), encoding="utf-8")
        words = ["train", str(file), *_where(order, run, place)]
        words += ["--device", order.settings["device"], "--tracker", order.tracker]
        words += [] if order.validate else ["--no-validate"]
        words += ["--keep-lr"] if order.keep_lr else []
        words += ["--scale-lr"] if order.scale_lr else []
        words += ["--quiet"] if order.quiet else []
        tell_ending(launch(words, world), order.again(place), place, world)


def _where(order: Order, run: Path | None, place: Path) -> list[str]:
    """-> the words that say in which folder, and whether it is continued."""
    if run is None:
        return ["--out", str(place)]
    if order.out is not None:  # with the recipe that was named, whose free keys may be others
        return ["--out", str(place), "--resume"]
    return ["--resume", str(place), *order.changes]


def tell_ending(ending: "Ending", again: str, place: Path, world: int) -> None:
    """Say which process ended the others, unless one of them has said why it did."""
    from hpscli.train.keeping.state import saved_step
    from hpscli.train.scaling.launch import LOST, STOP_SECONDS

    if not ending.code:
        return
    step = saved_step(place)
    on = (
        f"Everything up to step {step} is saved. Continue: {again}"
        if step >= 0
        else f"Nothing was saved yet. Start again: hps train RECIPE --out {place} --resume"
    )
    if ending.late:
        raise HpsError(
            f"the processes did not stop within {STOP_SECONDS:.0f} s and were killed.", on
        )
    if ending.cause >= 0:
        told = ending.cause in (0, LOST) or world == 1
        if not told:
            Output().say("stopped", f"process {ending.rank} of {world} ended with the error above")
        raise typer.Exit(ending.code)
    killer = signal.Signals(-ending.cause).name
    memory = " (often for want of memory)" if killer == "SIGKILL" else ""
    raise HpsError(
        f"process {ending.rank} of {world} was killed by {killer}{memory}; the others were stopped.",
        on,
    )
