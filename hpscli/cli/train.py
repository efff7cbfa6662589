"""hps train: a recipe -> a run folder with checkpoints."""

import os
import shlex
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption
from hpscli.errors import UsageError

if TYPE_CHECKING:
    from hpscli.recipe import Recipe
    from hpscli.train.plan import Part

TIME = "%Y-%m-%dT%H-%M-%S"  # of run folders, UTC: names sort as times do


def train(
    recipe: Annotated[str, typer.Argument(help="Recipe file or name; with --resume also a run.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Changes of the recipe: optim.lr=1e-4"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; default runs/RECIPE/TIME.", show_default=False)
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue RUN, or the newest run of the recipe, exactly."),
    ] = False,
    init: Annotated[
        str, typer.Option(help="Start from these weights: file, model.tag or run.")
    ] = "",
    gpus: Annotated[int, typer.Option(min=0, help="One process on each of N GPUs.")] = 0,
    processes: Annotated[int, typer.Option(min=0, help="N processes on the CPU.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda; default: the best there is.")] = "",
    dtype: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "",
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's seed.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Only the first N samples of each part.")] = 0,
    compile: Annotated[bool, typer.Option("--compile", help="Compile the network.")] = False,
    tracker: Annotated[str, typer.Option(help="tensorboard, wandb ... besides log.jsonl.")] = "",
    keep_lr: Annotated[
        bool, typer.Option("--keep-lr", help="Accept another global batch, same rate.")
    ] = False,
    scale_lr: Annotated[
        bool, typer.Option("--scale-lr", help="Accept another global batch, scale the rate.")
    ] = False,
    no_validate: Annotated[
        bool, typer.Option("--no-validate", help="Do not measure after each epoch.")
    ] = False,
    fast_dev_run: Annotated[
        bool, typer.Option("--fast-dev-run", help="Two steps of everything, to see that it works.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check recipe, data and memory; train nothing.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a recipe; Ctrl-C saves and says how to go on.

    --resume continues a run exactly: hps train --resume RUN.

    --init starts a new run from weights only.

    Under `accelerate launch -m hpscli train RECIPE` or torchrun, this is one process of their job.
    """
    if "RANK" in os.environ:  # else DDP warns that it found no unused parameters; torch reads
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # this when it is imported

    from hpscli.nn.sources import find_checkpoint
    from hpscli.recipe import load_recipe
    from hpscli.train.launch import check_gpus, inside_job
    from hpscli.train.plan import adjusted

    words = words or []
    if gpus and processes:
        raise UsageError("--gpus and --processes both say how many processes.", "Give one of them.")
    if gpus and device != "cpu" and not inside_job():
        check_gpus(gpus)
    world = _world(gpus, processes)
    changes = [word for word in words if "=" in word]
    run = _run_to_resume(recipe, words, resume, init)
    chosen = adjusted(
        load_recipe(recipe if run is None else str(run / "recipe.toml"), changes),
        world,
        init=init,
        dtype=dtype,
        seed=seed,
        compile=compile,
        limit=limit,
        fast=fast_dev_run,
    )
    if run is None and chosen.model.init:
        find_checkpoint(chosen.model.init)  # before people are made for the training
    settings: dict[str, Any] = {
        "device": "cpu" if processes else device,
        "validate": not no_validate,
        "tracker": tracker,
        "keep_lr": keep_lr,
        "scale_lr": scale_lr,
    }
    output = Output(json, quiet or not _talks())
    terms = _check(chosen, run, world, settings, output, dry_run, changes)
    if dry_run:
        if _talks():
            document: dict[str, Any] = {"run": None, "dry_run": True, "recipe": chosen.name}
            document |= {"processes": world, "terms": terms}
            output.result("train", document, lambda: None)
        return
    place = run or out or Path("runs") / chosen.name / datetime.now(UTC).strftime(TIME)
    if world > 1 and not inside_job():
        _launch(chosen, world, place, changes if run else None, settings, quiet)
    else:
        from hpscli.train.loop import train as run_training

        story = Output(json, quiet)
        run_training(chosen, place, resume=run is not None, say=story.say, **settings)
    if _talks():
        output.result("train", {"run": str(place)}, lambda: print(place))
        output.next(
            f"hps eval {place} --testset {_testset(chosen)}     "
            f"hps predict IMAGE --checkpoint {place}"
        )


def _talks() -> bool:
    """-> whether this process tells the plan: the launcher, or the first process of another's job."""
    from hpscli.train.launch import PARENT

    return PARENT not in os.environ and os.environ.get("RANK", "0") == "0"


def _testset(recipe: "Recipe") -> str:
    from hpscli.registry import get_registry

    validation = recipe.data.validation
    return get_registry().protocol(validation.protocol).testset if validation else "NAME"


def _world(gpus: int, processes: int) -> int:
    from hpscli.train.launch import inside_job

    return int(os.environ["WORLD_SIZE"]) if inside_job() else max(gpus, processes, 1)


def _run_to_resume(recipe: str, words: list[str], resume: bool, init: str) -> Path | None:
    """-> the run folder that --resume means: a word, the recipe argument, or the recipe's newest."""
    plain = [word for word in words if "=" not in word]
    if not resume:
        if plain:
            raise UsageError(f"'{plain[0]}' is not key=value.", "For example: optim.lr=1e-4")
        if Path(recipe).is_dir():
            raise UsageError(
                f"{recipe} is a run folder, not a recipe.",
                f"Continue it: hps train --resume {recipe}",
            )
        return None
    if init:
        raise UsageError(
            "--resume continues a run with its own weights, --init starts a new run from others; "
            "they exclude each other.",
            "Continue exactly: --resume RUN. New run from weights: --init FILE, without --resume.",
        )
    from hpscli.recipe import list_recipes, load_recipe
    from hpscli.train.state import check_resumable

    if len(plain) > 1:
        raise UsageError(f"--resume takes one run, not {len(plain)}: {' '.join(plain)}.")
    if plain:
        return check_resumable(Path(plain[0]))
    if recipe.endswith(".toml") or (recipe in list_recipes() and not Path(recipe).exists()):
        return check_resumable(Path("runs") / load_recipe(recipe).name)
    return check_resumable(Path(recipe))


def _check(
    recipe: "Recipe",
    run: Path | None,
    world: int,
    settings: dict[str, Any],
    output: Output,
    dry_run: bool,
    changes: list[str],
) -> list[dict[str, Any]]:
    """Say the plan and refuse what cannot work, before any process starts -> terms of a dry run."""
    from hpscli.recipe import recipe_hash
    from hpscli.train import plan
    from hpscli.train.active import active_terms_of, idle_warning
    from hpscli.train.launch import inside_job
    from hpscli.train.schedule import learning_rate
    from hpscli.train.state import check_recipe as check_same
    from hpscli.train.track import check_tracker

    if settings["tracker"]:
        check_tracker(settings["tracker"])
    if run is not None:
        check_same(run, recipe)
    choice = {"keep_lr": settings["keep_lr"], "scale_lr": settings["scale_lr"]}
    steps = plan.check_recipe(recipe, world, **choice)
    rate = learning_rate(recipe, steps, keep=choice["keep_lr"], scale=choice["scale_lr"])
    parts = plan.check_shards(recipe, validate=settings["validate"])
    if not dry_run and any(map(plan.makeable, parts)) and not inside_job():
        _prepare(parts, output)
        parts = plan.check_shards(recipe, validate=settings["validate"])
    changed = f"   changed: {' '.join(changes)}" if changes else ""
    output.say("recipe", f"{recipe.name}   hash {recipe_hash(recipe)}{changed}")
    for label, text in plan.describe(recipe, steps, parts, rate):
        output.say(label, text)
    if dry_run:
        cost = plan.measure(recipe)
        output.say("model", f"{recipe.model.name}   {cost['parameters'] / 1e6:.2f} M parameters")
        output.say("memory", f"about {cost['megabytes']:.0f} MB a process: weights and activations")
        terms = active_terms_of(recipe)
        for number, line in enumerate(terms.lines()):
            output.say("losses" if number == 0 else "", line)
        for name in terms.idle():
            output.say("warning", idle_warning(name, terms))
        output.say("dry run", "nothing was trained")
    plan.refuse_missing(parts)
    return terms.document() if dry_run else []


def _prepare(parts: "list[Part]", output: Output) -> None:
    """Make the shards that are missing and need no files, as the recipe says."""
    from hpscli.cli.app import load_command
    from hpscli.train.plan import makeable

    for part in filter(makeable, parts):
        words = [*shlex.split(part.prepare), "--out", part.shards]
        output.say("data", f"{part.shards} is not there, but can be made:")
        output.say("$", f"hps prepare {shlex.join(words)}")
        with redirect_stdout(sys.stderr):
            load_command("prepare").main(args=words, prog_name="hps prepare", standalone_mode=False)


def _launch(
    recipe: "Recipe",
    world: int,
    place: Path,
    resumed: list[str] | None,
    settings: dict[str, Any],
    quiet: bool,
) -> None:
    """Start the processes of a job: each is told the same recipe, complete, and the run folder.

    `resumed`: key=value words for a run that is continued, None for a new one.
    """
    from hpscli.recipe import to_toml
    from hpscli.train.launch import launch

    with TemporaryDirectory(prefix="hps-train-") as folder:
        file = Path(folder) / f"{recipe.name}.toml"
        file.write_text(to_toml(recipe), encoding="utf-8")
        new = ["--out", str(place)]
        place_words = new if resumed is None else ["--resume", str(place), *resumed]
        words = ["train", str(file), *place_words, "--device", settings["device"]]
        words += ["--tracker", settings["tracker"]]
        words += ["--no-validate"] if not settings["validate"] else []
        words += [
            f"--{name.replace('_', '-')}" for name in ("keep_lr", "scale_lr") if settings[name]
        ]
        words += ["--quiet"] if quiet else []
        if code := launch(words, world):
            raise typer.Exit(code)
