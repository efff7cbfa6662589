"""PARE's files: every tensor has its place, and containers of all their makers are read."""

import math
import re
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hps_models.pare.plugin import CROPS, LAYOUTS, PARE
from hps_models.pare.weights import guess, guess_mmhuman3d, rows, rows_official
from hpscli.data.preparation import MMHUMAN3D, SPIN, Preparation
from hpscli.errors import InvalidData, UsageError
from hpscli.nn.checkpoints import build_model, initialise, load_model
from hpscli.nn.layouts import Row
from hpscli.nn.official.counts import count_preset
from hpscli.nn.options import adapted, complete_options
from hpscli.nn.weights.foreign import open_foreign, recognise
from hpscli.nn.weights.torch_files import load_torch_file
from hpscli.registry import get_registry, resolve
from hpscli.testing.goldens import Entry, read_manifest

MANIFESTS = {
    # key manifest: preset, rows, and floating numbers in the file
    "pare_hrnet_w32": ("hrnet-w32", rows_official, 37_821_076),
    "mmhuman3d_pare_hrnet_w32": ("hrnet-w32", rows, 32_922_204),
    "pare_resnet50_softargmax": ("resnet50", rows, 44_618_435),
}
FORMATS = {"zip": True, "legacy": False}
STRANGERS = ("yacs", "pytorch_lightning", "omegaconf")


def options_of(preset: str) -> dict[str, Any]:
    return complete_options(get_registry().model("pare"), preset, {})


def entries_of(reference: Path, manifest: str) -> dict[str, Entry]:
    return read_manifest(reference / "hmr/keys" / f"{manifest}.json")


def filled(table: list[Row]) -> dict[str, Tensor]:
    """An official state dict of random numbers."""
    random = torch.Generator().manual_seed(0)
    return {
        row.theirs: torch.zeros((), dtype=torch.int64)
        if row.theirs.endswith("num_batches_tracked")
        else torch.rand(row.shape, generator=random)
        for row in table
    }


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_rows_are_the_official_layout(manifest: str, reference: Path) -> None:
    preset, table, numbers = MANIFESTS[manifest]
    entries = entries_of(reference, manifest)
    expected = {key.removeprefix("model."): e.shape for key, e in entries.items()}
    found = table(options_of(preset))
    assert {row.theirs: row.shape for row in found} == expected
    assert len(found) == len(expected)
    floats = [e for e in entries.values() if e.dtype == "float32"]
    assert sum(math.prod(entry.shape) for entry in floats) == numbers


@pytest.mark.parametrize("preset", ["hrnet-w32", "resnet50", "tiny"])
def test_every_tensor_of_ours_comes_from_one_row(preset: str) -> None:
    with torch.device("meta"):
        module = build_model("pare", preset=preset)[0]
    table = [row for row in rows_official(options_of(preset)) if row.ours]
    assert sorted(row.ours for row in table) == sorted(module.state_dict())
    used = sum(parameter.numel() for parameter in module.parameters())
    assert count_preset(get_registry().model("pare"), preset)["used_params"] == used


def test_the_count_of_parameters_is_that_of_get_flops() -> None:
    official = count_preset(get_registry().model("pare"), "hrnet-w32")["official_params"]
    assert round(official / 1e6, 2) == 32.86  # printed by hmr-benchmarks' get_flops


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_shapes_alone_tell_the_preset(manifest: str, reference: Path) -> None:
    shapes = {
        key.removeprefix("model."): entry.shape
        for key, entry in entries_of(reference, manifest).items()
    }
    guessed = guess(shapes)
    assert guessed is not None
    assert complete_options(get_registry().model("pare"), "", guessed) == options_of(
        MANIFESTS[manifest][0]
    )
    assert guess_mmhuman3d(shapes) == {**guessed, "crop": "mmhuman3d"}


@pytest.mark.parametrize("growth", ["none", "deconv", "upsample"])
@pytest.mark.parametrize("backbone", ["resnet101", "hrnet-w32"])
def test_shapes_tell_every_way_to_grow(growth: str, backbone: str) -> None:
    wanted = {**options_of(""), "growth": growth, "backbone": backbone, "layers": 3, "width": 32}
    shapes = {row.theirs: row.shape for row in rows(wanted)}
    assert {**options_of(""), **(guess(shapes) or {})} == wanted


def test_another_model_is_no_pare() -> None:
    assert guess({"backbone.conv1.weight": (64, 3, 7, 7), "head.fc1.weight": (1024, 2205)}) is None


