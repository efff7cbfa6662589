"""What is Mesh Graphormer's own: graph convolutions, and a ResNet that the authors' code cannot run."""

import pytest
import torch

from hpscli.nn.checkpoints import build_model


def test_the_last_encoder_alone_knows_the_mesh() -> None:
    module, _, _ = build_model("graphormer", preset="hand-tiny", body_source="free")
    knows = [any("graph" in name for name, _ in e.named_parameters()) for e in module.encoders]
    assert knows == [False, False, True]
    assert module.adjacency.shape == (195, 195)
    plain, _, _ = build_model(
        "graphormer", preset="hand-tiny", options={"graph": [0, 0, 0]}, body_source="free"
    )
    assert plain.adjacency is None


@pytest.mark.parametrize("target", ["body", "hand"])
def test_a_resnet_works_where_the_official_code_cannot_run(target: str) -> None:
    small = {"backbone": "resnet18", "widths": [16, 16, 16], "feed_forward": [16, 16, 16]}
    options = {**small, "target": target, "layers": 1, "upsampling": "matrices"}
    module, spec, _ = build_model("graphormer", options=options, body_source="free")
    with torch.no_grad():
        said = module.eval()(torch.randn(2, 3, *spec.input_size))
    assert said.raw["grid_feature"].shape == (2, 256, 7, 7)
    assert said.camera.shape == (2, 3)
