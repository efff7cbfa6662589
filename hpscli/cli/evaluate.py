"""hps eval: a checkpoint on a test set -> figures, and a file that says what they mean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import CropOption, JsonOption, Output, QuietOption, table
from hpscli.errors import UsageError

if TYPE_CHECKING:
    from hpscli.metrics.results import Result
    from hpscli.run.session import Request


Flip = Annotated[
    bool, typer.Option("--flip", help="Average with the mirrored crop; slower, changes figures.")
]
Baseline = Annotated[
    str,
    typer.Option(help="Training shards: also measure their mean person. `mean`: as prepared."),
]
Visualize = Annotated[
    bool, typer.Option("--visualize", help="Draw the worst, median and best people.")
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Compare result files or runs instead: --compare A B ...")
]
Out = Annotated[
    Path | None, typer.Option(help="Result file (.json) or folder.", show_default=False)
]


def evaluate(
    given: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CHECKPOINT]",
            help="File, model.tag, RUN or RUN@EPOCH; default: the one that ships.",
        ),
    ] = None,
    testset: Annotated[str, typer.Option(help="Test set, as in `hps protocols list`.")] = "",
    protocol: Annotated[str, typer.Option(help="A certain protocol of it.")] = "",
    shards: Annotated[
        str,
        typer.Option(help="Folder or URL; default shards/ and the protocol's name up to its @."),
    ] = "",
    batch: Annotated[int, typer.Option(min=1, help="People at once; changes no figure.")] = 32,
    limit: Annotated[int, typer.Option(min=0, help="Only the first N people; 0: all.")] = 0,
    gpus: Annotated[int, typer.Option(min=0, help="One process on each of N GPUs.")] = 0,
    processes: Annotated[int, typer.Option(min=0, help="N processes on the CPU.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda; default: the best there is.")] = "",
    dtype: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    flip: Flip = False,
    crop: CropOption = "",
    baseline: Baseline = "",
    visualize: Visualize = False,
    compare: Compare = False,
    out: Out = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
    as_option: Annotated[str, typer.Option("--checkpoint", hidden=True)] = "",
) -> None:
    """Measure a checkpoint on a test set under a named protocol.

    Every person counts exactly once, whatever the batch and the number of processes. The result
    file holds every person's error and the hashes of what was measured.
    """
    output = Output(json, quiet)
    named = [*(given or ()), *([as_option] if as_option else ())]
    if compare:
        from hpscli.cli.comparing import compare_results

        compare_results(output, named, out, force)
        return
    from hpscli.run.session import Request

    if len(named) > 1:
        count = "two" if len(named) == 2 else len(named)
        raise UsageError(
            f"{count} checkpoints are named.",
            f"Name one: hps eval {named[0]}     (results: hps eval --compare A B)",
        )
    request = Request(
        checkpoint="".join(named),  # the option is for those who come from hps predict
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
        crop=crop,
        baseline=baseline,
        visualize=visualize,
        out=out,
        force=force,
    )
    _measure(output, request)


def _measure(output: Output, request: "Request") -> None:
    """Do what was asked, print and save."""
    from hpscli.run.session import run_request

    done = run_request(request, output.say, output.progress)
    if done is None:  # another process of the group has the word
        return
    result, file, spec = done
    document = {**result.document(), "samples_file": file.with_suffix(".samples.npz").name}
    output.result("eval", {**document, "file": str(file)}, lambda: draw_result(result))
    output.say("saved", file)
    output.next(f"hps protocols show {spec.name}     hps eval --compare {file} OTHER.json")


def draw_result(result: "Result") -> None:
    """The table: ours, published, the mean person."""
    names, figures = list(result.metrics), result.metrics
    units = {figure.unit for figure in figures.values()}
    columns = [figures[n].label + (f" {figures[n].unit}" if len(units) > 1 else "") for n in names]
    rows: list[list[Any]] = [["ours", *(figures[name].value for name in names)]]
    if result.reference:
        sources = {entry["source"] for entry in result.reference.values()}
        for what, key in (("published", "value"), ("difference", "difference")):
            row: list[Any] = [what]
            row += [result.reference.get(name, {}).get(key) for name in names]
            rows.append([*row, "; ".join(sorted(sources)) if what == "published" else ""])
        columns.append("source")
        rows[0].append("")
    if result.baseline:
        mean_person = result.baseline["metrics"]
        means = [mean_person.get(name, {}).get("value") for name in names]
        gains = [
            _against(figures[name].value, mean, figures[name].unit)
            for name, mean in zip(names, means, strict=True)
        ]
        end = [""] * (len(columns) - len(names))
        rows.append(["mean person", *means, *end])
        rows.append(["ours is", *gains, *end])
    unit = "" if len(units) > 1 else f"{units.pop()}, "
    counts = {result.metrics[name].n for name in names}
    people = (
        f"{max(counts)} people" if len(counts) == 1 else f"{min(counts)} to {max(counts)} people"
    )
    title = f"{unit}{people}, body source {result.body['source']}"
    table(["", *columns], rows, title=title)


def _against(value: float, mean: float | None, unit: str) -> str | None:
    """A figure, that of the mean person, their unit -> "8.2 % below"; of percentages "8.2 points"."""
    if mean is None or (not mean and unit != "%"):
        return None
    share = value - mean if unit == "%" else 100.0 * (value / mean - 1.0)
    return (
        f"{abs(share):.1f} {'points' if unit == '%' else '%'} {'above' if share > 0 else 'below'}"
    )
