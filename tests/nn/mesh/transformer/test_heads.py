"""Cameras out of tokens, fine meshes out of coarse ones."""

import torch

from hpscli.body.hierarchy import load_hierarchy
from hpscli.nn.mesh.transformer.heads import CameraHead, FixedUpsampling, LearnedUpsampling


def test_a_lone_camera_keeps_its_batch() -> None:
    assert CameraHead(9, 4)(torch.randn(1, 9, 3)).shape == (1, 3)


def test_the_camera_head_is_linear() -> None:
    head = CameraHead(9, 4)
    first, second = torch.randn(2, 1, 9, 3)
    middle = (head(first) + head(second)) / 2
    assert torch.allclose(head((first + second) / 2), middle, atol=1e-6)


def test_learned_upsampling_mixes_vertices_alike_for_x_y_z() -> None:
    upsampling = LearnedUpsampling((4, 6, 9))
    coarse = torch.randn(2, 4, 3)
    levels = upsampling(coarse)
    assert [level.shape for level in levels] == [(2, 4, 3), (2, 6, 3), (2, 9, 3)]
    step = upsampling.steps[0]
    for axis in range(3):
        assert torch.allclose(levels[1][..., axis], step(coarse[..., axis]), atol=1e-6)


def test_upsampling_stays_exact_in_mixed_precision() -> None:
    upsampling, coarse = LearnedUpsampling((4, 6)), torch.randn(1, 4, 3)
    exact = upsampling(coarse)[-1]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(upsampling(coarse)[-1], exact)


def test_fixed_upsampling_has_no_parameters_and_keeps_the_vertices_that_stay() -> None:
    hierarchy = load_hierarchy("mano", "free")
    upsampling = FixedUpsampling(hierarchy)
    assert not list(upsampling.parameters())
    assert not upsampling.state_dict()
    coarse = torch.randn(1, hierarchy.sizes[-1], 3)
    levels = upsampling(coarse)
    assert [level.shape[1] for level in levels] == list(reversed(hierarchy.sizes))
    assert torch.allclose(hierarchy.down(levels[-1]), coarse, atol=1e-5)
    assert upsampling.hierarchy is not hierarchy
