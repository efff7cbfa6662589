"""hps train: a recipe -> a run folder with checkpoints."""

from pathlib import Path
from typing import Annotated

import typer

from hpscli.cli.output import JsonOption, QuietOption
from hpscli.cli.recipes.keys import RecipeCommand

app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
RUN, CHANGES, WHERE, BATCH, CHECKS = (
    "The run",
    "Instead of what the recipe says",
    "Where it runs",
    "Another global batch than the recipe's: say how",
    "Trying it",
)
Out = Annotated[
    Path | None,
    typer.Option(
        help="Run folder; default runs/RECIPE/TIME.", show_default=False, rich_help_panel=RUN
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Continue RUN, or the newest run of the recipe, exactly. With --out: start it if need be.",
        rich_help_panel=RUN,
    ),
]
Init = Annotated[
    str,
    typer.Option(help="Start from these weights: file, model.tag or run.", rich_help_panel=RUN),
]
Tracker = Annotated[
    str,
    typer.Option(help="tensorboard, wandb ... besides log.jsonl.", rich_help_panel=RUN),
]
NoValidate = Annotated[
    bool,
    typer.Option("--no-validate", help="Do not measure after each epoch.", rich_help_panel=RUN),
]
AsPublished = Annotated[
    bool,
    typer.Option(
        "--as-published",
        help="Choose the best checkpoint on the authors' test set; results then say so.",
        rich_help_panel=RUN,
    ),
]
Dtype = Annotated[str, typer.Option(help="fp32, bf16 or fp16.", rich_help_panel=CHANGES)]
Seed = Annotated[int | None, typer.Option(help="Of everything random.", rich_help_panel=CHANGES)]
Limit = Annotated[
    int,
    typer.Option(min=0, help="Only the first N samples of each part.", rich_help_panel=CHANGES),
]
Compile = Annotated[
    bool, typer.Option("--compile", help="Compile the network.", rich_help_panel=CHANGES)
]
Gpus = Annotated[
    int, typer.Option(min=0, help="One process on each of N GPUs.", rich_help_panel=WHERE)
]
Processes = Annotated[
    int, typer.Option(min=0, help="N processes on the CPU.", rich_help_panel=WHERE)
]
Device = Annotated[
    str, typer.Option(help="cpu or cuda; default: the best there is.", rich_help_panel=WHERE)
]
Slurm = Annotated[
    str,
    typer.Option(
        help="As a job on a cluster: nodes=2,gpus=4,partition=main ...",
        rich_help_panel=WHERE,
    ),
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait", help="With --slurm: follow the job's log to its end.", rich_help_panel=WHERE
    ),
]
KeepRate = Annotated[
    bool, typer.Option("--keep-lr", help="The same learning rate.", rich_help_panel=BATCH)
]
ScaleRate = Annotated[
    bool,
    typer.Option("--scale-lr", help="The rate times as much as the batch.", rich_help_panel=BATCH),
]
Fast = Annotated[
    bool,
    typer.Option(
        "--fast-dev-run",
        help="One batch through everything, to see that it works.",
        rich_help_panel=CHECKS,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Check recipe, data and memory; train nothing.",
        rich_help_panel=CHECKS,
    ),
]


@app.command(cls=RecipeCommand)
def train(
    recipe: Annotated[str, typer.Argument(help="Recipe file or name; with --resume also a run.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="Changes of the recipe: optim.lr=1e-4"),
    ] = None,
    out: Out = None,
    resume: Resume = False,
    init: Init = "",
    tracker: Tracker = "",
    no_validate: NoValidate = False,
    as_published: AsPublished = False,
    dtype: Dtype = "",
    seed: Seed = None,
    limit: Limit = 0,
    compile: Compile = False,
    gpus: Gpus = 0,
    processes: Processes = 0,
    device: Device = "",
    slurm: Slurm = "",
    wait: Wait = False,
    keep_lr: KeepRate = False,
    scale_lr: ScaleRate = False,
    fast_dev_run: Fast = False,
    dry_run: DryRun = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a recipe; Ctrl-C saves and says how to go on.

    --resume continues a run exactly: hps train --resume RUN.

    --init starts a new run from weights only.

    Under accelerate launch, torchrun or srun, this is one process of their job.
    """
    from hpscli.cli.training.order import Order
    from hpscli.cli.training.starting import carry_out

    carry_out(
        Order(
            recipe=recipe,
            words=tuple(words or ()),
            out=out,
            resume=resume,
            init=init,
            tracker=tracker,
            validate=not no_validate,
            as_published=as_published,
            dtype=dtype,
            seed=seed,
            limit=limit,
            compile=compile,
            gpus=gpus,
            processes=processes,
            device=device,
            slurm=slurm,
            wait=wait,
            keep_lr=keep_lr,
            scale_lr=scale_lr,
            fast=fast_dev_run,
            dry_run=dry_run,
            json=json,
            quiet=quiet,
        )
    )
