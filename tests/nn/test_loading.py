"""hpscli.load_model on files and tensors of every family, around bodies that are handed over."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hpscli import load_model
from hpscli.body.kit import body_kit
from hpscli.body.layer import load_body
from hpscli.errors import InvalidData, UsageError
from hpscli.nn.checkpoints import build_model
from hpscli.nn.loaded import LoadedModel
from hpscli.nn.official.counts import rows_of_authors
from hpscli.nn.options import complete_options
from hpscli.registry import get_registry
from hpscli.testing.surrogates import surrogate_body, surrogate_regressor

SAMPLING = {"smpl": "mesh_downsampling.npz", "mano": "mano_downsampling.npz"}
VERTICES = {"smpl": 6890, "mano": 778, "smplx": 10475}
SMALL = [
    ("metro", "tiny", "smpl"),
    ("metro", "hand-tiny", "mano"),
    ("graphormer", "tiny", "smpl"),
    ("graphormer", "hand-tiny", "mano"),
    ("fastmetro", "tiny", "smpl"),
    ("fastmetro", "hand-tiny", "mano"),
    ("hmr", "tiny", "smpl"),
    ("pare", "tiny", "smpl"),
    ("hmr2", "tiny", "smpl"),
    ("osx", "tiny", "smplx"),
]


def authors_tensors(model: str, preset: str) -> dict[str, Tensor]:
    """-> a file of the authors of this model, filled with small random numbers."""
    spec = get_registry().model(model)
    found = rows_of_authors(spec, complete_options(spec, preset, {}))
    assert found is not None
    random = torch.Generator().manual_seed(2)
    state = {}
    for row in found[1]:
        value = 0.1 * torch.randn(row.shape, generator=random)
        if row.theirs.endswith("num_batches_tracked"):
            value = torch.tensor(0)
        state[row.theirs] = value.abs() + 1 if row.theirs.endswith("running_var") else value
    return state


def given(kind: str, reference: Path) -> dict[str, Any]:
    """-> a surrogate body with the official matrices of its mesh."""
    arrays: dict[str, Any] = surrogate_body(kind)
    if kind in SAMPLING:
        arrays["sampling"] = reference / "metro_graphormer" / "assets" / SAMPLING[kind]
    if kind == "smplx":
        random = np.random.RandomState(13)
        arrays["lmk_faces_idx"] = random.randint(0, 20908, 51)
        arrays["lmk_bary_coords"] = np.full((51, 3), 1 / 3)
        arrays["dynamic_lmk_faces_idx"] = random.randint(0, 20908, (79, 17))
        arrays["dynamic_lmk_bary_coords"] = np.full((79, 17, 3), 1 / 3)
    if kind == "smpl":
        arrays["J_regressor_h36m"] = surrogate_regressor(17, 6890, 12)
        arrays["J_regressor_extra"] = surrogate_regressor(9, 6890, 13)
    return arrays


def predicted(loaded: LoadedModel) -> Any:
    with torch.no_grad():
        return loaded(torch.zeros(2, 3, *loaded.input_size))


@pytest.mark.parametrize(("model", "preset", "kind"), SMALL)
def test_tensors_in_memory_and_a_body_of_arrays_are_enough(
    model: str, preset: str, kind: str, reference: Path
) -> None:
    loaded = load_model(authors_tensors(model, preset), body=given(kind, reference))
    found = predicted(loaded)
    assert (loaded.spec.name, loaded.spec.body, loaded.body.source) == (model, kind, "given")
    assert found.vertices.shape == (2, VERTICES[kind], 3)
    assert found.raw and all(isinstance(value, Tensor) for value in found.raw.values())
    assert not loaded.training
    assert load_body(kind).source == "free"  # nothing was installed


@pytest.mark.parametrize(("model", "preset", "kind"), SMALL[-4:])
def test_everything_that_a_model_says_moves_with_it(
    model: str, preset: str, kind: str, reference: Path
) -> None:
    loaded = load_model(authors_tensors(model, preset), body=given(kind, reference)).to("meta")
    with torch.no_grad():
        found = loaded(torch.zeros(2, 3, *loaded.input_size, device="meta"))
    tensors = {**found.named_tensors(), **found.raw}
    assert {name for name, value in tensors.items() if value.device.type != "meta"} == set()


def test_raw_outputs_of_a_model_without_a_body_of_its_own_move_too() -> None:
    loaded = load_model(authors_tensors("osx", "tiny")).to("meta")
    with torch.no_grad():
        found = loaded(torch.zeros(1, 3, *loaded.input_size, device="meta"))
    assert found.raw["out_smplx_mesh_cam"].device.type == "meta"


def test_known_keys_with_shapes_of_no_network_are_refused_in_words() -> None:
    state = {key: torch.zeros(7) for key in authors_tensors("osx", "tiny")}
    with pytest.raises(InvalidData, match="of no layout that a model here reads"):
        load_model(state)


def test_arrays_of_numpy_are_weights_too(reference: Path) -> None:
    state = {key: tensor.numpy() for key, tensor in authors_tensors("hmr", "tiny").items()}
    assert load_model(state, body=given("smpl", reference)).spec.name == "hmr"


@pytest.fixture
def files(tmp_path: Path, reference: Path) -> list[Path]:
    """A body in the container of its owner, and the sampling file of METRO."""
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(surrogate_body("smpl"), protocol=2))
    return [path, reference / "metro_graphormer" / "assets" / SAMPLING["smpl"]]


def test_a_body_is_given_as_files_folder_arrays_kit_or_body(
    files: list[Path], reference: Path
) -> None:
    state = authors_tensors("hmr", "tiny")
    arrays = surrogate_body("smpl")
    kit = body_kit("smpl", given=arrays)
    forms: list[Any] = [files[0], str(files[0]), files, files[0].parent]
    forms += [arrays, [arrays, files[1]], kit, kit.body()]
    vertices = [predicted(load_model(state, body=form)).vertices for form in forms]
    for other in vertices[1:]:
        torch.testing.assert_close(other, vertices[0], atol=1e-5, rtol=0)
    free = predicted(load_model(state)).vertices
    assert (free - vertices[0]).abs().max() > 0.1


@pytest.mark.parametrize(("model", "preset"), [("graphormer", "tiny"), ("metro", "hand-tiny")])
def test_weights_of_the_official_mesh_refuse_another_in_one_sentence(
    model: str, preset: str
) -> None:
    state = authors_tensors(model, preset)
    with pytest.raises(InvalidData, match="was trained on the vertices of the official") as raised:
        load_model(state)
    assert raised.value.problem.count(".") == 1
    assert "sampling file" in raised.value.fix


def test_a_body_of_another_kind_is_refused(reference: Path) -> None:
    kit = body_kit("mano", given=surrogate_body("mano"))
    with pytest.raises(UsageError, match="needs a smpl body, the one given is mano"):
        load_model(authors_tensors("hmr", "tiny"), body=kit)


def test_a_body_with_an_unknown_entry_names_the_nearest(reference: Path) -> None:
    wrong: Mapping[str, Any] = {**surrogate_body("smpl"), "J_regresor_extra": np.zeros((9, 6890))}
    with pytest.raises(UsageError, match="'J_regresor_extra'.*Did you mean 'J_regressor_extra'"):
        load_model(authors_tensors("hmr", "tiny"), body=wrong)


def test_a_body_without_a_part_names_it(reference: Path) -> None:
    arrays = surrogate_body("smpl")
    del arrays["weights"]
    with pytest.raises(InvalidData, match="the body that was given has no weights"):
        load_model(authors_tensors("hmr", "tiny"), body=arrays)


def test_a_whole_body_without_face_landmarks_is_told_so() -> None:
    loaded = load_model(authors_tensors("osx", "tiny"), body=surrogate_body("smplx"))
    with pytest.raises(InvalidData, match="no face landmarks: 'lmk_faces_idx' is missing"):
        predicted(loaded)


def test_a_file_of_the_authors_is_loaded_by_its_path(tmp_path: Path, reference: Path) -> None:
    state = authors_tensors("graphormer", "tiny")
    torch.save(state, tmp_path / "graphormer_x_state_dict.bin")
    body = given("smpl", reference)
    loaded = load_model(tmp_path / "graphormer_x_state_dict.bin", body=body)
    assert loaded.said[0].startswith("recognised graphormer, preset tiny")
    assert len(loaded.sha256) == 64
    torch.testing.assert_close(
        predicted(loaded).vertices, predicted(load_model(state, body=body)).vertices
    )


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(3, 64, 64), r"shape \(3, 64, 64\)"),
        (torch.zeros(1, 64, 64, 3), r"shape \(1, 64, 64, 3\)"),
        (torch.zeros(0, 3, 64, 64), "B at least 1"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "torch.uint8, expected normalised"),
        ("picture.jpg", "not str"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(images: object, said: str) -> None:
    model = load_model("hmr.tiny")
    with pytest.raises(UsageError, match=said):
        model(images)


@pytest.mark.parametrize("device", ["quantum", "cuda:99"])
def test_a_device_that_is_not_here_is_named(device: str) -> None:
    with pytest.raises(UsageError, match=f"device '{device}' cannot be used"):
        load_model("hmr.tiny", device=device)


def test_measuring_a_network_in_training_leaves_its_memory_layout_alone() -> None:
    loaded = load_model("hmr.tiny")
    network, _, _ = build_model("hmr", preset="tiny")
    loaded.but(module=network)
    weight = network.get_parameter("backbone.blocks.0.conv1.weight")
    assert weight.is_contiguous()
    assert not loaded.module.get_parameter("backbone.blocks.0.conv1.weight").is_contiguous()
