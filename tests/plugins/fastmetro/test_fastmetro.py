"""FastMETRO's network: what it gives, what it computes ahead, how it learns."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor

from hps_models.fastmetro.network import FastMETRO
from hpscli.body.kit import body_kit
from hpscli.body.layer import complete, load_body
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model

SIDE = 64  # px of the tiny presets
LEVELS = {"tiny": (431, 1723, 6890), "hand-tiny": (195, 778)}
TOKENS = {"tiny": 14, "hand-tiny": 21}


def network(preset: str = "tiny", **options: Any) -> FastMETRO:
    torch.manual_seed(0)
    module = build_model("fastmetro", preset=preset, options=options, body_source="free")[0]
    assert isinstance(module, FastMETRO)
    return module.eval()


def images(count: int = 2, side: int = SIDE) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("preset", ["tiny", "hand-tiny"])
@pytest.mark.parametrize("count", [1, 3])
def test_a_picture_becomes_every_level_of_the_mesh(preset: str, count: int) -> None:
    with torch.no_grad():
        prediction = network(preset)(images(count))
    assert prediction.camera.shape == (count, 3)
    assert tuple(level.shape for level in prediction.levels) == tuple(
        (count, vertices, 3) for vertices in LEVELS[preset]
    )
    assert prediction.extras["joint_tokens"].shape == (count, TOKENS[preset], 3)


@pytest.mark.parametrize("preset", ["tiny", "hand-tiny"])
def test_tiny_presets_are_small(preset: str) -> None:
    assert sum(parameter.numel() for parameter in network(preset).parameters()) < 2_000_000


def test_vertices_are_counted_from_the_pelvis_so_that_the_camera_fits_them() -> None:
    with torch.no_grad():
        prediction = network()(images())
    regressor = body_kit("smpl", "free").regressor("h36m17")
    pelvis = torch.from_numpy(regressor[:1]).float() @ prediction.levels[-1]
    assert torch.allclose(prediction.vertices, prediction.levels[-1] - pelvis, atol=1e-6)
    assert prediction.joints["h36m17"][:, 0].abs().max() < 1e-6


def test_raw_outputs_are_there_in_eval_mode_only() -> None:
    module = network()
    with torch.no_grad():
        raw = module(images()).raw
        assert module.train()(images()).raw == {}
    assert raw["pred_3d_vertices_intermediate"].shape == (2, 1723, 3)
    assert raw["tap_enc1"].shape == (1 + 4 * 4, 2, 64)  # tokens first, as its authors have it
    assert raw["joints14_2d"].shape == (2, 14, 2)


def test_pictures_of_another_size_get_sine_codes_of_their_own() -> None:
    module = network()
    with torch.no_grad():
        small, wide = module(images(1)), module(images(1, 96))
    assert wide.vertices.shape == small.vertices.shape
    assert not torch.allclose(wide.vertices, small.vertices)


def test_vertices_attend_to_their_neighbours_and_to_joints_only() -> None:
    allowed = network().allowed
    levels = body_kit("smpl", "free").hierarchy()
    assert allowed[:14].all() and allowed[:, :14].all()
    assert bool((allowed[14:, 14:] == (levels.adjacency(2).to_dense() != 0)).all())


def test_what_was_computed_ahead_follows_every_change_of_a_parameter() -> None:
    module, picture = network(), images(1)
    with torch.no_grad():
        before = module(picture).vertices
        module.vertex_token_embed.weight.mul_(1.5)
        after = module(picture).vertices
        fresh = deepcopy(module)(picture).vertices
        module.load_state_dict(network().state_dict())
        again = module(picture).vertices
    assert torch.equal(after, fresh) and not torch.allclose(before, after)
    assert torch.equal(before, again)


def test_gradients_pass_in_eval_mode_also_after_a_prediction() -> None:
    module = network()
    with torch.no_grad():
        module(images(1))
    module(images(1)).vertices.square().mean().backward()
    assert module.vertex_token_embed.weight.grad is not None


def test_mixed_precision_gives_nearly_the_same_mesh() -> None:
    module = network()
    with torch.no_grad():
        exact = module(images()).vertices
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = module(images()).vertices
    assert mixed.dtype == torch.float32
    assert (mixed - exact).abs().max() < 0.1 * exact.abs().max()


def test_losses_of_the_parameters_do_not_reach_the_mesh() -> None:
    module = network(smpl_parameters=True, regressor_hidden=32).train()
    prediction = module(images())
    prediction.parameters["body_pose"].sum().backward()
    reached = [name for name, value in module.named_parameters() if value.grad is not None]
    assert reached and all(name.startswith("smpl_parameter_regressor.") for name in reached)


def test_the_answer_is_the_networks_mesh_or_that_of_its_parameters() -> None:
    options: dict[str, Any] = {"smpl_parameters": True, "regressor_hidden": 32}
    body = load_body("smpl", source="free")
    with torch.no_grad():
        own = complete(network(**options)(images()), body, vertices=True)
        posed = complete(network(**options, parametric=True)(images()), body, vertices=True)
        expected = body(own.parameters).vertices
        # The camera is of points that are counted from the regressed pelvis.
        expected = expected - body.regress(expected, "h36m17")[:, :1]
    assert posed.vertices is not None and torch.allclose(posed.vertices, expected, atol=1e-6)
    assert own.vertices is not None and not torch.allclose(own.vertices, expected, atol=1e-2)


@pytest.mark.parametrize(
    "preset,options,words",
    [
        ("hand-tiny", {"smpl_parameters": True}, "not from a hand's"),
        ("tiny", {"parametric": True}, "no parametric mesh"),
        ("tiny", {"heads": 7}, "7 heads"),
        ("tiny", {"layers": 0}, "layers=0"),
    ],
)
def test_options_that_make_no_network_are_refused(
    preset: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        network(preset, **options)
