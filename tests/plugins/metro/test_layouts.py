"""The authors' files of METRO and Mesh Graphormer: names, shapes, counts, and what is refused."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hpscli.errors import InvalidData
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import build_model, load_model
from hpscli.nn.layouts import Row, official_parameters, read_rows, used_parameters, write_rows
from hpscli.nn.options import complete_options
from hpscli.nn.weights.foreign import open_foreign, recognise
from hpscli.registry import get_registry, resolve

BACKBONES = ("hrnet-w64", "hrnet-w40", "resnet50")
METRO = [("metro", f"{hand}{b}") for hand in ("", "hand-") for b in BACKBONES]
GRAPHORMER = [("graphormer", f"{hand}{b}") for hand in ("", "hand-") for b in BACKBONES]
OFFICIAL = METRO + [pair for pair in GRAPHORMER if "resnet50" not in pair[1]]
# The others differ from these in the width of the backbone alone.
SLOW = {pair: [pytest.mark.slow] for pair in OFFICIAL if "w40" in pair[1]}
PRESETS = pytest.mark.parametrize(
    ("model", "preset"), [pytest.param(*pair, marks=SLOW.get(pair, [])) for pair in OFFICIAL]
)
KINDS = pytest.mark.parametrize(
    ("model", "preset"), [("metro", "hand-resnet50"), ("graphormer", "hrnet-w64")]
)


def options_of(model: str, preset: str) -> tuple[ModelSpec, dict[str, Any]]:
    spec = get_registry().model(model)
    return spec, complete_options(spec, preset, {})


@lru_cache
def rows(model: str, preset: str) -> tuple[Row, ...]:
    spec, options = options_of(model, preset)
    return tuple(resolve(spec.layouts[0].rows)(options))


def without_numbers(model: str, preset: str) -> dict[str, Tensor]:
    """-> the authors' state dict of a preset, shapes alone."""
    return {row.theirs: torch.empty(row.shape, device="meta") for row in rows(model, preset)}


@pytest.mark.parametrize(("model", "preset"), OFFICIAL)
def test_the_layout_of_a_preset_is_the_manifest_of_its_authors(
    model: str, preset: str, reference: Path
) -> None:
    _, options = options_of(model, preset)
    folder = reference / "metro_graphormer"
    name = f"{model}-{options['target']}-{options['backbone']}"
    manifest = json.loads((folder / "keys" / f"{name}.json").read_text(encoding="utf-8"))
    table = rows(model, preset)
    ours = {row.theirs: (list(row.shape), row.parameter) for row in table}
    assert ours == {key: (shape, role == "param") for key, (shape, _, role) in manifest.items()}
    constants = json.loads((folder / "constants.json").read_text(encoding="utf-8"))
    assert official_parameters(table) == constants["layouts"][name]["total_params"]
    unused = json.loads((folder / "keys" / "unused.json").read_text(encoding="utf-8"))["count"]
    heads = 2 * options["backbone"].startswith("hrnet")  # the classifier counts among them
    assert sum(not row.ours for row in table) == unused[model] - 2 + heads


@pytest.mark.parametrize(
    ("model", "preset", "used"),
    [
        ("metro", "hrnet-w64", 196_187_885),
        ("metro", "hand-resnet50", 82_040_925),
        ("graphormer", "hrnet-w64", 181_312_006),
        ("graphormer", "hand-resnet50", 66_263_136),
    ],
)
def test_used_parameters_are_those_of_the_module(model: str, preset: str, used: int) -> None:
    assert used_parameters(rows(model, preset)) == used
    with torch.device("meta"):
        module = build_model(model, preset=preset, body_source="free")[0]
    assert sum(parameter.numel() for parameter in module.parameters()) == used


@PRESETS
def test_a_file_is_recognised_by_its_keys_and_shapes(model: str, preset: str) -> None:
    found = recognise(open_foreign(without_numbers(model, preset)))
    assert (found.spec.name, found.preset) == (model, preset)
    assert found.spec.body == ("mano" if preset.startswith("hand") else "smpl")


