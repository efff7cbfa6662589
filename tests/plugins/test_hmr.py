"""HMR as a plugin: its networks, and the weights of SPIN in it."""

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hps_models.hmr.weights import convert
from hpscli.body.layer import load_body, mean_parameters
from hpscli.body.rotations import matrix_to_rotation6d
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model, key_differences, load_weights
from hpscli.records import Prediction
from hpscli.testing.goldens import compare, fill_manifest, read_manifest
from hpscli.testing.surrogates import surrogate_mean_parameters

CHANNELS = 3
MOST_BYTES = 8_000_000  # of the checkpoint that ships with the package


def images(count: int = 2, height: int = 64, width: int = 64) -> torch.Tensor:
    return torch.from_numpy(
        np.random.RandomState(0)
        .standard_normal((count, CHANNELS, height, width))
        .astype(np.float32)
    )


def tiny(**options: Any) -> torch.nn.Module:
    return build_model("hmr", preset="tiny", options=options)[0]


def test_every_tensor_of_spin_has_a_place(reference: Path) -> None:
    entries = read_manifest(reference / "hmr/keys/spin_hmr_resnet50.json")
    state = {key: torch.empty(entry.shape) for key, entry in entries.items()}
    module, _, _ = build_model("hmr", preset="resnet50")
    assert key_differences(module.state_dict(), convert(state)) == []


@pytest.mark.slow
def test_filled_weights_of_spin_give_what_spin_gave(reference: Path) -> None:
    mean = surrogate_mean_parameters()
    state = fill_manifest(
        reference / "hmr/keys/spin_hmr_resnet50.json",
        constants={
            "init_pose": mean["pose6d"],
            "init_shape": mean["betas"],
            "init_cam": mean["camera"],
        },
    )
    module, _, _ = build_model("hmr", preset="resnet50")
    load_weights(module, convert(state), origin="SPIN", model="hmr")
    with torch.no_grad():
        prediction = module.eval()(images(2, 224, 224))
    golden = np.load(reference / "hmr/goldens/hmr_spin.npz")
    rotations = torch.cat(
        [prediction.parameters["global_orient"][:, None], prediction.parameters["body_pose"]], 1
    )
    checks = [
        compare("rotations", rotations, golden["rotmat"], 1e-4),
        compare("betas", prediction.parameters["betas"], golden["betas"], 1e-4),
        compare("camera", prediction.camera, golden["camera"], 1e-3, "relative"),
    ]
    assert all(check.ok for check in checks), checks


def test_an_untrained_regressor_says_nearly_the_mean_body() -> None:
    with torch.no_grad():
        prediction = tiny().eval()(images())
    mean = mean_parameters("smpl")
    six = matrix_to_rotation6d(prediction.parameters["body_pose"], "interleaved").reshape(2, -1)
    assert torch.allclose(six, torch.as_tensor(mean["pose6d"][6:]), atol=0.3)
    assert torch.allclose(prediction.camera, torch.as_tensor(mean["camera"]), atol=0.3)


@pytest.mark.parametrize("head", ["iterative", "direct"])
def test_parameters_of_every_head_pose_a_body(head: str) -> None:
    prediction = tiny(head=head)(images())
    joints = load_body("smpl", source="free").kinematics(prediction.parameters)
    assert joints.shape == (2, 24, 3)
    assert torch.isfinite(joints).all()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (96, 64), (128, 128)])
def test_the_tiny_backbone_takes_any_size(height: int, width: int) -> None:
    assert tiny()(images(2, height, width)).camera.shape == (2, 3)


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "mobilenetv3_small_050"])
def test_any_timm_backbone_takes_any_size_without_the_network(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("something wants to download")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    module, _, _ = build_model("hmr", options={"backbone": name, "hidden": 16})
    prediction = module.eval()(images(2, 96, 64))
    assert isinstance(prediction, Prediction)
    assert prediction.parameters["body_pose"].shape == (2, 23, 3, 3)


def test_the_tiny_preset_is_small_enough_to_ship() -> None:
    size = sum(4 * value.numel() for value in tiny().state_dict().values())
    assert size < MOST_BYTES - 100_000  # the header of a checkpoint needs some


def test_an_unknown_backbone_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"no backbone named 'resnet5o'.*Did you mean 'resnet50'"):
        build_model("hmr", options={"backbone": "resnet5o"})


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(UsageError, match="no head 'transformer'"):
        build_model("hmr", options={"head": "transformer"})


def test_an_option_that_makes_no_network_is_refused() -> None:
    with pytest.raises(UsageError, match="iterations=0"):
        build_model("hmr", options={"iterations": 0})
