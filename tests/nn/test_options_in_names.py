"""A checkpoint may be used with other options than it was trained with: NAME+OPTION."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from hpscli.body.layer import load_body
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.nn.checkpoints import build_model, load_model, save_checkpoint
from hpscli.nn.files import CheckpointInfo
from hpscli.nn.options import typed_options
from hpscli.nn.weights.sources import split_options
from hpscli.registry import get_registry

OPTIONS = {
    "backbone": "small",
    "width": 64,
    "second_width": 32,
    "heads": 4,
    "input_px": 64,
    "smpl_parameters": True,
    "regressor_hidden": 32,
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny FastMETRO that regresses SMPL parameters, as training saves it."""
    torch.manual_seed(0)
    module, spec, options = build_model("fastmetro", options=OPTIONS, body_source="free")
    body = load_body("smpl", source="free")
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    info = CheckpointInfo(
        model=spec.name, options=options, input_size=spec.input_size, body=body.describe()
    )
    save_checkpoint(path, module, info)
    return path


def images() -> Tensor:
    """-> two pictures of noise."""
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_a_name_with_an_option_answers_with_the_mesh_of_the_parameters(checkpoint: Path) -> None:
    own, posed = load_model(checkpoint), load_model(f"{checkpoint}+parametric")
    assert posed.options["parametric"] and not own.options["parametric"]
    assert posed.name == f"{checkpoint}+parametric" and posed.sha256 == own.sha256
    with torch.no_grad():
        mesh, expected, whole = own(images()), posed(images()), own(images())
    assert mesh.vertices is not None and expected.vertices is not None
    assert not torch.allclose(mesh.vertices, expected.vertices, atol=1e-2)
    vertices = own.body(whole.parameters).vertices
    root = own.body.regress(vertices, "h36m17")[:, :1]
    assert torch.allclose(vertices - root, expected.vertices, atol=1e-6)
    off = load_model(f"{checkpoint}+parametric=no")
    assert not off.options["parametric"]


def test_options_that_change_the_weights_are_refused(checkpoint: Path) -> None:
    with pytest.raises(InvalidData, match="does not fit"):
        load_model(f"{checkpoint}+layers=2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("+parametrics", "Did you mean 'parametric'"),
        ("+parametric=maybe", "expected yes or no"),
        ("+layers=two", "expected int"),
    ],
)
def test_words_that_mean_nothing_are_refused(checkpoint: Path, words: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_model(f"{checkpoint}{words}")
    assert said in str(caught.value)


def test_a_file_with_a_plus_in_its_name_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a+parametric"
    path.touch()
    assert split_options(path) == (path, {})
    with pytest.raises(MissingError, match="no checkpoint 'b'"):
        load_model("b+parametric")


def test_words_become_what_the_defaults_are() -> None:
    spec = get_registry().model("fastmetro")
    words = {"parametric": "", "layers": "3", "dropout": "0.5", "backbone": "small"}
    found = typed_options(spec, words)
    assert found == {"parametric": True, "layers": 3, "dropout": 0.5, "backbone": "small"}
    assert split_options("fastmetro.s+parametric+layers=3") == (
        "fastmetro.s",
        {"parametric": "", "layers": "3"},
    )
