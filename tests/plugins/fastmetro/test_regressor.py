"""How matrices become rotations in FastMETRO's parameter regressor, also where there is no SVD."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hps_models.fastmetro.regressor import (
    ParameterRegressor,
    rotations_by_iteration,
    rotations_of,
)
from hpscli.errors import InvalidData
from hpscli.export.graph import Graph, example_image
from hpscli.export.onnx import check_onnx, write_onnx
from hpscli.nn.checkpoints import build_model, initialise, save_checkpoint
from hpscli.nn.files import CheckpointInfo

SUBSTITUTE = 5e-6  # largest difference between the iteration and the decomposition, float32


def matrices(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 3, generator=torch.Generator().manual_seed(0))


def test_a_matrix_that_mirrors_changes_its_sign_as_a_whole() -> None:
    given = matrices(64)
    for matrix, rotation in zip(given.double().numpy(), rotations_of(given).numpy(), strict=True):
        left, _, right = np.linalg.svd(matrix)
        expected = left @ right * np.linalg.det(left @ right)
        assert np.abs(rotation - expected).max() < 1e-5
    assert (torch.linalg.det(given) < 0).sum() > 16


def test_rotations_are_rotations() -> None:
    rotations = rotations_of(matrices(100)).double()
    identity = torch.eye(3, dtype=torch.float64).expand(100, 3, 3)
    assert torch.allclose(rotations @ rotations.mT, identity, atol=1e-5)
    assert (torch.linalg.det(rotations) > 0).all()


def test_the_iteration_replaces_the_decomposition_within_its_stated_difference() -> None:
    given = matrices(20_000)
    exact = rotations_of(given.double())
    assert (rotations_by_iteration(given) - exact).abs().max() < SUBSTITUTE


def test_the_iteration_does_not_care_for_the_size_of_a_matrix() -> None:
    given = matrices(100)
    for size in (1e-6, 1e6):
        away = rotations_by_iteration(size * given) - rotations_by_iteration(given)
        assert away.abs().max() < SUBSTITUTE


def test_numbers_are_24_matrices_row_by_row_then_10_betas() -> None:
    torch.manual_seed(0)
    regressor = ParameterRegressor(vertices=5, hidden=8).eval()
    with torch.no_grad():
        numbers, rotations, betas = regressor(torch.randn(2, 5, 3))
    assert torch.equal(betas, numbers[:, 216:])
    assert torch.equal(rotations[:, 1], rotations_of(numbers[:, 9:18].reshape(2, 3, 3)))


@pytest.mark.slow
def test_an_exported_graph_takes_the_iteration(tmp_path: Path) -> None:
    options = {"smpl_parameters": True, "regressor_hidden": 32}
    module, spec, _ = build_model("fastmetro", preset="tiny", options=options, body_source="free")
    graph = Graph(module.eval(), example_image(spec.input_size, 1))
    write_onnx(tmp_path / "model.onnx", graph, spec.input_size, {}, dynamic_batch=True)
    found = check_onnx(tmp_path / "model.onnx", graph, spec.input_size, dynamic_batch=True)
    assert all(difference.ok for difference in found)
    rotations = [
        d.worst for d in found if d.output.startswith("parameters.") and "pose" in d.output
    ]
    assert max(rotations) < 1e-5


def test_the_stage_of_the_parameters_starts_from_weights_that_have_none(tmp_path: Path) -> None:
    before, spec, options = build_model("fastmetro", preset="tiny", body_source="free")
    info = CheckpointInfo(
        model="fastmetro", options=options, input_size=spec.input_size, body={"kind": "smpl"}
    )
    save_checkpoint(tmp_path / "first.safetensors", before, info)
    more = {"smpl_parameters": True}
    module, spec, _ = build_model("fastmetro", preset="tiny", options=more, body_source="free")
    said = initialise(module, spec, tmp_path / "first.safetensors")
    assert said.endswith("; smpl_parameter_regressor starts at random")
    for name, value in before.state_dict().items():
        assert torch.equal(module.state_dict()[name], value), name


def test_no_other_part_may_be_missing_from_a_start(tmp_path: Path) -> None:
    before, spec, options = build_model("fastmetro", preset="tiny", body_source="free")
    info = CheckpointInfo(
        model="fastmetro", options=options, input_size=spec.input_size, body={"kind": "smpl"}
    )
    del before.cam_predictor
    save_checkpoint(tmp_path / "part.safetensors", before, info)
    more = {"smpl_parameters": True}
    module, spec, _ = build_model("fastmetro", preset="tiny", options=more, body_source="free")
    with pytest.raises(InvalidData, match=r"missing     cam_predictor\.weight"):
        initialise(module, spec, tmp_path / "part.safetensors")
