"""HMR as a plugin: its networks, their options and outputs."""

import socket
from typing import Any

import numpy as np
import pytest
import torch

from hps_models.hmr.plugin import CROPS, HMR, LOSSES
from hpscli.body.cameras import project_weak
from hpscli.body.layer import load_body, mean_parameters
from hpscli.body.rotations import matrix_to_rotation6d
from hpscli.errors import UsageError
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import build_model, load_model
from hpscli.nn.options import adapted, complete_options
from hpscli.records import Prediction
from hpscli.registry import resolve
from hpscli.testing.surrogates import surrogate_body

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


def test_outputs_have_the_names_of_the_official_code_only_when_nothing_is_learnt() -> None:
    network = tiny(head="iterative", hidden=16, iterations=2)
    with torch.no_grad():
        raw = network.eval()(images()).raw
        assert network.train()(images()).raw == {}
    assert raw["rotmat"].shape == (2, 24, 3, 3)
    assert {"betas", "camera", "features", "pose6d_niter1", "camera_niter1"} < set(raw)


def test_one_iteration_alone_is_the_first_of_several() -> None:
    torch.manual_seed(0)
    once = tiny(head="iterative", hidden=16, iterations=1).eval()
    twice = tiny(head="iterative", hidden=16, iterations=2).eval()
    twice.load_state_dict(once.state_dict())
    with torch.no_grad():
        assert torch.equal(once(images()).raw["betas"], twice(images()).raw["betas_niter1"])


def test_a_loaded_model_gives_the_outputs_that_need_a_body() -> None:
    with torch.no_grad():
        prediction = load_model("hmr.tiny", body_source="free")(images())
    raw = prediction.raw
    assert prediction.vertices is not None and torch.equal(raw["vertices"], prediction.vertices)
    assert raw["joints49"].shape == (2, 49, 3)
    assert raw["keypoints3d_h36m17"].shape == (2, 17, 3)
    assert raw["keypoints2d_norm"].shape == (2, 49, 2)
    shown = project_weak(raw["joints49"], prediction.camera)
    assert torch.allclose(raw["keypoints2d_norm"], shown, atol=0.05)  # 5000 px are nearly parallel


def test_a_body_without_regressors_gives_fewer_outputs() -> None:
    arrays = surrogate_body("smpl")
    with torch.no_grad():
        raw = load_model("hmr.tiny", body=arrays)(images()).raw
    assert "vertices" in raw and "joints49" not in raw


@pytest.mark.parametrize(
    ("preset", "crop"),
    [("spin", "SPIN_SCIPY"), ("resnet50", "MMHUMAN3D"), ("swin-t", "MMHUMAN3D")],
)
def test_a_preset_names_the_image_preparation_of_its_authors(preset: str, crop: str) -> None:
    options = complete_options(HMR, preset, {})
    assert adapted(HMR, options).crop == f"hpscli.data.preparation:{crop}"


def test_presets_of_our_own_keep_our_crop_and_losses() -> None:
    for preset in ("tiny", "resnet18"):
        spec = adapted(HMR, complete_options(HMR, preset, {}))
        assert (spec.crop, spec.losses) == ("fast", ModelSpec.losses)


def test_every_crop_and_every_loss_definition_can_be_imported() -> None:
    for target in (*CROPS.values(), *LOSSES.values()):
        assert target == "fast" or resolve(target)


def test_an_unknown_crop_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"crop 'spinn' is not known.*Did you mean 'spin'"):
        build_model("hmr", options={"crop": "spinn"})


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


def test_the_hand_that_ships_gives_a_right_hand_and_no_outputs_of_bodies() -> None:
    loaded = load_model("hmr.hand-tiny", body_source="free")
    with torch.no_grad():
        prediction = loaded(images())
    assert prediction.parameters["hand_pose"].shape == (2, 15, 3, 3)
    assert prediction.vertices is not None and prediction.vertices.shape == (2, 778, 3)
    assert "joints49" not in prediction.raw


def test_an_unknown_target_is_refused() -> None:
    with pytest.raises(UsageError, match="no target 'foot'"):
        build_model("hmr", options={"target": "foot"})
