"""hps bench latency: a network against the plain form of the same operations, and what each thing gained."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, pairs, table

if TYPE_CHECKING:
    from hpscli.nn.loaded import LoadedModel
    from hpscli.testing.speed.latency import Stage, Timing

FORMS = 8  # about so many, for the bar of progress
SMALL_SHARE = 0.03  # parts of parts that take less of the whole are not shown


def latency(
    model: Annotated[str, typer.Argument(help="MODEL, MODEL.PRESET, or a file of weights.")],
    batch: Annotated[str, typer.Option(help="Numbers of images at a time.")] = "1,8",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    turns: Annotated[int, typer.Option(min=3, help="Of every form.")] = 7,
    stages: Annotated[bool, typer.Option("--stages", help="The time of every part.")] = False,
    compile_: Annotated[
        bool, typer.Option("--compile/--no-compile", help="torch.compile too, which takes minutes.")
    ] = True,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    least: Annotated[float, typer.Option(min=0.0, help="Exit 4 below this gain.")] = 0.0,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Time for a batch, and how many times as fast as the plain form of the same operations.

    Plain: usual memory layout, attention written out, constants computed again, sparse products.
    Without a file the weights are random; they do not change the time.
    """
    import torch

    from hpscli.errors import CheckFailed
    from hpscli.testing.speed import latency as measuring

    show = Output(json, quiet)
    sizes, loaded = _sizes(batch), _network(model, device)
    torch.set_num_threads(threads)
    if compile_:
        show.say("compiling", "takes minutes; --no-compile leaves it out")
    rows: list[dict[str, Any]] = []
    worst = float("inf")
    for count in sizes:
        images = measuring.random_images(loaded[1], count, device)
        with show.progress(f"batch {count}", FORMS * (turns + 1)) as advance:
            found = measuring.measure(
                loaded[0], images, turns=turns, compiled=compile_, advance=advance
            )
        parts = measuring.stages(loaded[0], images, turns=turns) if stages else []
        rows.append(_row(count, found, parts))
        worst = min(worst, next(t.gain for t in found if t.form == measuring.OURS))
    document = {
        "model": model,
        "size_px": list(loaded[1]),
        "threads": threads,
        "device": device,
        "torch": torch.__version__,
        "batches": rows,
    }
    show.result("bench-latency", document, lambda: _draw(document))
    if worst < least:
        raise CheckFailed(f"{model} is {worst:.2f} times as fast as its plain form, below {least}.")


def _sizes(text: str) -> list[int]:
    from hpscli.errors import UsageError

    words = text.split(",")
    if not all(word.strip().isdigit() and int(word) > 0 for word in words):
        raise UsageError(f"--batch {text} is not a list of numbers.", "--batch 1,8")
    return [int(word) for word in words]


def _network(name: str, device: str) -> tuple[Any, tuple[int, int]]:
    """-> a network in eval mode and its input size (height, width) px."""
    import torch

    from hpscli.errors import UsageError
    from hpscli.nn.checkpoints import build_model, load_model
    from hpscli.registry import get_registry

    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"there is no device '{device}' here.", "--device cpu")
    title, _, preset = name.partition(".")
    if title in {spec.name for spec in get_registry().all("model")} and not preset.endswith(
        "safetensors"
    ):
        module, spec, _ = build_model(title, preset=preset)
        return module.eval().to(device), spec.input_size
    loaded: LoadedModel = load_model(name, device=device)
    return loaded.module, loaded.input_size


def _row(count: int, timings: "list[Timing]", stages: "list[Stage]") -> dict[str, Any]:
    """-> the numbers of one batch size, as JSON has them."""
    return {
        "batch": count,
        "forms": [
            {
                "form": timing.form,
                "ms": timing.best_ms if timing.seconds else None,
                "median_ms": timing.median_ms if timing.seconds else None,
                "gain": timing.gain if timing.seconds else None,
                "best_gain": timing.best_gain if timing.seconds else None,
                "images_per_second": 1000 * count / timing.best_ms if timing.seconds else None,
                "note": timing.note,
            }
            for timing in timings
        ],
        "stages": [
            {"part": stage.path, **{form: 1000 * s for form, s in stage.seconds.items()}}
            for stage in stages
        ],
    }


def _draw(document: dict[str, Any]) -> None:
    from hpscli.testing.speed.latency import MIXED, OURS, PLAIN

    pairs([(key, document[key]) for key in ("model", "threads", "device", "torch")])
    rows = []
    for batch in document["batches"]:
        for form in batch["forms"]:
            against = OURS if form["form"].endswith(MIXED) or "compile" in form["form"] else PLAIN
            word = "" if form["form"] == PLAIN else f"over {against}"
            cells = [form["ms"], form["median_ms"], form["images_per_second"]]
            gain = None if form["form"] == PLAIN else form["gain"]
            rows.append((batch["batch"], form["form"], *cells, gain, form["note"] or word))
    table(("batch", "form", "best ms", "median ms", "images/s", "gain", ""), rows)
    for batch in document["batches"]:
        if batch["stages"]:
            _draw_stages(batch)


def _draw_stages(batch: dict[str, Any]) -> None:
    from hpscli.testing.speed.latency import OURS, PLAIN

    whole = batch["stages"][-1][OURS]
    rows = []
    for stage in batch["stages"]:
        ours, plain = stage.get(OURS), stage.get(PLAIN)
        if "." in stage["part"] and max(ours or 0, plain or 0) < SMALL_SHARE * whole:
            continue
        name = "  ." + stage["part"].partition(".")[2] if "." in stage["part"] else stage["part"]
        rows.append((name, ours, plain, plain / ours if plain and ours else None))
    table((f"part, batch {batch['batch']}", "ms", "plain ms", "gain"), rows)
