"""Exported programs run without this package and say the same."""

from pathlib import Path

import pytest
import torch

from hpscli.export.graph import Graph, example_image
from hpscli.export.program import check_program, write_program
from hpscli.nn.checkpoints import build_model


def tiny_graph(*, seed: int = 0) -> Graph:
    torch.manual_seed(seed)
    module, _, _ = build_model("hmr", preset="tiny")
    return Graph(module, example_image((32, 32), 1))


def test_a_program_gives_the_numbers_of_the_model_and_carries_its_texts(tmp_path: Path) -> None:
    graph, path = tiny_graph(), tmp_path / "tiny.pt2"
    write_program(path, graph, (32, 32), {"model": "hmr"}, dynamic_batch=False)
    assert all(d.ok for d in check_program(path, graph, (32, 32), dynamic_batch=False))
    texts = {"model": ""}
    torch.export.load(path, extra_files=texts)
    assert texts["model"] == "hmr"


def test_a_program_of_other_weights_fails_the_check(tmp_path: Path) -> None:
    path = tmp_path / "tiny.pt2"
    write_program(path, tiny_graph(seed=1), (32, 32), {}, dynamic_batch=False)
    other = tiny_graph(seed=2)
    other.model.get_submodule("regressor").deccam.bias.data += 0.1
    found = {d.output: d for d in check_program(path, other, (32, 32), dynamic_batch=False)}
    assert not found["camera"].ok


@pytest.mark.slow
def test_a_dynamic_program_takes_any_number_of_images(tmp_path: Path) -> None:
    graph, path = tiny_graph(), tmp_path / "tiny.pt2"
    write_program(path, graph, (32, 32), {}, dynamic_batch=True)
    program = torch.export.load(path).module()
    for batch in (1, 2, 5):
        assert program(example_image((32, 32), batch))[0].shape == (batch, 3)
    assert all(d.ok for d in check_program(path, graph, (32, 32), dynamic_batch=True))
