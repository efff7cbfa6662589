"""Mesh Graphormer as a plugin: its presets, and that they learn."""

from pathlib import Path

import pytest
import torch

from hps_models.graphormer.plugin import GRAPHORMER
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model, load_model, save_checkpoint
from hpscli.nn.files import CheckpointInfo
from hpscli.nn.options import adapted, complete_options


def test_the_hand_is_another_body() -> None:
    spec = adapted(GRAPHORMER, complete_options(GRAPHORMER, "hand-hrnet-w64", {}))
    assert (spec.body, spec.input_size) == ("mano", (224, 224))
    assert spec.assets == ("mano-right", "sampling-mano")
    tiny = adapted(GRAPHORMER, complete_options(GRAPHORMER, "hand-tiny", {}))
    assert (tiny.body, tiny.input_size, tiny.crop, tiny.assets) == ("mano", (64, 64), "fast", ())
    with pytest.raises(UsageError, match="body or hand"):
        build_model("graphormer", preset="tiny", options={"target": "foot"})


def test_every_weights_record_is_of_a_preset_and_says_where_its_numbers_are_from() -> None:
    for weights in GRAPHORMER.weights:
        assert weights.preset in GRAPHORMER.presets
        assert weights.results and weights.source and weights.official_file


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


def test_a_network_of_ours_is_saved_and_loaded_with_all_its_outputs(tmp_path: Path) -> None:
    module, spec, options = build_model("graphormer", preset="hand-tiny", body_source="free")
    info = CheckpointInfo(
        model="graphormer",
        options=options,
        input_size=spec.input_size,
        body={"kind": "mano", "source": "free"},
    )
    save_checkpoint(tmp_path / "hand.safetensors", module, info)
    images = torch.randn(1, 3, *spec.input_size)
    with torch.no_grad():
        said = load_model(tmp_path / "hand.safetensors")(images)
        # Loaded networks may have another memory layout, whose kernels round differently.
        assert torch.allclose(said.camera, module.eval()(images).camera, atol=1e-5)
    assert {"mano16", "metro_hand21"} <= set(said.joints)
    assert {"joints2d", "joints2d_from_mesh", "joints21_from_mesh"} <= set(said.raw)
