"""A model as torch's ExportedProgram (.pt2): runs in torch without this package."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from hpscli.export.graph import Difference, Graph, differences, example_image, worst_of

FEW = 2  # torch takes dimensions of 0 and 1 for constants: a free batch is traced with two


def trace(
    graph: Graph, size: tuple[int, int], *, dynamic_batch: bool
) -> "torch.export.ExportedProgram":
    """Graph, (height, width) -> the program, for one image at a time or for any batch."""
    image = example_image(size, FEW if dynamic_batch else 1)
    free = {0: torch.export.Dim("batch", min=1)} if dynamic_batch else None
    with torch.no_grad():
        return torch.export.export(graph, (image,), dynamic_shapes=(free,) if free else None)


def write_program(
    path: Path,
    graph: Graph,
    size: tuple[int, int],
    about: Mapping[str, str],
    *,
    dynamic_batch: bool,
) -> None:
    """Write the .pt2 file; texts of `about` lie in it as extra files."""
    program = trace(graph, size, dynamic_batch=dynamic_batch)
    with path.open("wb") as stream:
        torch.export.save(program, stream, extra_files=dict(about))


def check_program(
    path: Path, graph: Graph, size: tuple[int, int], *, dynamic_batch: bool
) -> list[Difference]:
    """Load the file and run it beside the model -> the difference of each output."""
    program = torch.export.load(path).module()
    runs = []
    for batch in (1, 3) if dynamic_batch else (1,):
        image = example_image(size, batch)
        with torch.no_grad():
            theirs: tuple[Tensor, ...] = program(image)
            runs.append(differences(graph.names, graph(image), [t.numpy() for t in theirs]))
    return worst_of(runs)
