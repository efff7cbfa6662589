"""What mesh networks read from a picture."""

import pytest
import timm
import torch

from hpscli.errors import UsageError
from hpscli.nn.mesh.backbones import mesh_backbone, read


def test_the_map_of_a_resnet_is_timms_and_the_grid_its_third_stage_joined_by_fours() -> None:
    torch.manual_seed(0)
    network, sizes = mesh_backbone("resnet18")
    other = timm.create_model("resnet18", pretrained=False, num_classes=0)
    other.load_state_dict(network.state_dict())
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        grid, features = read(network.eval(), image)
        assert torch.equal(features, other.eval().forward_features(image))
    assert grid.shape == (1, sizes.grid, 2, 2)
    assert features.shape == (1, sizes.map, 2, 2)


def test_the_grid_of_an_hrnet_is_what_its_final_layer_reads() -> None:
    torch.manual_seed(0)
    network, sizes = mesh_backbone("hrnet_w18_small")
    other = timm.create_model("hrnet_w18_small", pretrained=False)
    other.load_state_dict(network.state_dict(), strict=False)
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        grid, features = read(network.eval(), image)
        assert torch.equal(features, other.eval().forward_features(image))
        assert torch.equal(network.get_submodule("final_layer")(grid), features)
    assert grid.shape[1] == sizes.grid == 1024
    assert features.shape[1] == sizes.map == 2048


def test_an_untrained_hrnet_stays_within_bounds_in_eval_mode() -> None:
    torch.manual_seed(0)
    network, _ = mesh_backbone("hrnet_w18")
    with torch.no_grad():
        _, features = read(network.eval(), torch.randn(1, 3, 64, 64))
    assert features.std() < 100


def test_a_backbone_holds_no_classifier() -> None:
    for name in ("hrnet_w18_small", "resnet18"):
        keys = mesh_backbone(name)[0].state_dict()
        assert not [key for key in keys if key.startswith(("classifier", "fc."))]


def test_a_backbone_without_a_grid_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(UsageError, match="hrnet_w64"):
        mesh_backbone("vit_tiny_patch16_224")
