"""Files of SPIN, mmhuman3d, hmr-benchmarks, and of backbones: recognised by keys, counted, taken."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hps_models.hmr import initial, weights
from hps_models.hmr.backbone_names import from_unfolded, to_unfolded
from hps_models.hmr.network import build
from hps_models.hmr.plugin import HMR, PRESETS
from hpscli.errors import InvalidData
from hpscli.nn.checkpoints import (
    CheckpointInfo,
    build_model,
    initialise,
    load_model,
    save_checkpoint,
)
from hpscli.nn.layouts import Row, describe, on_meta, read_rows, write_rows
from hpscli.nn.options import complete_options
from hpscli.nn.weights.foreign import Recognised, open_foreign, recognise
from hpscli.testing.goldens import read_manifest

MANIFESTS = {
    "spin": "spin_hmr_resnet50",
    "resnet50": "mmhuman3d_hmr_resnet50",
    "twins-svt": "hmr_plus_twins_svt_base",
    "hrnet-w32": "hmr_plus_hrnet_w32",
}
OFFICIAL = [name for name in PRESETS if name not in ("tiny", "hand-tiny", "resnet18")]
# Reference hmr, 6.3 (get_flops, millions, discriminator included) and 1.4 (backbone + head).
COUNTED_MILLIONS = {"resnet50": 28.79, "twins-svt": 59.27, "hrnet-w32": 36.69}
BACKBONE_MILLIONS = {
    "spin": 23.51,
    "resnet50": 23.51,
    "resnet101": 42.50,
    "resnet152": 58.14,
    "resnext101": 86.74,
    "efficientnet-b5": 28.34,
    "hrnet-w32": 31.41,
    "vit-b": 85.80,
    "swin-t": 46.44,
    "twins-svt": 55.30,
    "twins-pcpvt": 43.32,
}
HEAD_MILLIONS = {"twins-svt": 2.16, "twins-pcpvt": 1.90}  # all others: 3.47


def options_of(preset: str) -> dict[str, Any]:
    return complete_options(HMR, preset, {})


@cache
def rows_of(preset: str) -> list[Row]:
    rows = weights.rows_spin if preset == "spin" else weights.rows_mmhuman3d
    return rows(options_of(preset))


def tensors(rows: list[Row], prefix: str = "") -> dict[str, Tensor]:
    return {prefix + row.theirs: torch.empty(row.shape, device="meta") for row in rows}


def found(state: dict[str, Tensor], *, partial: bool = False) -> Recognised:
    return recognise(open_foreign(state), models=[HMR], partial=partial)


@pytest.mark.parametrize("preset", MANIFESTS)
def test_the_rows_are_the_key_manifest_of_the_authors_files(preset: str, reference: Path) -> None:
    entries = read_manifest(reference / f"hmr/keys/{MANIFESTS[preset]}.json")
    listed = {k: e.shape for k, e in entries.items() if not k.startswith("body_model_")}
    assert {row.theirs: row.shape for row in rows_of(preset)} == listed


@pytest.mark.parametrize("preset", OFFICIAL)
def test_a_file_of_every_preset_is_recognised_and_fills_the_model(preset: str) -> None:
    rows = rows_of(preset)
    assert len({row.theirs for row in rows}) == len(rows)
    recognised = found(tensors(rows))
    assert recognised.preset == preset
    model = on_meta(lambda: build(**options_of(preset)))
    filled = {key: tuple(value.shape) for key, value in recognised.state().items()}
    assert filled == {key: tuple(value.shape) for key, value in model.state_dict().items()}


@pytest.mark.parametrize("preset", OFFICIAL)
def test_parameters_are_counted_as_the_authors_count_them(preset: str) -> None:
    counts = describe(rows_of(preset))
    expected = BACKBONE_MILLIONS[preset] + HEAD_MILLIONS.get(preset, 3.47)
    assert counts["used_params"] / 1e6 == pytest.approx(expected, abs=0.011)
    if preset in COUNTED_MILLIONS:
        assert round(counts["official_params"] / 1e6, 2) == COUNTED_MILLIONS[preset]


def test_the_discriminator_and_the_body_of_a_file_are_dropped_with_reasons() -> None:
    state = tensors(rows_of("resnet50"))
    state["body_model_train.v_template"] = torch.empty(6890, 3, device="meta")
    unused = found(state).unused()
    assert "training only" in unused["disc.shape_discriminator.fc_blocks.regressor_fc_1.bias"]
    assert "licence" in unused["body_model_train.v_template"]


def test_a_file_without_its_discriminator_is_recognised() -> None:
    state = {k: v for k, v in tensors(rows_of("resnet50")).items() if not k.startswith("disc.")}
    assert found(state).preset == "resnet50"


def test_half_a_file_is_refused_with_what_is_missing() -> None:
    state = dict(list(tensors(rows_of("twins-svt")).items())[::2])
    with pytest.raises(InvalidData, match=r"hmr, preset twins-svt.*\nmissing"):
        found(state)


def test_a_file_of_a_wider_head_gets_the_options_that_made_it() -> None:
    options = complete_options(HMR, "resnet50", {"hidden": 512})
    recognised = found(tensors(weights.rows_mmhuman3d(options)))
    assert recognised.options == options


def test_the_head_of_another_program_in_such_a_file_is_not_taken_for_hmr() -> None:
    shapes = {"backbone.conv1.weight": (64, 3, 3, 3), "head.keypoint_final_layer.weight": (25, 128)}
    shapes |= {"head.init_cam": (1, 3), "backbone.stage4.0.x": (1,)}
    assert weights.guess_mmhuman3d(shapes) is None


BACKBONES = [name for name in PRESETS if name not in ("tiny", "hand-tiny", "resnet18", "spin")]


@pytest.mark.parametrize("name", BACKBONES)
def test_a_classifier_in_timms_names_starts_any_backbone(name: str) -> None:
    rows = initial.rows_timm(options_of(name))
    state = tensors(rows)
    state |= {"fc.weight": torch.empty(3, 2, device="meta"), "head.bias": torch.empty(3)}
    recognised = found(state, partial=True)
    assert recognised.options["backbone"] == name
    assert len(recognised.state()) == len(rows)
    assert "fc.weight" in recognised.unused()


@pytest.mark.parametrize("name", ["efficientnet-b5", "swin-t", "twins-svt", "twins-pcpvt", "vit-b"])
def test_a_backbone_in_openmmlabs_names_starts_training(name: str) -> None:
    rows = initial.rows_openmmlab(options_of(name))
    state = {**tensors(rows, "backbone."), "head.fc.weight": torch.empty(3, 2, device="meta")}
    recognised = found(state, partial=True)
    assert recognised.options["backbone"] == name
    assert len(recognised.state()) == sum(bool(row.ours) for row in rows)


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_pose_network_with_hrnet_gives_what_it_has(prefix: str) -> None:
    """Its last module makes the finest map only, and it has no upsampling."""
    rows = initial.rows_timm(options_of("hrnet-w32"))
    own = [row for row in rows if not row.theirs.startswith("stage4.2.fuse_layers.1")]
    state = {**tensors(own, prefix), "final_layer.weight": torch.empty(17, 32, 1, 1)}
    recognised = found(state, partial=True)
    assert recognised.options["backbone"] == "hrnet-w32"
    floats = [key for key in recognised.state() if not key.endswith("num_batches_tracked")]
    assert len(floats) == sum(not row.theirs.endswith("num_batches_tracked") for row in own)
    assert recognised.unused() == {"final_layer.weight": "a pose head"}


def test_a_simple_baseline_gives_its_resnet() -> None:
    state = tensors(initial.rows_timm(options_of("resnet50")))
    state |= {"deconv_layers.0.weight": torch.empty(2, 2, device="meta")}
    state |= {"final_layer.bias": torch.empty(16, device="meta")}
    recognised = found(state, partial=True)
    assert recognised.options["backbone"] == "resnet50"
    assert set(recognised.unused().values()) == {"a pose head"}


def test_swin_as_published_merges_at_the_end_of_a_stage() -> None:
    rows = initial.rows_swin(options_of("swin-t"))
    state = tensors(rows) | {"layers.0.blocks.1.attn_mask": torch.empty(64, 49, 49)}
    recognised = found(state, partial=True)
    assert recognised.layout.name == "backbone-swin"
    ours = {row.theirs: row.ours for row in recognised.rows}
    merge = "downsample.reduction.weight"
    assert ours[f"layers.0.{merge}"] == f"backbone.trunk.layers.1.{merge}"


def test_a_backbone_alone_is_no_checkpoint_to_predict_with() -> None:
    with pytest.raises(InvalidData, match="holds a part of model 'hmr' only"):
        found(tensors(initial.rows_timm(options_of("resnet50"))))


def test_a_pose_network_starts_a_training_and_says_what_was_dropped(tmp_path: Path) -> None:
    module, spec, _ = build_model("hmr", preset="resnet18", options={"hidden": 16})
    backbone = {
        key.removeprefix("backbone."): torch.full_like(value, 2)
        for key, value in module.state_dict().items()
        if key.startswith("backbone.")
    }
    file = tmp_path / "pose_resnet18.pth"
    torch.save({"state_dict": {**backbone, "final_layer.weight": torch.zeros(17, 2)}}, file)
    said = initialise(module, spec, file)
    assert str(file) in said
    assert module.state_dict()["backbone.conv1.weight"].unique().tolist() == [2]


def test_the_order_of_merged_patches_can_be_turned_back() -> None:
    numbers = torch.arange(40).reshape(2, 20)
    assert torch.equal(to_unfolded(from_unfolded(numbers)), numbers)
    assert torch.equal(from_unfolded(to_unfolded(numbers)), numbers)


def test_reordered_weights_merge_patches_as_unfolding_does() -> None:
    """OpenMMLab unfolds 2x2 patches, then norm and linear; timm concatenates four of them."""
    from timm.models.swin_transformer import PatchMerging

    torch.manual_seed(0)
    channels, tokens = 3, torch.randn(2, 4, 4, 3)
    norm, linear = nn.LayerNorm(4 * channels), nn.Linear(4 * channels, 2 * channels, bias=False)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    unfolded = nn.functional.unfold(tokens.permute(0, 3, 1, 2), 2, stride=2).transpose(1, 2)
    expected = linear(norm(unfolded)).reshape(2, 2, 2, 2 * channels)
    ours = PatchMerging(channels)
    ours.norm.load_state_dict({k: from_unfolded(v) for k, v in norm.state_dict().items()})
    ours.reduction.weight.data = from_unfolded(linear.weight.data)
    assert torch.allclose(ours(tokens), expected, atol=1e-5)


def test_what_is_written_back_is_what_was_read() -> None:
    rows = [row for row in rows_of("swin-t") if row.ours and "stages.3" not in row.theirs]
    theirs = {row.theirs: torch.randn(row.shape) for row in rows}
    written, absent = write_rows(rows, read_rows(rows, theirs), {})
    assert absent == [] and list(written) == list(theirs)
    assert all(torch.equal(written[key], value) for key, value in theirs.items())


def test_our_own_checkpoint_of_a_preset_loads_again(tmp_path: Path) -> None:
    module, spec, options = build_model("hmr", preset="tiny")
    info = CheckpointInfo(
        model="hmr",
        options=options,
        input_size=(64, 64),
        body={"kind": "smpl", "gender": "neutral", "source": "free"},
        mean=spec.mean,
        std=spec.std,
    )
    save_checkpoint(tmp_path / "tiny.safetensors", module, info)
    loaded = load_model(tmp_path / "tiny.safetensors")
    assert loaded.spec.crop == "fast"
    assert all(
        torch.equal(value, loaded.module.state_dict()[key])
        for key, value in module.state_dict().items()
    )


def test_a_whole_file_of_spin_starts_head_and_backbone(tmp_path: Path) -> None:
    """Its keys are those of a ResNet, too."""
    module, spec, _ = build_model("hmr", preset="spin")
    rows = {row.ours: row.theirs for row in rows_of("spin")}
    state = {rows[key]: torch.full_like(value, 3) for key, value in module.state_dict().items()}
    torch.save({"model": state, "epoch": 1, "optimizer": {"state": {}}}, tmp_path / "spin.pt")
    said = initialise(module, spec, tmp_path / "spin.pt")
    assert said.startswith(f"331 tensors from {tmp_path / 'spin.pt'}\n")
    assert all(bool((value == 3).all()) for value in module.state_dict().values())


@pytest.mark.slow
def test_a_file_in_its_authors_container_and_half_precision_predicts(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = build_model("hmr", preset="twins-pcpvt")[0].eval()
    rows = {row.ours: row for row in rows_of("twins-pcpvt")}
    state = {rows[key].theirs: value.half() for key, value in module.state_dict().items()}
    state = {f"module.{key}": value for key, value in state.items()}
    content = {"meta": {"epoch": 3, "time": "x"}, "state_dict": state, "optimizer": {"disc": {}}}
    file = tmp_path / "twins.pth"
    torch.save(content, file, _use_new_zipfile_serialization=False)
    loaded = load_model(file, body_source="free")
    assert loaded.spec.crop.endswith("MMHUMAN3D")
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        assert torch.allclose(loaded(image).camera, module(image).camera, atol=1e-2)
    assert any("float16" in line for line in loaded.said)
