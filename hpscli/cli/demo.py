"""hps demo: prepare -> train -> eval -> predict on a free body, ending with a picture."""

import json as json_module
import shlex
import shutil
import sys
import time
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, table
from hpscli.errors import UsageError

PEOPLE = {"train": 8000, "validation": 200, "test": 600}
STORED_PX = 80  # crops of 64 px are cut out of this with some room to shift
SHOWN, SHOWN_PX = 8, 320  # held-out people in the final picture


def demo(
    out: Annotated[Path, typer.Option(help="Where shards, run and pictures go.")] = Path(
        "runs/demo"
    ),
    people: Annotated[int, typer.Option(min=64, help="Training pictures to render.")] = PEOPLE[
        "train"
    ],
    epochs: Annotated[
        int, typer.Option(min=0, help="Shorten training; 0: as the recipe says.")
    ] = 0,
    force: Annotated[
        bool, typer.Option("--force", help="Start over if there is a demo already.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Render free people, train a small model on them, measure it, and draw what it sees.

    Needs no download, GPU, registration or display; under eight minutes on two cores. Every step is
    an ordinary hps command, printed before it runs. Typed again, it goes on where it stopped.
    """
    output, start = Output(json), time.monotonic()
    if force:
        _remove(out)
    _train(output, out, people, epochs)
    run, result, shown = out / "train", out / "result.json", out / "people"
    _measure(output, out, run, result)
    _predict(output, out, run, shown)
    picture = _draw_people(run, shown, out / "demo.png")
    measured = json_module.loads(result.read_text(encoding="utf-8"))
    del measured["schema"]  # this document is another one
    document = {
        **measured,
        "seconds": round(time.monotonic() - start, 1),
        "picture": str(picture),
        "run": str(run),
    }
    output.result("demo", document, lambda: _draw_table(document))
    output.say("took", f"{document['seconds']:.0f} s")
    output.say("look", picture)
    output.next("hps predict your_image.jpg --bbox x,y,w,h      and docs/tutorial/first-model.md")


def _train(output: Output, out: Path, people: int, epochs: int) -> None:
    """Three splits of people, and a model of the first."""
    shards = out / "shards"
    for split, count in {**PEOPLE, "train": people}.items():
        _hps(
            output,
            *("prepare", "synthetic", "--split", split, "--count", count),
            *("--size", STORED_PX, "--workers", 2, "--out", shards / split),
            unless=shards / split / "index.json",
        )
    run = out / "train"
    changes = [
        f"data.mix.synthetic.shards={shards / 'train'}",
        f"data.validation.shards={shards / 'validation'}",
        *([f"train.epochs={epochs}"] if epochs else []),
    ]
    half_done = (run / "checkpoints" / "last.safetensors").is_file()
    if (run / "recipe.toml").is_file() and not half_done:
        shutil.rmtree(run)  # a run of ours, stopped before anything was saved
    _hps(
        output,
        *("train", *(["--resume", run] if half_done else ["tiny", "--out", run, *changes])),
        unless=run / "finished.json",
    )


def _measure(output: Output, out: Path, run: Path, result: Path) -> None:
    _hps(
        output,
        *("eval", run, "--testset", "synthetic", "--shards", out / "shards" / "test"),
        *("--baseline", out / "shards" / "train", "--out", result, "--force"),
    )


def _predict(output: Output, out: Path, run: Path, shown: Path) -> None:
    """A few held-out people in larger pictures, as files of a user."""
    _hps(
        output,
        *("prepare", "synthetic", "--split", "test", "--count", SHOWN),
        *("--size", SHOWN_PX, "--out", out / "shown"),
        unless=out / "shown" / "index.json",
    )
    dumped = out / "shown.jsonl"
    _hps(output, "datasets", "dump", out / "shown", "--images", shown, "--out", dumped)
    _hps(
        output,
        *("predict", shown, "--boxes", shown / "boxes.json", "--checkpoint", run),
        *("--out", out / "predictions", "--force"),
    )


def _hps(output: Output, *words: object, unless: Path | None = None) -> None:
    """Print and run one hps command in this process, or say that its result is there already."""
    name, *rest = map(str, words)
    command = shlex.join([name, *rest])
    if unless is not None and unless.exists():
        output.say("done before", f"hps {command}")
        return
    from hpscli.cli.app import load_command

    output.say("\n$", f"hps {command}")
    with redirect_stdout(sys.stderr) if output.json else nullcontext():
        load_command(name).main(args=rest, prog_name=f"hps {name}", standalone_mode=False)


def _remove(out: Path) -> None:
    """Delete an earlier demo; a folder that holds anything else is left alone."""
    ours = {"shards", "train", "shown", "people", "predictions", "demo.png"}
    ours |= {"result.json", "result.samples.npz", "shown.jsonl"}
    strange = sorted(p.name for p in out.glob("*") if p.name not in ours)
    if strange:
        raise UsageError(
            f"{out} holds more than a demo: {', '.join(strange[:3])}.", "Another --out."
        )
    shutil.rmtree(out, ignore_errors=True)


def _draw_people(run: Path, folder: Path, target: Path) -> Path:
    """Held-out pictures, the predicted body over each, and the same body from the side -> one sheet."""
    import numpy as np

    from hpscli.nn.checkpoints import load_model
    from hpscli.render.pictures import (
        contact_sheet,
        read_image,
        render_mesh,
        turntable,
        write_image,
    )
    from hpscli.run.predict import predict_image
    from hpscli.run.predicting.boxes import read_coco_boxes

    model = load_model(str(run))
    images = sorted(folder.glob("*.jpg"))
    boxes = read_coco_boxes(folder / "boxes.json", images)
    rows = []
    for path in images:
        image = read_image(path)
        person = predict_image(model, image, boxes[path])[0]
        placed = person.vertices + person.camera.translation
        over = render_mesh(image, placed, person.faces, person.camera.intrinsics)
        views = turntable(person.vertices, person.faces, size_px=image.shape[0], views=4)
        side = views[:, image.shape[0] : 2 * image.shape[0]]
        rows.append(np.concatenate([image, over, side], axis=1))
    write_image(target, contact_sheet(rows, columns=2, title="picture, prediction, from the side"))
    return target


def _draw_table(document: dict[str, Any]) -> None:
    metrics, baseline = document["metrics"], document["baseline"]["metrics"]
    rows = []
    for name, entry in metrics.items():
        ours, mean = entry["value"], baseline[name]["value"]
        side = "below" if ours < mean else "above"
        rows.append((entry["label"], ours, mean, f"{100 * abs(1 - ours / mean):.0f} % {side}"))
    table(
        ("error on unseen people", "this model, mm", "always the mean person, mm", ""),
        rows,
        title=f"\n{document['protocol']['id']}   body: free",
    )
