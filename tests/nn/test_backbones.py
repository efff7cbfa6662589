"""Backbones of hmr-benchmarks: what maps they give, and what of timm's networks is set otherwise."""

from functools import cache

import pytest
import torch
from torch import nn

from hpscli.errors import UsageError
from hpscli.nn.backbones import MAPS, WindowAttention, backbone, chunked_mean
from hpscli.nn.layouts import on_meta
from hpscli.nn.pose_hrnet import PoseHRNet, official_key, upsample_steps

SHAPES = {
    # reference hmr, 1.4: map and parameters of the backbone
    "resnet50": ((2048, 7, 7), 23_508_032),
    "resnet101": ((2048, 7, 7), 42_500_160),
    "resnet152": ((2048, 7, 7), 58_143_808),
    "resnext101": ((2048, 7, 7), 86_742_336),
    "efficientnet-b5": ((2048, 7, 7), 28_340_784),
    "hrnet-w32": ((480, 56, 56), 31_408_960),
    "vit-b": ((3072, 14, 14), 85_797_120),
    "swin-t": ((1440, 56, 56), 46_438_458),
    "twins-svt": ((768, 7, 7), 55_301_952),
    "twins-pcpvt": ((512, 7, 7), 43_315_456),
}


@cache
def meta(name: str) -> nn.Module:
    return on_meta(lambda: backbone(name)[0])


def epsilons(module: nn.Module) -> dict[str, float]:
    return {n: m.eps for n, m in module.named_modules() if isinstance(m, nn.LayerNorm)}


@pytest.mark.parametrize("name", list(MAPS))
def test_a_backbone_gives_the_map_of_the_official_code(name: str) -> None:
    module = meta(name).eval()
    shape, parameters = SHAPES[name]
    assert module(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, *shape)
    assert sum(p.numel() for p in module.parameters()) == parameters


@pytest.mark.parametrize("name", ["resnet50", "hrnet-w32", "twins-svt"])
def test_channels_of_a_backbone_are_those_of_its_map(name: str) -> None:
    with torch.device("meta"):
        assert backbone(name)[1] == SHAPES[name][0][0]


def test_the_chunked_mean_of_all_channels_is_the_average_over_the_map() -> None:
    features = torch.randn(2, 6, 4, 4)
    assert torch.allclose(chunked_mean(features, 6), features.mean(dim=(2, 3)), atol=1e-6)


def test_the_chunked_mean_takes_consecutive_numbers_across_channels() -> None:
    features = torch.arange(12.0).reshape(1, 3, 2, 2)
    assert chunked_mean(features, 2).tolist() == [[2.5, 8.5]]


def test_the_chunked_mean_does_not_depend_on_the_memory_format() -> None:
    features = torch.randn(2, 8, 4, 4)
    last = features.to(memory_format=torch.channels_last)
    assert torch.equal(chunked_mean(features, 16), chunked_mean(last, 16))


def test_a_map_without_equal_chunks_is_refused() -> None:
    with pytest.raises(UsageError, match="a map of 3 x 2 x 2 has no 5 equal chunks"):
        chunked_mean(torch.zeros(1, 3, 2, 2), 5)


def test_the_stem_and_norms_of_resnext_stay_fixed_in_training() -> None:
    module = meta("resnext101").train()
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    assert not any(norm.training or norm.weight.requires_grad for norm in norms)
    free = {n for n, p in module.named_parameters() if p.requires_grad}
    assert "trunk.layer2.0.conv1.weight" in free
    assert not any(name.startswith(("trunk.conv1", "trunk.layer1")) for name in free)


def test_the_layer_norms_of_vit_and_twins_have_the_epsilon_of_the_official_code() -> None:
    assert set(epsilons(meta("vit-b")).values()) == {1e-5}
    assert set(epsilons(meta("twins-svt")).values()) == {1e-5}
    pcpvt = epsilons(meta("twins-pcpvt"))
    embedding = {eps for name, eps in pcpvt.items() if "patch_embeds" in name}
    others = {eps for name, eps in pcpvt.items() if "patch_embeds" not in name}
    assert (embedding, others) == ({1e-5}, {1e-6})


def test_the_batch_norms_of_efficientnet_move_slowly() -> None:
    norms = [part for part in meta("efficientnet-b5").modules() if isinstance(part, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


@pytest.mark.parametrize(
    ("name", "highest"),
    [("efficientnet-b5", 0.2), ("swin-t", 0.2), ("twins-svt", 0.51), ("twins-pcpvt", 0.51)],
)
def test_paths_are_dropped_as_often_as_in_the_official_code(name: str, highest: float) -> None:
    rates = [part.drop_prob for part in meta(name).modules() if hasattr(part, "drop_prob")]
    assert max(rates) == pytest.approx(highest)
    assert rates == sorted(rates)


@pytest.mark.parametrize("size", [(14, 14), (10, 13)])
def test_windows_as_images_of_the_batch_attend_as_timms_do(size: tuple[int, int]) -> None:
    from timm.models.twins import LocallyGroupedAttn

    torch.manual_seed(0)
    theirs = LocallyGroupedAttn(12, 3, ws=7)
    ours = WindowAttention(theirs)
    tokens = torch.randn(2, size[0] * size[1], 12)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert torch.allclose(ours(tokens, size), theirs(tokens, size), atol=1e-6)


@pytest.mark.parametrize(("name", "side"), [("swin-t", 192), ("twins-svt", 100)])
def test_a_size_that_a_backbone_cannot_take_is_refused(name: str, side: int) -> None:
    with pytest.raises(UsageError, match=f"not {side}x{side}"):
        meta(name)(torch.empty(1, 3, side, side, device="meta"))


def test_the_upsampling_of_hrnet_aligns_corners() -> None:
    steps = upsample_steps(1, 1)
    corner = steps[0](torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]]))[0, 0]
    assert corner[0, 0] == 0 and corner[-1, -1] == 3
    assert corner[0].tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1])


def test_hrnet_names_its_tensors_as_official_files_do() -> None:
    keys = {official_key(key) for key in on_meta(PoseHRNet).state_dict()}
    assert {"conv1.weight", "stage4.2.fuse_layers.0.1.0.weight", "upsample_stage_4.9.weight"} < keys
    assert not any(key.startswith(("incre_modules", "classifier", "trunk")) for key in keys)