@KINDS
def test_a_wrapped_file_is_recognised_behind_its_prefix(model: str, preset: str) -> None:
    state = {f"module.{key}": tensor for key, tensor in without_numbers(model, preset).items()}
    found = recognise(open_foreign({"state_dict": state, "epoch": 3}))
    assert (found.spec.name, found.preset, found.prefix) == (model, preset, "module.")


def test_what_is_dropped_of_a_file_is_said_with_the_reason() -> None:
    dropped = recognise(open_foreign(without_numbers("graphormer", "hrnet-w64"))).unused()
    assert len(dropped) == 31
    assert "classifier" in dropped["backbone.classifier.weight"]
    assert "words" in dropped["trans_encoder.1.bert.embeddings.word_embeddings.weight"]
    skip = "trans_encoder.2.bert.encoder.layer.3.graph_conv.skip_conv.W"
    assert "identity" in dropped[skip]


@pytest.mark.parametrize(
    ("model", "preset", "share"),
    [("metro", "hand-resnet50", 0.95), ("metro", "hand-resnet50", 0.4)]
    + [("graphormer", "hrnet-w64", 0.95), ("graphormer", "hrnet-w64", 0.4)],
)
def test_half_a_file_is_told_with_what_it_lacks(model: str, preset: str, share: float) -> None:
    state = without_numbers(model, preset)
    half = {key: state[key] for key in list(state)[: int(len(state) * share)]}
    # The first half of an HRNet file is a backbone, whatever stood behind it.
    nearest = model if share > 0.5 or "resnet" in preset else "(metro|fastmetro)"
    with pytest.raises(InvalidData, match=rf"Nearest is {nearest}[\s\S]*missing"):
        recognise(open_foreign(half))


def test_a_file_of_another_width_is_refused_with_the_first_differences() -> None:
    state = without_numbers("metro", "hand-resnet50")
    key = "trans_encoder.1.bert.encoder.layer.0.output.dense.weight"
    state[key] = torch.empty(300, 1024, device="meta")
    with pytest.raises(InvalidData, match=r"Nearest is metro.*hand-resnet50[\s\S]*\(300, 1024\)"):
        recognise(open_foreign(state))


def test_a_file_of_another_mesh_is_refused() -> None:
    state = without_numbers("metro", "hand-resnet50")
    state["upsampling.weight"] = torch.empty(778, 200, device="meta")
    with pytest.raises(InvalidData, match=r"upsampling.weight \(778, 200\), expected \(778, 195\)"):
        recognise(open_foreign(state))


@KINDS
def test_official_weights_refuse_the_free_body_in_one_sentence(model: str, preset: str) -> None:
    with pytest.raises(InvalidData, match="vertices of the official (mano|smpl) mesh") as caught:
        load_model(without_numbers(model, preset), body_source="free")
    assert "hps assets" in str(caught.value)


def test_changed_tensors_come_back_bit_for_bit() -> None:
    table = [row for row in rows("metro", "resnet50") if row.read or "position" in row.theirs]
    assert len(table) == 1 + 6  # the mixing of cells; position tables, used and never used
    theirs = {row.theirs: torch.randn(row.shape) for row in table}
    ours = read_rows(table, theirs)
    assert ours["mixing.weight"].shape == (445, 49)
    assert ours["encoders.0.position"].shape == (512, 1024)
    back, left_out = write_rows(table, ours, {})
    assert len(back) == 4
    assert all(torch.equal(back[key], theirs[key]) for key in back)
    assert {row.theirs.split(".")[3] for row in left_out} == {"embeddings"}


def shapes(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in state.items()}


@pytest.mark.parametrize(
    ("model", "preset"),
    [("metro", "resnet50"), ("metro", "hand-resnet50"), ("graphormer", "hand-resnet50")],
)
def test_the_transformer_alone_says_method_and_target(model: str, preset: str) -> None:
    encoders = {k: v for k, v in without_numbers(model, preset).items() if "trans_encoder" in k}
    for name in ("metro", "graphormer"):
        guessed = resolve(get_registry().model(name).layouts[0].guess)(shapes(encoders))
        assert (guessed is not None) == (name == model)
        if guessed and model == "metro":  # both encoders of Graphormer are alike
            assert guessed["target"] == ("hand" if preset.startswith("hand") else "body")
