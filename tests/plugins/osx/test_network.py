"""OSX as a whole: outputs, presets, what a batch may not mix, which gradients are stopped."""

import pytest
import torch
from torch import Tensor, nn

from hps_models.osx.plugin import OSX
from hpscli.body.kit import body_kit
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model


def tiny(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return build_model("osx", preset="tiny", options=options, body_source="free")[0]


def images(count: int) -> Tensor:
    return torch.rand(count, 3, 512, 384, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("decoder", ["both", "hand", "none"])
def test_three_pictures_are_three_times_one(decoder: str) -> None:
    module = tiny(decoder=decoder).eval()
    with torch.no_grad():
        together = module(images(3)).named_tensors()
        alone = [module(image[None]).named_tensors() for image in images(3)]
    for name, value in together.items():
        assert torch.allclose(value, torch.cat([one[name] for one in alone]), atol=1e-4), name


@pytest.mark.parametrize("decoder", ["both", "hand", "none"])
def test_raw_outputs_have_the_names_of_the_goldens(decoder: str) -> None:
    module = tiny(decoder=decoder).eval()
    with torch.no_grad():
        raw = module(images(1)).raw
    assert raw["encoder_task_tokens"].shape == (1, 31, 64)
    assert raw["out_joint_img"].shape == (1, 65, 3)
    assert ("hand_decoder_out" in raw) == (decoder != "none")
    assert ("face_decoder_out" in raw) == (decoder == "both")
    assert len([name for name in raw if name.startswith("hand_feat_level")]) == (
        1 if decoder == "none" else 3
    )


def test_only_even_pixels_of_the_picture_are_seen() -> None:
    module = tiny().eval()
    changed = images(1).clone()
    changed[:, :, 1::2] = 0
    changed[:, :, :, 1::2] = 0
    with torch.no_grad():
        assert torch.equal(module(images(1)).camera, module(changed).camera)


def test_hands_start_from_the_mean_hand_of_the_body() -> None:
    module = tiny().eval()
    mean = body_kit("smplx", "free").body().hand_means["hands_meanl"]
    assert torch.equal(module.get_buffer("left_mean"), torch.as_tensor(mean))
    assert "left_mean" not in module.state_dict()
    with torch.no_grad():
        with_mean = module(images(1)).parameters["left_hand_pose"]
        module.get_buffer("left_mean").zero_()
        without = module(images(1)).parameters["left_hand_pose"]
    assert not torch.allclose(with_mean, without, atol=1e-3)


def test_layers_are_skipped_at_random_in_training_alone() -> None:
    module = tiny(drop_path=0.5)
    module.train()
    for part in module.modules():
        if isinstance(part, nn.Dropout | nn.BatchNorm2d):
            part.eval()
    first, second = (module(images(8)).camera for _ in range(2))  # few may be alike by chance
    assert not torch.equal(first, second)
    module.eval()
    first, second = (module(images(2)).camera for _ in range(2))
    assert torch.equal(first, second)


def test_rotations_of_the_body_do_not_move_its_located_joints() -> None:
    module = tiny().train()
    module(images(2)).extras["pose"][:, :66].sum().backward()
    located = module.get_submodule("body_position")
    assert all(parameter.grad is None for parameter in located.parameters())


def test_what_is_seen_in_a_hands_box_does_not_move_the_box() -> None:
    module = tiny().train()
    module(images(2)).extras["pose"][:, 66:].sum().backward()
    boxes = module.get_submodule("boxes")
    assert all(parameter.grad is None for parameter in boxes.parameters())


def test_losses_get_what_they_need_in_training_alone() -> None:
    module = tiny()
    assert {"pose", "image_joints", "face_joints", "box_centres"} <= set(
        module.train()(images(2)).extras
    )
    assert not module.eval()(images(1)).extras


@pytest.mark.parametrize(
    "options", [{"decoder": "face"}, {"channels": 66}, {"decoder_width": 40}, {"drop_path": 1.5}]
)
def test_options_that_make_no_network_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="osx"):
        build_model("osx", preset="tiny", options=options, body_source="free")


def test_the_start_of_the_heads_is_that_of_the_official_code() -> None:
    module = tiny()
    parts = {name: parameter.detach() for name, parameter in module.named_parameters()}
    assert parts["body_position.volume.weight"].std() == pytest.approx(0.001, rel=0.1)
    assert parts["body_regressor.body.weight"].std() == pytest.approx(0.01, rel=0.1)
    assert not parts["hands.decoder.layers.0.maps.offsets.bias"].any()
    assert parts["hands.decoder.layers.0.feed_forward.first.bias"].any()
    assert parts["face.decoder.level_embedding"].std() == pytest.approx(1.0, rel=0.4)


def test_every_weights_record_names_a_preset_and_the_authors_file() -> None:
    for weights in OSX.weights:
        assert weights.preset in OSX.presets
        assert weights.official_file and weights.licence
