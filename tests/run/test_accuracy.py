"""The matrix of published numbers: models are asked as their authors asked them."""

from pathlib import Path

import pytest
import torch

from hpscli.body.kit import body_kit
from hpscli.nn.checkpoints import build_model, save_checkpoint
from hpscli.nn.files import CheckpointInfo
from hpscli.run.accuracy import loaded_with


@pytest.fixture
def two_meshes(tmp_path: Path) -> Path:
    """A tiny FastMETRO that gives a mesh and SMPL parameters, as training saves it."""
    torch.manual_seed(0)
    kit = body_kit("smpl", "free")
    module, spec, options = build_model(
        "fastmetro", preset="tiny", options={"smpl_parameters": True}, kit=kit
    )
    info = CheckpointInfo(
        model=spec.name, options=options, input_size=(64, 64), body=kit.body().describe()
    )
    save_checkpoint(tmp_path / "two.safetensors", module, info)
    return tmp_path / "two.safetensors"


def test_the_same_weights_answer_with_the_mesh_that_was_published(two_meshes: Path) -> None:
    images = torch.randn(1, 3, 64, 64)
    network = loaded_with(str(two_meshes), {}, "cpu")
    parametric = loaded_with(str(two_meshes), {"parametric": True}, "cpu")
    with torch.no_grad():
        own, posed = network(images), parametric(images)
    assert own.vertices is not None and posed.vertices is not None
    assert not torch.allclose(own.vertices, posed.vertices)
    torch.testing.assert_close(own.camera, posed.camera)
    assert parametric.options["parametric"] and parametric.sha256 == network.sha256
