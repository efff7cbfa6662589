"""HMR2.0's files: every tensor has its place, and the Lightning container is read safely."""

import collections
import math
import sys
import types
import typing
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hps_models.hmr2.weights import guess, rows
from hpscli.errors import InvalidData
from hpscli.nn.checkpoints import build_model, initialise, load_model
from hpscli.nn.layouts import Row
from hpscli.nn.official.counts import count_preset
from hpscli.nn.options import complete_options
from hpscli.nn.weights.torch_files import load_torch_file
from hpscli.registry import get_registry
from hpscli.testing.goldens import Entry, read_manifest

NUMBERS = 677_234_503  # floating ones in the file, those of SMPL included
FORMATS = {"zip": True, "legacy": False}
# Fixed by the format of the file: 4D-Humans' checkpoints carry their hydra configuration.
CLASSES = {
    "omegaconf.dictconfig": "DictConfig",
    "omegaconf.listconfig": "ListConfig",
    "omegaconf.base": "ContainerMetadata",
    "omegaconf.nodes": "AnyNode",
    "pytorch_lightning.callbacks.model_checkpoint": "ModelCheckpoint",
}


def options_of(preset: str) -> dict[str, Any]:
    return complete_options(get_registry().model("hmr2"), preset, {})


@pytest.fixture(scope="module")
def entries(reference: Path) -> dict[str, Entry]:
    return read_manifest(reference / "hmr/keys/hmr2.json")


def test_rows_are_the_official_layout(entries: dict[str, Entry]) -> None:
    found = rows(options_of("vit-h"))
    assert {row.theirs: row.shape for row in found} == {k: e.shape for k, e in entries.items()}
    assert len(found) == len(entries)
    floats = [entry for entry in entries.values() if entry.dtype == "float32"]
    assert sum(math.prod(entry.shape) for entry in floats) == NUMBERS


def test_parameters_are_counted_as_in_the_file(entries: dict[str, Entry]) -> None:
    counts = count_preset(get_registry().model("hmr2"), "vit-h")
    trained = [entry for entry in entries.values() if not entry.rule.constant]
    assert counts["official_params"] == sum(math.prod(entry.shape) for entry in trained)
    adversary = [e for key, e in entries.items() if key.startswith("discriminator.")]
    unused = sum(math.prod(entry.shape) for entry in adversary)
    assert counts["used_params"] == counts["official_params"] - unused


@pytest.mark.parametrize("preset", ["vit-h", "tiny"])
def test_every_tensor_of_ours_comes_from_one_row(preset: str) -> None:
    with torch.device("meta"):
        module = build_model("hmr2", preset=preset)[0]
    used = [row.ours for row in rows(options_of(preset)) if row.ours]
    assert sorted(used) == sorted(module.state_dict())


@pytest.mark.parametrize("preset", ["vit-h", "tiny"])
def test_shapes_alone_tell_the_preset(preset: str) -> None:
    shapes = {row.theirs: row.shape for row in rows(options_of(preset))}
    assert {**options_of(""), **(guess(shapes) or {})} == options_of(preset)


def test_another_model_is_no_hmr2() -> None:
    assert guess({"backbone.conv1.weight": (64, 3, 7, 7)}) is None
    encoder = {"backbone.pos_embed": (1, 193, 768), "backbone.task_tokens": (1, 31, 768)}
    assert guess({**encoder, "backbone.patch_embed.proj.weight": (768, 3, 16, 16)}) is None


@pytest.mark.parametrize("half", [slice(None, 250), slice(300, None)])
def test_half_a_file_names_what_is_missing(half: slice, entries: dict[str, Entry]) -> None:
    with torch.device("meta"):
        state = {key: torch.empty(entry.shape) for key, entry in list(entries.items())[half]}
    with pytest.raises(InvalidData, match=r"(?s)Nearest is hmr2, preset vit-h.*missing "):
        load_model(state)


def filled(table: list[Row]) -> dict[str, Tensor]:
    """An official state dict of random numbers."""
    random = torch.Generator().manual_seed(0)
    state = {row.theirs: torch.rand(row.shape, generator=random) for row in table}
    return {**state, "initialized": torch.tensor(False)}


