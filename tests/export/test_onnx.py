"""ONNX files agree with the model in onnxruntime."""

import importlib.util
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch

from hpscli.body.layer import load_body
from hpscli.errors import MissingError
from hpscli.export.graph import Graph, example_image
from hpscli.export.onnx import check_onnx, write_onnx
from hpscli.nn.checkpoints import build_model


def tiny_graph(*, with_body: bool = False) -> Graph:
    torch.manual_seed(0)
    module, _, _ = build_model("hmr", preset="tiny")
    body = load_body("smpl") if with_body else None
    return Graph(module, example_image((32, 32), 1), body)


def test_an_onnx_file_agrees_with_the_model_and_says_what_it_is(tmp_path: Path) -> None:
    graph, path = tiny_graph(), tmp_path / "tiny.onnx"
    write_onnx(path, graph, (32, 32), {"model": "hmr"}, dynamic_batch=False)
    assert all(d.ok for d in check_onnx(path, graph, (32, 32), dynamic_batch=False))
    stored = onnx.load(str(path))
    assert [entry.name for entry in stored.graph.output] == graph.names
    assert {p.key: p.value for p in stored.metadata_props}["model"] == "hmr"


@pytest.mark.slow
def test_a_dynamic_graph_with_a_body_gives_meshes_for_any_number_of_images(tmp_path: Path) -> None:
    graph, path = tiny_graph(with_body=True), tmp_path / "tiny.onnx"
    write_onnx(path, graph, (32, 32), {}, dynamic_batch=True)
    assert all(d.ok for d in check_onnx(path, graph, (32, 32), dynamic_batch=True))
    session = onnxruntime.InferenceSession(str(path))
    outputs = dict(
        zip(
            graph.names,
            session.run(None, {"image": example_image((32, 32), 4).numpy()}),
            strict=True,
        )
    )
    assert outputs["vertices"].shape == (4, 6890, 3)


def test_without_the_extra_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def without_runtime(name: str, *more: Any) -> Any:
        return None if name == "onnxruntime" else real(name, *more)

    monkeypatch.setattr("hpscli.export.onnx.find_spec", without_runtime)
    with pytest.raises(MissingError, match="onnxruntime") as error:
        write_onnx(tmp_path / "x.onnx", tiny_graph(), (32, 32), {}, dynamic_batch=False)
    assert error.value.fix == "pip install 'hps[onnx]'"
