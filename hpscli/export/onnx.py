"""A model as ONNX: the graph of the network (and of the body behind it), checked with onnxruntime."""

from collections.abc import Mapping
from contextlib import redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from warnings import catch_warnings, simplefilter

import torch

from hpscli.errors import HpsError, MissingError, UsageError
from hpscli.export.graph import Difference, Graph, differences, example_image, worst_of
from hpscli.export.program import trace

NEEDED = ("onnx", "onnxscript", "onnxruntime")  # the extra "onnx"
INPUT = "image"
LARGEST_FILE = 2**31  # bytes: what one protobuf message can hold


def require_onnx() -> None:
    """Raise when the packages of the extra are not there."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise MissingError(
            f"ONNX needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed.",
            "pip install 'hps[onnx]'",
        )


def write_onnx(
    path: Path,
    graph: Graph,
    size: tuple[int, int],
    about: Mapping[str, str],
    *,
    dynamic_batch: bool,
    opset: int | None = None,
) -> None:
    """Write the .onnx file: input `image`, outputs by the graph's names, texts as its metadata."""
    require_onnx()
    import onnx

    tensors = (*graph.parameters(), *graph.buffers())
    size_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    if size_bytes >= LARGEST_FILE:
        raise UsageError(
            f"the model has {size_bytes / 1e9:.1f} GB of numbers; an ONNX file holds 2 GB.",
            "Use --format exported-program.",
        )
    program = trace(graph, size, dynamic_batch=dynamic_batch)
    with redirect_stdout(StringIO()), catch_warnings():  # stdout belongs to the result
        simplefilter("ignore")
        exported = torch.onnx.export(
            program,
            input_names=[INPUT],
            output_names=graph.names,
            opset_version=opset,
            verbose=False,
        )
    if exported is None:
        raise HpsError("torch exported no ONNX program.")
    model = exported.model_proto
    onnx.helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def check_onnx(
    path: Path, graph: Graph, size: tuple[int, int], *, dynamic_batch: bool
) -> list[Difference]:
    """Run the file in onnxruntime beside the model -> the difference of each output."""
    require_onnx()
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    runs = []
    for batch in (1, 3) if dynamic_batch else (1,):
        image = example_image(size, batch)
        with torch.no_grad():
            ours = graph(image)
        theirs = session.run(list(graph.names), {INPUT: image.numpy()})
        runs.append(differences(graph.names, ours, theirs))
    return worst_of(runs)