def make_class(module: str, name: str) -> type:
    """-> a class of a package that is not installed here."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        path = ".".join(parts[:end])
        sys.modules.setdefault(path, types.ModuleType(path))
    kind = type(name, (), {"__module__": module, "__qualname__": name})
    setattr(sys.modules[module], name, kind)
    return kind


def forget() -> None:
    for name in list(sys.modules):
        if name.split(".")[0] in ("omegaconf", "pytorch_lightning"):
            del sys.modules[name]


def configuration(kinds: dict[str, type]) -> Any:
    """A DictConfig as omegaconf pickles it: metadata, content, and parents that point back."""

    def metadata(kind: type) -> Any:
        found = kinds["ContainerMetadata"]()
        found.__dict__ = {
            "ref_type": typing.Any,
            "object_type": kind,
            "optional": True,
            "key_type": typing.Any,
            "resolver_cache": collections.defaultdict(dict),
        }
        return found

    config, sizes, size = kinds["DictConfig"](), kinds["ListConfig"](), kinds["AnyNode"]()
    size.__dict__ = {"_metadata": metadata(int), "_val": 256, "_parent": sizes}
    sizes.__dict__ = {"_metadata": metadata(list), "_content": [size], "_parent": config}
    config.__dict__ = {"_metadata": metadata(dict), "_content": {"IMAGE_SIZE": sizes}}
    return config


@pytest.mark.parametrize("form", FORMATS)
def test_the_authors_container_is_read_safely(form: str, tmp_path: Path) -> None:
    kinds = {name: make_class(module, name) for module, name in CLASSES.items()}
    table = rows(options_of("tiny"))
    state = filled(table)
    content = {
        "epoch": 35,
        "global_step": 1_000_000,
        "pytorch-lightning_version": "1.8.1",
        "state_dict": collections.OrderedDict(state),
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {kinds["ModelCheckpoint"]: {"dirpath": "logs", "best_model_score": None}},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}}],
        "hparams_name": "cfg",
        "hyper_parameters": {"cfg": configuration(kinds)},
    }
    path = tmp_path / "epoch=35-step=1000000.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=FORMATS[form])
    forget()
    assert set(load_torch_file(path)) == set(content)
    model = load_model(path)
    assert (model.spec.name, model.spec.input_size) == ("hmr2", (64, 64))
    ours = model.module.state_dict()
    for row in table:
        if row.ours:
            theirs = state[row.theirs].to(
                ours[row.ours].dtype
            )  # batch norm counts in whole numbers
            assert torch.equal(ours[row.ours], row.read(theirs) if row.read else theirs)
    said = "\n".join(model.said)
    assert "recognised hmr2, preset tiny" in said
    assert "adversary" in said
    assert "licensed SMPL model" in said
    assert "hyper_parameters" in said
    with torch.no_grad():
        raw = model(torch.randn(1, 3, 64, 64)).raw
    assert raw["joints44"].shape == (1, 44, 3)
    assert raw["keypoints2d"].shape == (1, 44, 2)


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_an_encoder_of_vitpose_starts_the_network(prefix: str, tmp_path: Path) -> None:
    module, spec, _ = build_model("hmr2", preset="tiny")
    table = [row for row in rows(options_of("tiny")) if row.theirs.startswith("backbone.")]
    state = {f"{prefix}{k[9:]}": v for k, v in filled(table).items() if k.startswith("backbone.")}
    head = {"keypoint_head.final_layer.weight": torch.ones(17, 256, 1, 1)} if prefix else {}
    torch.save({"state_dict": {**state, **head}}, tmp_path / "vitpose.pth")
    before = module.state_dict()["smpl_head.decpose.weight"].clone()
    said = initialise(module, spec, tmp_path / "vitpose.pth")
    assert "ViTPose" in said
    ours = module.state_dict()
    norm = state[f"{prefix}last_norm.weight"]
    assert torch.equal(ours["backbone.norm.weight"], norm)
    assert torch.equal(ours["smpl_head.decpose.weight"], before)