def make_class(module: str, name: str, base: type = object) -> type:
    """-> a class of a package that is not installed here."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        path = ".".join(parts[:end])
        sys.modules.setdefault(path, types.ModuleType(path))
    kind = type(name, (base,), {"__module__": module, "__qualname__": name})
    setattr(sys.modules[module], name, kind)
    return kind


@pytest.fixture
def lightning() -> Iterator[dict[str, Any]]:
    """What Lightning 1.1 and the trainer's configuration leave in a checkpoint."""
    node = make_class("yacs.config", "CfgNode", dict)
    callback = make_class("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    config = node(METHOD="pare", PARE=node(BACKBONE="hrnet_w32-conv", NUM_JOINTS=24))
    config.__dict__["__immutable__"] = False
    yield {
        "epoch": 27,
        "global_step": 34_000,
        "pytorch-lightning_version": "1.1.8",
        "callbacks": {callback: {"best_model_score": torch.tensor(50.9), "dirpath": "logs"}},
        "optimizer_states": [{"state": {0: {"step": 3, "exp_avg": torch.ones(4)}}}],
        "lr_schedulers": [],
        "hparams_name": "hparams",
        "hyper_parameters": config,
    }
    forget()


def forget() -> None:
    for name in list(sys.modules):
        if name.split(".")[0] in STRANGERS:
            del sys.modules[name]


def trainer(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The official trainer's state dict: the model below `model.`, and what the trainer owns."""
    own = {
        "smpl.v_template": torch.zeros(6890, 3),
        "smpl.betas": torch.zeros(1, 10),
        "smpl_native.shapedirs": torch.zeros(5, 3, 10),
        "J_regressor": torch.zeros(17, 60),
        "smpl_faces": torch.zeros(1, 7, 3, dtype=torch.int32),
        "part_label_bins": torch.arange(24.0),
        "K": torch.eye(3),
        "R": torch.eye(3),
    }
    return {**{f"model.{key}": value for key, value in state.items()}, **own}


def assert_loaded(path: Path, state: Mapping[str, Tensor], table: list[Row]) -> tuple[str, ...]:
    """The file is recognised as `tiny`, and every used tensor is there -> what was said."""
    model = load_model(path)
    assert model.spec.name == "pare"
    assert model.spec.input_size == (64, 64)
    ours = model.module.state_dict()
    for row in table:
        if row.ours:
            assert torch.equal(ours[row.ours], state[row.theirs]), row.theirs
    return model.said


@pytest.mark.parametrize("form", FORMATS)
def test_the_authors_container_is_read_safely(
    form: str, tmp_path: Path, lightning: dict[str, Any]
) -> None:
    table = rows_official(options_of("tiny"))
    state = filled(table)
    path = tmp_path / "pare_checkpoint.ckpt"
    content = {**lightning, "state_dict": trainer(state)}
    torch.save(content, path, _use_new_zipfile_serialization=FORMATS[form])
    forget()
    assert set(load_torch_file(path)) == set(content)
    said = "\n".join(assert_loaded(path, state, table))
    assert "recognised pare" in said
    assert re.search(r"prefix 'model\.'", said)
    assert "of the trainer" in said
    assert "licensed SMPL model" in said
    assert "optimizer_states" in said


@pytest.mark.parametrize("form", FORMATS)
def test_the_container_of_mmhuman3d_is_read(form: str, tmp_path: Path) -> None:
    table = rows(options_of("tiny"))
    state = filled(table)
    arrays = {f"body_model_train.{name}": torch.zeros(3) for name in ("betas", "v_template")}
    content = {
        "meta": {"env_info": "...", "seed": 0, "epoch": 31, "mmhuman3d_version": "0.8.0"},
        "state_dict": {**state, **arrays},
    }
    path = tmp_path / "hrnet_w32_conv_pare.pth"
    torch.save(content, path, _use_new_zipfile_serialization=FORMATS[form])
    said = "\n".join(assert_loaded(path, state, table))
    assert "mmhuman3d" in said


def test_the_course_projects_lightning_file_is_read(
    tmp_path: Path, lightning: dict[str, Any]
) -> None:
    table = rows(options_of("tiny"))
    state = filled(table)
    content = {**lightning, "state_dict": {f"model.{k}": v for k, v in state.items()}}
    path = tmp_path / "epoch=12-val_loss=63.1.ckpt"
    torch.save(content, path)
    forget()
    assert_loaded(path, state, table)


@pytest.mark.parametrize("half", [slice(None, 950), slice(950, None)])
def test_half_a_file_names_what_is_missing(half: slice, reference: Path) -> None:
    entries = entries_of(reference, "mmhuman3d_pare_hrnet_w32")
    state = {key: torch.zeros(entry.shape) for key, entry in list(entries.items())[half]}
    with pytest.raises(InvalidData, match=r"(?s)Nearest is .*missing "):
        load_model(state)


@pytest.mark.parametrize(("maps", "channels_last"), [("parts", True), ("softargmax", False)])
def test_sampling_keeps_the_usual_order_of_numbers(maps: str, channels_last: bool) -> None:
    state = filled(rows({**options_of("tiny"), "maps": maps}))
    weight = load_model(state).module.get_parameter("head.keypoint_deconv_layers.0.weight")
    assert weight.is_contiguous(memory_format=torch.channels_last) is channels_last


def test_layouts_are_told_apart_by_the_body_that_files_carry() -> None:
    official, other, *_ = LAYOUTS
    assert (official.name, other.name) == ("official", "mmhuman3d")
    with_body = {row.theirs: row.shape for row in rows_official(options_of("tiny"))}
    from hps_models.pare.weights import guess_official

    assert guess_official(with_body) == guess(with_body)
    assert guess_official({row.theirs: row.shape for row in rows(options_of("tiny"))}) is None


def on_disk(folder: Path, name: str, state: Mapping[str, Tensor], prefix: str) -> Path:
    """-> a file with these tensors below `state_dict/` and the prefix."""
    torch.save({"state_dict": {f"{prefix}{k}": v for k, v in state.items()}}, folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("layout", "prefix", "preset", "crop"),
    [
        ("mmhuman3d", "", "hrnet-w32-mmhuman3d", MMHUMAN3D),
        ("course", "model.", "hrnet-w32", SPIN),
        ("official", "model.", "hrnet-w32", SPIN),
    ],
)
def test_the_layout_of_a_file_names_its_makers_crop(
    layout: str, prefix: str, preset: str, crop: Preparation, tmp_path: Path
) -> None:
    table = (rows_official if layout == "official" else rows)(options_of("hrnet-w32"))
    state = {row.theirs: torch.zeros(row.shape, dtype=torch.uint8) for row in table}
    found = recognise(open_foreign(on_disk(tmp_path, "pare.pth", state, prefix)))
    assert (found.layout.name, found.preset) == (layout, preset)
    assert resolve(found.spec.crop) is crop


@pytest.mark.parametrize(("prefix", "layout"), [("", "mmhuman3d"), ("model.", "course")])
def test_tensors_outside_of_any_container_are_told_by_their_prefix(
    prefix: str, layout: str
) -> None:
    table = rows(options_of("hrnet-w32"))
    state = {f"{prefix}{row.theirs}": torch.empty(row.shape, device="meta") for row in table}
    assert recognise(open_foreign(state)).layout.name == layout


def test_released_weights_name_the_crop_of_whoever_trained_them() -> None:
    crops = {w.tag: adapted(PARE, options_of(w.preset)).crop for w in PARE.weights}
    assert crops == {
        "official": CROPS["spin"],
        "official-3dpw": CROPS["spin"],
        "mmhuman3d-mosh": CROPS["mmhuman3d"],
        "mmhuman3d": CROPS["mmhuman3d"],
    }
    assert adapted(PARE, options_of("tiny")).crop == "fast"


def test_an_unknown_crop_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"crop 'mmhuman' is not known.*Did you mean 'mmhuman3d'"):
        build_model("pare", preset="tiny", options={"crop": "mmhuman"})


@pytest.mark.slow
def test_a_network_of_2d_pose_starts_the_backbone(tmp_path: Path) -> None:
    module, spec, _ = build_model("pare", preset="hrnet-w32")
    state = {
        key.removeprefix("backbone."): value
        for key, value in filled(rows(options_of("hrnet-w32"))).items()
        if key.startswith("backbone.") and ".upsample_stage_" not in key
    }
    state["final_layer.weight"] = torch.ones(17, 32, 1, 1)  # joints of COCO, 24 are in PARE's files
    torch.save(state, tmp_path / "pose_hrnet_w32_256x192.pth")
    said = initialise(module, spec, tmp_path / "pose_hrnet_w32_256x192.pth")
    assert "HRNet-W32 for 2D pose" in said
    assert "start at random" in said
    ours = module.state_dict()
    name = "stage4.2.branches.3.3.conv2.weight"
    assert torch.equal(ours[f"backbone.trunk.{name}"], state[name])
