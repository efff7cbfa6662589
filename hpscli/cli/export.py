"""hps export: a checkpoint for other programs."""

import json as json_module
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, table
from hpscli.errors import CheckFailed, UsageError, did_you_mean

if TYPE_CHECKING:
    from hpscli.export.graph import Difference, Graph
    from hpscli.nn.checkpoints import LoadedModel


class Format(StrEnum):
    """What `--format` takes."""

    safetensors = "safetensors"
    onnx = "onnx"
    exported_program = "exported-program"


SUFFIXES = {
    Format.safetensors: ".safetensors",
    Format.onnx: ".onnx",
    Format.exported_program: ".pt2",
}


def export(
    checkpoint: Annotated[str, typer.Argument(help="File, MODEL.TAG, RUN, RUN@EPOCH.")],
    format: Annotated[str, typer.Option(help="safetensors, onnx or exported-program.")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="File to write; default: by name, here.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run what was written beside the model and compare.")
    ] = False,
    dynamic_batch: Annotated[
        bool, typer.Option("--dynamic-batch", help="A graph for any number of images at a time.")
    ] = False,
    with_body: Annotated[
        bool, typer.Option("--with-body", help="Also the body: vertices and joints as outputs.")
    ] = False,
    opset: Annotated[int | None, typer.Option(help="ONNX operator set; default: torch's.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write weights, an ONNX graph or an exported program.

    Input of graphs: image (B,3,H,W) float32, RGB, (pixel / 255 - mean) / std.
    """
    kind = _format(format)
    if kind is Format.safetensors and (with_body or dynamic_batch):
        raise UsageError(
            "--with-body and --dynamic-batch make graphs; safetensors holds weights only.",
            "Choose --format onnx or --format exported-program.",
        )
    if kind is Format.onnx:
        from hpscli.export.onnx import require_onnx

        require_onnx()
    from hpscli.nn.checkpoints import load_model

    loaded = load_model(checkpoint)
    path = _target(out, _short_name(checkpoint, loaded), kind, force)
    story = Output(json, quiet)
    story.say("model", f"{loaded.spec.name}   {loaded.name}")
    graph = _graph(loaded, with_body)
    about = _about(loaded, graph)
    _write(path, kind, loaded, graph, about, dynamic_batch, opset)
    story.say("wrote", f"{path}   {path.stat().st_size / 1e6:.1f} MB")
    if with_body and loaded.body.source == "imported":
        story.say("licence", "the file holds arrays of a licensed body: its terms follow the file")
    found = _check(path, kind, loaded, graph, dynamic_batch) if check else []
    document = {
        "path": str(path),
        "format": str(kind),
        "outputs": graph.names,
        "checked": check,
        "ok": all(difference.ok for difference in found),
        "differences": [vars(difference) for difference in found],
        **about,
    }
    story.result("export", document, lambda: _draw(path, graph, found))
    if failed := [difference for difference in found if not difference.ok]:
        worst = failed[0]
        raise CheckFailed(
            f"{path} differs from the model in {len(failed)} of {len(found)} outputs: "
            f"{worst.output} by {worst.worst:.2g}, tolerance {worst.tolerance:.2g}."
        )


def _format(name: str) -> Format:
    """-> the format of this name, or an error that lists them."""
    if name not in list(Format):
        raise UsageError(
            f"no format '{name}'.", did_you_mean(name, Format) or f"One of: {', '.join(Format)}."
        )
    return Format(name)


def _short_name(checkpoint: str, loaded: "LoadedModel") -> str:
    """-> the name of a file, hmr.demo, or the model's name and that of the run, if they differ."""
    name = Path(checkpoint).absolute().name.removesuffix(".safetensors")
    run = "@" in name or Path(checkpoint).is_dir()
    said = re.match(rf"{re.escape(loaded.spec.name)}([@._-]|$)", name)
    whole = f"{loaded.spec.name}-{name}" if run and not said else name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", whole)


def _target(out: Path | None, name: str, format: Format, force: bool) -> Path:
    suffix = SUFFIXES[format]
    path = out or Path(name + suffix)
    if path.is_dir():
        path = path / (name + suffix)
    if path.suffix != suffix:
        raise UsageError(f"--out {path}: a file of this format ends in {suffix}.")
    if path.exists() and not force:
        raise UsageError(f"{path} exists already.", "Give another --out, or write over it: --force")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _graph(loaded: "LoadedModel", with_body: bool) -> "Graph":
    from hpscli.export.graph import Graph, example_image

    body = loaded.body if with_body else None
    return Graph(loaded.module, example_image(loaded.input_size, 1), body)


def _about(loaded: "LoadedModel", graph: "Graph") -> dict[str, Any]:
    """-> what somebody without hps must know to use the file."""
    return {
        "model": loaded.spec.name,
        "options": dict(loaded.options),
        "input": {
            "name": "image",
            "size": list(loaded.input_size),
            "mean": list(loaded.info.mean),
            "std": list(loaded.info.std),
            "order": "RGB, (pixel / 255 - mean) / std",
        },
        "names": graph.names,
        "body": loaded.body.describe(),
        "licence": f"code {loaded.spec.licence}; {loaded.info.licence}",
        "checkpoint_sha256": loaded.sha256,
    }


def _write(
    path: Path,
    format: Format,
    loaded: "LoadedModel",
    graph: "Graph",
    about: dict[str, Any],
    dynamic_batch: bool,
    opset: int | None,
) -> None:
    """Write beside the target, then move: a failure leaves no half file."""
    part = path.with_name(f".{path.name}.part{path.suffix}")
    texts = {k: v if isinstance(v, str) else json_module.dumps(v) for k, v in about.items()}
    size = loaded.input_size
    try:
        part.touch()  # what cannot be written must not cost the whole export
    except OSError as error:
        error.filename = str(path)  # nobody has typed the other name
        raise
    try:
        if format is Format.safetensors:
            from hpscli.nn.checkpoints import save_checkpoint

            save_checkpoint(part, loaded.module, loaded.info)
        elif format is Format.onnx:
            from hpscli.export.onnx import write_onnx

            write_onnx(part, graph, size, texts, dynamic_batch=dynamic_batch, opset=opset)
        else:
            from hpscli.export.program import write_program

            write_program(part, graph, size, texts, dynamic_batch=dynamic_batch)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _check(
    path: Path, format: Format, loaded: "LoadedModel", graph: "Graph", dynamic_batch: bool
) -> "list[Difference]":
    if format is Format.safetensors:
        from hpscli.export.weights import check_weights

        return check_weights(path, loaded.module)
    if format is Format.onnx:
        from hpscli.export.onnx import check_onnx

        return check_onnx(path, graph, loaded.input_size, dynamic_batch=dynamic_batch)
    from hpscli.export.program import check_program

    return check_program(path, graph, loaded.input_size, dynamic_batch=dynamic_batch)


def _draw(path: Path, graph: "Graph", found: "list[Difference]") -> None:
    print(path)
    if not found:
        print("outputs  " + "  ".join(graph.names))
        return
    if len(found) > len(graph.names):  # weights: every tensor was compared
        worst = max(difference.worst for difference in found)
        print(f"checked  {len(found)} tensors, largest difference {worst:.2g}")
        return
    table(
        ("output", "max difference", "tolerance", "verdict"),
        [
            (d.output, f"{d.worst:.2e}", f"{d.tolerance:.0e}", "ok" if d.ok else "FAIL")
            for d in found
        ],
    )
