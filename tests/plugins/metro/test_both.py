"""What METRO and Mesh Graphormer have in common as plugins: the two bodies, records, checkpoints."""

from pathlib import Path

import pytest
import torch

from hps_models.graphormer.plugin import GRAPHORMER
from hps_models.metro.plugin import METRO
from hpscli.errors import UsageError
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import build_model, load_model, save_checkpoint
from hpscli.nn.files import CheckpointInfo
from hpscli.nn.options import adapted, complete_options

BOTH = pytest.mark.parametrize("model", [METRO, GRAPHORMER], ids=lambda spec: spec.name)


@BOTH
def test_the_hand_is_another_body(model: ModelSpec) -> None:
    spec = adapted(model, complete_options(model, "hand-hrnet-w64", {}))
    assert (spec.body, spec.input_size) == ("mano", (224, 224))
    assert spec.assets == ("mano-right", "sampling-mano")
    tiny = adapted(model, complete_options(model, "hand-tiny", {}))
    assert (tiny.body, tiny.input_size, tiny.crop, tiny.assets) == ("mano", (64, 64), "fast", ())
    with pytest.raises(UsageError, match="body or hand"):
        build_model(model.name, preset="tiny", options={"target": "foot"})


@BOTH
def test_every_weights_record_is_of_a_preset_and_says_where_its_numbers_are_from(
    model: ModelSpec,
) -> None:
    for weights in model.weights:
        assert weights.preset in model.presets
        assert weights.results and weights.source and weights.official_file


@BOTH
def test_a_network_of_ours_is_saved_and_loaded_with_all_its_outputs(
    model: ModelSpec, tmp_path: Path
) -> None:
    module, spec, options = build_model(model.name, preset="hand-tiny", body_source="free")
    info = CheckpointInfo(
        model=model.name,
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
