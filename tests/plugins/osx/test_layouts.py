"""The files of OSX's authors: names, shapes, counts, old names, parts of files."""

import json
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hps_models.osx.plugin import OSX
from hps_models.osx.weights import encoder_rows, guess, rows
from hpscli.errors import InvalidData
from hpscli.nn.checkpoints import build_model, initialise, load_model
from hpscli.nn.layouts import Row, official_parameters, read_rows, used_parameters, write_rows
from hpscli.nn.options import complete_options, preset_of
from hpscli.nn.weights.foreign import open_foreign, recognise

OFFICIAL = [name for name in OSX.presets if name != "tiny"]
OLD = {"encoder": "backbone", "body_regressor": "body_rotation_net"}
OLD |= {"hand_regressor": "hand_rotation_net"}


@lru_cache
def table(preset: str) -> tuple[Row, ...]:
    return tuple(rows(complete_options(OSX, preset, {})))


def their_state(preset: str, *, numbers: bool = False) -> dict[str, Tensor]:
    """-> a state dict as the authors save it, with the prefix of data-parallel training."""
    torch.manual_seed(0)
    device = "cpu" if numbers else "meta"
    state = {}
    for row in table(preset):
        counter = row.theirs.endswith("num_batches_tracked")
        kind = torch.int64 if counter else torch.float32
        tensor = torch.ones(row.shape, dtype=kind, device=device)
        if numbers and not counter:
            tensor = torch.rand(row.shape) + 0.5
        state[f"module.{row.theirs}"] = tensor
    return state


@pytest.mark.parametrize("preset", OFFICIAL)
def test_the_layout_of_a_preset_is_the_manifest_of_its_authors(
    preset: str, reference: Path
) -> None:
    path = reference / "osx" / "keys" / f"osx_{preset.replace('-', '_')}.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    about = manifest.pop("_meta")
    ours = {
        f"module.{row.theirs}": (list(row.shape), row.parameter, bool(row.ours))
        for row in table(preset)
    }
    assert ours == {
        key: (row[0], row[2].startswith("param"), "unused" not in row[2])
        for key, row in manifest.items()
    }
    assert official_parameters(table(preset)) == about["params_total"]
    assert used_parameters(table(preset)) == about["params_used_in_forward"]


@pytest.mark.parametrize("size", ["b", "l"])
def test_the_layout_of_an_encoder_file_is_its_manifest(size: str, reference: Path) -> None:
    path = reference / "osx" / "keys" / f"encoder_osx_vit_{size}.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest.pop("_meta")
    found = encoder_rows(complete_options(OSX, size, {}))
    ours = {row.theirs: (list(row.shape), row.parameter) for row in found}
    assert ours == {k: (row[0], row[2].startswith("param")) for k, row in manifest.items()}


@pytest.mark.parametrize("preset", list(OSX.presets))
def test_every_preset_is_told_by_its_keys_and_shapes(preset: str) -> None:
    found = recognise(
        open_foreign({"epoch": 13, "network": their_state(preset), "optimizer": {}}), models=[OSX]
    )
    assert found.preset == preset
    assert found.foreign.baggage == ("epoch", "optimizer")
    dropped = found.unused()
    assert len(dropped) == sum(not row.ours for row in table(preset))
    assert all(dropped.values())


def test_old_names_are_read_as_the_official_loader_does() -> None:
    state = {}
    for key, tensor in their_state("b-wo-decoder").items():
        part = key.split(".")[1]
        state[key.replace(part, OLD.get(part, part), 1)] = tensor
    assert any(key.startswith("module.body_rotation_net.") for key in state)
    found = recognise(open_foreign({"network": state}), models=[OSX])
    assert found.preset == "b-wo-decoder"
    assert any("backbone.* as encoder.*" in line for line in found.said())


def test_the_body_that_somebody_left_in_a_file_is_dropped_with_a_reason() -> None:
    state = their_state("b-wo-decoder") | {
        "module.smplx_layer.v_template": torch.zeros(10475, 3, device="meta")
    }
    found = recognise(open_foreign({"network": state}), models=[OSX])
    assert "licensed body" in found.unused()["smplx_layer.v_template"]


def test_half_a_file_names_what_is_missing() -> None:
    whole = their_state("l-wo-decoder")
    half = {key: whole[key] for key in list(whole)[: len(whole) // 2]}
    with pytest.raises(InvalidData, match="Nearest is osx") as caught:
        recognise(open_foreign({"network": half}), models=[OSX])
    assert "missing" in str(caught.value)


def test_a_file_without_its_encoder_is_still_of_the_right_size() -> None:
    shapes = {row.theirs: row.shape for row in table("l") if not row.theirs.startswith("encoder.")}
    found = guess(shapes)
    assert found is not None
    assert (found["channels"], found["heads"], found["decoder"]) == (1024, 16, "both")


def test_what_is_not_osx_is_not_taken_for_it() -> None:
    assert guess({"encoder.layers.0.weight": (3, 3), "head.bias": (3,)}) is None


def test_every_used_tensor_of_a_file_returns_as_it_was() -> None:
    state = {k.removeprefix("module."): v for k, v in their_state("tiny", numbers=True).items()}
    kept = {row.theirs: state[row.theirs] for row in table("tiny") if not row.ours}
    back, absent = write_rows(table("tiny"), read_rows(table("tiny"), state), kept)
    assert not absent and set(back) == set(state)
    changed = [key for key in back if not torch.equal(back[key], state[key])]
    assert changed == ["encoder.pos_embed"]  # row 0 is folded into the others
    folded = state["encoder.pos_embed"]
    assert torch.equal(back["encoder.pos_embed"][:, 1:], folded[:, 1:] + folded[:, :1])
    assert not back["encoder.pos_embed"][:, 0].any()


def test_a_file_of_the_authors_is_loaded_and_predicts(tmp_path: Path) -> None:
    path = tmp_path / "osx_tiny.pth.tar"
    torch.save({"epoch": 1, "network": their_state("tiny", numbers=True), "optimizer": {}}, path)
    model = load_model(path, body_source="free")
    with torch.no_grad():
        prediction = model(torch.rand(1, 3, 512, 384))
    assert prediction.vertices is not None and prediction.vertices.shape == (1, 10475, 3)
    assert prediction.raw["out_smplx_joint_proj"].shape == (1, 137, 2)
    assert any("never runs" in line for line in model.said)


def test_an_encoder_file_starts_the_encoder_and_leaves_the_task_tokens(tmp_path: Path) -> None:
    torch.manual_seed(1)
    module, spec, options = build_model("osx", preset="tiny", body_source="free")
    tokens = module.get_submodule("encoder").reg_token.detach().clone()  # type: ignore[union-attr, operator]
    state = {
        row.theirs: torch.rand(row.shape)
        for row in encoder_rows(options)
        if row.theirs != "backbone.task_tokens"
    }
    path = tmp_path / "osx_vit_tiny.pth"
    torch.save({"state_dict": state, "meta": {"epoch": 210}}, path)
    said = initialise(module, spec, path)
    assert "start at random" in said and "no task tokens" not in said.split("\n")[0]
    encoder = module.get_submodule("encoder").state_dict()
    assert torch.equal(encoder["norm.weight"], state["backbone.last_norm.weight"])
    assert torch.equal(encoder["reg_token"], tokens)


def test_presets_are_found_again_from_their_options() -> None:
    for preset in OSX.presets:
        assert preset_of(OSX, complete_options(OSX, preset, {})) == preset
