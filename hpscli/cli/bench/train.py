"""hps bench train: a step of the training loop against a plain one of the same network."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, pairs, table


def train(
    rows: Annotated[
        list[str] | None, typer.Argument(help="Networks of the table; default: all.")
    ] = None,
    batch: Annotated[int, typer.Option(min=2, help="People in a step.")] = 2,
    turns: Annotated[int, typer.Option(min=3, help="Steps of each form.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    most: Annotated[
        float, typer.Option(min=0.0, help="Exit 4 above this part of the plain time.")
    ] = 0.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Time and memory of a training step: ours, and forward, losses, backward, Adam in plain fp32.

    On a GPU also samples a second in compiled bf16, their share of the matrix peak, and the share of
    time in which a run with 8 workers waits for data.
    """
    import torch

    from hpscli.errors import CheckFailed, UsageError, unknown_name
    from hpscli.testing.speed import training

    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"there is no device '{device}' here.", "--device cpu")
    chosen = rows or list(training.ROWS)
    for row in chosen:
        if row not in training.ROWS:
            raise unknown_name("network", row, list(training.ROWS), "hps bench train --help")
    show = Output(json, quiet)
    found = []
    with show.progress("measuring", len(chosen)) as advance:
        for row in chosen:
            one = training.measure(row, batch, turns, device, threads)
            more: dict[str, Any] = (
                training.asked(row, "gpu", batch, turns, device, threads)
                if device == "cuda"
                else {}
            )
            found.append({**asdict(one), "ratio": one.ratio, **more})
            advance(1)
    document = {
        "batch": batch,
        "threads": threads,
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "torch": torch.__version__,
        "rows": found,
    }
    show.result("bench-train", document, lambda: _draw(document))
    worst = max(found, key=lambda row: row["ratio"])
    if most and worst["ratio"] > most:
        raise CheckFailed(
            f"a step of {worst['row']} takes {worst['ratio']:.2f} of the plain one, above {most}."
        )


def _draw(document: dict[str, Any]) -> None:
    pairs([(key, document[key]) for key in ("batch", "threads", "device", "torch")])
    titles = ["network", "plain s", "ours s", "ours / plain", "plain MB", "ours MB"]
    rows = []
    for row in document["rows"]:
        cells = [row["row"], min(row["plain_s"]), min(row["ours_s"]), row["ratio"]]
        cells += [round(row["plain_mb"]), round(row["ours_mb"])]
        if "samples_per_s" in row:
            cells += [row["samples_per_s"], row["matrix_share"], row["data_wait"]]
        rows.append(tuple(cells))
    if "samples_per_s" in document["rows"][0]:
        titles += ["samples/s", "of matrix peak", "data-wait"]
    table(tuple(titles), rows)
