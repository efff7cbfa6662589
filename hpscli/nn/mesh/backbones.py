"""What mesh networks read from a picture: a map, the grid it is made from, and their mean."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from hpscli.errors import UsageError
from hpscli.nn.backbones import timm_backbone
from hpscli.nn.mesh.small_backbone import SmallBackbone


class ImageFeatures(NamedTuple):
    """grid (B,G,h,w), map (B,C,h,w) of the same cells."""

    grid: Tensor
    map: Tensor


Reader = Callable[[Any, Tensor], ImageFeatures]


class BackboneSizes(NamedTuple):
    """Channels of map and grid, and pixels of the picture along a side of one cell."""

    map: int
    grid: int
    stride: int


def mesh_backbone(name: str) -> tuple[nn.Module, Reader, BackboneSizes]:
    """ "hrnet_w64", "hrnet_w40", "resnet50" or others of timm, "small" -> network, reader, sizes.

    The network keeps timm's names of its tensors. Weights are random.
    """
    if name == "small":
        small = SmallBackbone()
        return small, _read_small, BackboneSizes(small.map_channels, small.grid_channels, 16)
    network, _ = timm_backbone(name)
    if hasattr(network, "incre_modules") and hasattr(network, "final_layer"):
        _drop(network, "global_pool", "head_drop", "classifier")
        after, before = network.get_parameter("final_layer.0.weight").shape[:2]
        return network, _read_hrnet, BackboneSizes(after, before, 32)
    if all(hasattr(network, f"layer{i}") for i in (1, 2, 3, 4)):
        _drop(network, "global_pool", "fc")
        channels = [entry["num_chs"] for entry in network.feature_info]  # type: ignore[union-attr]
        return network, _read_resnet, BackboneSizes(channels[-1], channels[-2], 32)
    raise UsageError(
        f"mesh networks cannot read the grid of backbone '{name}'.",
        "Known: hrnet_w64, hrnet_w40 and other hrnet_*, resnet50 and other resnet*, small.",
    )


def _drop(network: nn.Module, *names: str) -> None:
    """Heads own no tensors here, but would show in lists of modules."""
    for name in names:
        if hasattr(network, name):
            setattr(network, name, nn.Identity())


def _read_hrnet(network: Any, image: Tensor) -> ImageFeatures:
    """The grid of official Graphormer is what `final_layer` reads; the map is what it gives."""
    stem = network.act1(network.bn1(network.conv1(image)))
    stem = network.act2(network.bn2(network.conv2(stem)))
    scales = network.stages(stem)
    grid = network.incre_modules[0](scales[0])
    for i, down in enumerate(network.downsamp_modules, start=1):
        grid = network.incre_modules[i](scales[i]) + down(grid)
    return ImageFeatures(grid, network.final_layer(grid))


def _read_resnet(network: Any, image: Tensor) -> ImageFeatures:
    """Ours: the authors' Graphormer cannot run with a ResNet. The third stage, cells joined by fours."""
    stem = network.maxpool(network.act1(network.bn1(network.conv1(image))))
    third = network.layer3(network.layer2(network.layer1(stem)))
    return ImageFeatures(functional.avg_pool2d(third, 2), network.layer4(third))


def _read_small(network: Any, image: Tensor) -> ImageFeatures:
    grid, features = network(image)
    return ImageFeatures(grid, features)
