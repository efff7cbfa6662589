"""hps eval: a checkpoint on a test set -> figures, and a file that says what they mean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpscli.cli.output import CropOption, JsonOption, Output, QuietOption, pairs, table
from hpscli.errors import UsageError

if TYPE_CHECKING:
    from hpscli.run.sessions.every import LeftOut
    from hpscli.run.sessions.request import Request


Tta = Annotated[
    str, typer.Option(help="flip or multiscale (hands): average several views; changes figures.")
]
Flip = Annotated[bool, typer.Option("--flip", help="The same as --tta flip.")]
Boxes = Annotated[
    str, typer.Option(help="File of boxes in place of the annotated ones: JSON or CSV.")
]
Metrics = Annotated[str, typer.Option(help="Only these figures: mpjpe,pa_mpjpe.")]
BodySource = Annotated[str, typer.Option(help="free or imported; default: the model's own.")]
Baseline = Annotated[
    str,
    typer.Option(help="Training shards: also measure their mean person. `mean`: as prepared."),
]
Visualize = Annotated[
    bool, typer.Option("--visualize", help="Draw the worst, median and best people.")
]
MultiView = Annotated[
    bool, typer.Option("--multi-view", help="With --visualize: from the sides and above too.")
]
Save = Annotated[
    Path | None, typer.Option(help="Keep the predictions in this .npz.", show_default=False)
]
Report = Annotated[
    bool, typer.Option("--report/--no-report", help="A page (.html) beside the result.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be used and needed; measure nothing.")
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Compare result files or runs instead: --compare A B ...")
]
Slurm = Annotated[str, typer.Option(help="As a job on a cluster: time=60,tasks=4 ...")]
Out = Annotated[
    Path | None, typer.Option(help="Result file (.json) or folder.", show_default=False)
]


def evaluate(
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CHECKPOINT]",
            help="File, model.tag, RUN, RUN@EPOCH, or a file of predictions; default: the latest run "
            "that fits, else what ships.",
        ),
    ] = None,
    testset: Annotated[
        str, typer.Option(help="As in `hps protocols list`; all: every one that is here.")
    ] = "",
    protocol: Annotated[str, typer.Option(help="A certain protocol of it: spin-v1.")] = "",
    checkpoint: Annotated[str, typer.Option(help="The checkpoint, by name.")] = "",
    shards: Annotated[
        str,
        typer.Option(help="Folder or URL; default shards/ and the protocol's name up to its @."),
    ] = "",
    batch: Annotated[int, typer.Option(min=1, help="People at once; changes no figure.")] = 32,
    limit: Annotated[int, typer.Option(min=0, help="Only the first N people; 0: all.")] = 0,
    gpus: Annotated[int, typer.Option(min=0, help="One process on each of N GPUs.")] = 0,
    processes: Annotated[int, typer.Option(min=0, help="N processes on the CPU.")] = 0,
    slurm: Slurm = "",
    device: Annotated[str, typer.Option(help="cpu or cuda; default: the best there is.")] = "",
    dtype: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    tta: Tta = "",
    flip: Flip = False,
    crop: CropOption = "",
    boxes: Boxes = "",
    metrics: Metrics = "",
    body_source: BodySource = "",
    baseline: Baseline = "",
    visualize: Visualize = False,
    multi_view: MultiView = False,
    save_predictions: Save = None,
    report: Report = True,
    dry_run: DryRun = False,
    compare: Compare = False,
    out: Out = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Measure a checkpoint, or a file of predictions, on a test set under a named protocol.

    Every person counts exactly once, whatever the batch and the number of processes. The result
    file holds every person's error and the hashes of what was measured.
    """
    output = Output(json, quiet)
    named = [*(given or ()), *([checkpoint] if checkpoint else ())]
    if compare:
        from hpscli.cli.evaluating.comparing import compare_results

        compare_results(output, named, out, force)
        return
    from hpscli.run.sessions.request import Request

    request = Request(
        checkpoint=_one_of(named),
        testset=testset,
        protocol=protocol,
        shards=shards,
        batch=batch,
        limit=limit,
        gpus=gpus,
        processes=processes,
        device=device,
        dtype=dtype,
        flip=flip,
        tta="" if tta == "none" else tta,
        crop=crop,
        boxes=boxes,
        metrics=tuple(word.strip() for word in metrics.split(",") if word.strip()),
        body_source=body_source,
        baseline=baseline,
        visualize=visualize,
        multi_view=multi_view,
        save_predictions=save_predictions,
        report=report,
        dry_run=dry_run,
        out=out,
        force=force,
    )
    if dry_run:
        _plan(output, request)
    elif slurm:
        _hand_over(output, request, slurm)
    elif testset == "all":
        _measure_all(output, request)
    else:
        _measure(output, request)


def _one_of(named: list[str]) -> str:
    """-> the only checkpoint, "" for none."""
    if len(named) > 1:
        count = "two" if len(named) == 2 else len(named)
        raise UsageError(
            f"{count} checkpoints are named.",
            f"Name one: hps eval {named[0]}     (results: hps eval --compare A B)",
        )
    return "".join(named)


def _measure(output: Output, request: "Request") -> None:
    """Do what was asked, print and save."""
    from hpscli.cli.evaluating.table import draw_result
    from hpscli.run.sessions.session import run_request

    done = run_request(request, output.say, output.progress)
    if done is None:  # another process of the group has the word
        return
    result, file, spec = done
    document = {**result.document(), "samples_file": file.with_suffix(".samples.npz").name}
    output.result("eval", {**document, "file": str(file)}, lambda: draw_result(result))
    output.say("saved", file)
    output.next(f"hps protocols show {spec.name}     hps eval --compare {file} OTHER.json")


def _measure_all(output: Output, request: "Request") -> None:
    """Every test set that is here; what failed is exit 4, after everything else was measured."""
    from hpscli.cli.evaluating.table import draw_result
    from hpscli.errors import CheckFailed
    from hpscli.run.sessions.every import run_all

    found = run_all(request, output.say, output.progress)
    if found is None:
        return

    def draw() -> None:
        for result, _, _ in found.done:
            draw_result(result)
        if found.left_out:
            rows = [(entry.protocol, *_in_short(entry)) for entry in found.left_out]
            table(("not measured", "why", "what to type"), rows)

    output.result("eval-all", {**found.document(), "file": str(found.file)}, draw)
    output.say("saved", found.file)
    failed = [entry for entry in found.left_out if entry.failed]
    if failed:
        raise CheckFailed(
            f"{len(failed)} of {len(failed) + len(found.done)} test sets ended with an error, first "
            f"{failed[0].protocol}: {failed[0].reason}",
            failed[0].fix,
        )


def _in_short(entry: "LeftOut") -> tuple[str, str]:
    """-> why and what to type, one line each; the file has all of it."""
    if entry.failed:
        return entry.reason, entry.fix
    fix = entry.fix.partition("\n")[0].removeprefix("Make them: ")
    return entry.reason.partition(":")[0].rstrip("."), fix


def _plan(output: Output, request: "Request") -> None:
    """--dry-run: what would be used, and what would be needed."""
    from hpscli.run.sessions.plan import plan

    found = plan(request)

    def draw() -> None:
        pairs(found.lines)
        for problem, fix in found.missing:
            pairs([("would need", problem), *[("", line) for line in fix.splitlines()]])

    output.result("eval-plan", found.document(), draw)


def _hand_over(output: Output, request: "Request", words: str) -> None:
    """--slurm: the same as a job."""
    from hpscli.run.sessions.slurm import hand_over

    job = hand_over(request, words)
    output.result("eval-job", job, lambda: pairs(list(job.items())))
