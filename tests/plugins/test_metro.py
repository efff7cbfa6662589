"""METRO as a plugin: its presets, and that they learn."""

from pathlib import Path

import pytest
import torch

from hps_models.metro.plugin import METRO
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model, load_model, save_checkpoint
from hpscli.nn.files import CheckpointInfo
from hpscli.nn.options import adapted, complete_options


def test_the_hand_is_another_body() -> None:
    spec = adapted(METRO, complete_options(METRO, "hand-hrnet-w64", {}))
    assert (spec.body, spec.input_size) == ("mano", (224, 224))
    assert spec.assets == ("mano-right", "sampling-mano")
    tiny = adapted(METRO, complete_options(METRO, "hand-tiny", {}))
    assert (tiny.body, tiny.input_size, tiny.crop, tiny.assets) == ("mano", (64, 64), "fast", ())
    with pytest.raises(UsageError, match="body or hand"):
        build_model("metro", preset="tiny", options={"target": "foot"})


def test_every_weights_record_is_of_a_preset_and_says_where_its_numbers_are_from() -> None:
    for weights in METRO.weights:
        assert weights.preset in METRO.presets
        assert weights.results and weights.source and weights.official_file


def test_the_body_mixes_cells_and_the_hand_takes_their_mean() -> None:
    body, _, _ = build_model("metro", preset="tiny", body_source="free")
    hand, _, _ = build_model("metro", preset="hand-tiny", body_source="free")
    assert isinstance(body.mixing, torch.nn.Linear)
    assert body.mixing.weight.shape == (14 + 431, 16)
    assert hand.mixing is None


def test_widths_follow_the_target_unless_they_are_given() -> None:
    with torch.device("meta"):
        made = {
            preset: build_model("metro", preset=preset, body_source="free")[0].method
            for preset in ("resnet50", "hand-resnet50", "hand-tiny")
        }
    assert made["resnet50"].widths == (1024, 256, 128)
    assert made["resnet50"].feed_forward == (3072, 3072, 3072)
    assert made["hand-resnet50"].widths == (1024, 256, 64)
    assert made["hand-resnet50"].feed_forward == (4096, 1024, 256)
    assert made["hand-tiny"].widths == (64, 32, 16)


def test_a_network_of_ours_is_saved_and_loaded_with_all_its_outputs(tmp_path: Path) -> None:
    module, spec, options = build_model("metro", preset="hand-tiny", body_source="free")
    info = CheckpointInfo(
        model="metro",
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
