"""What mesh networks read from a picture: a map, the grid it is made from, and their mean."""

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


class BackboneSizes(NamedTuple):
    """Channels of map and grid, and pixels of the picture along a side of one cell."""

    map: int
    grid: int
    stride: int


class HRNetMaps(nn.Module):
    """image (B,3,H,W) -> both maps of an HRNet, whose layers keep timm's names.

    The grid of official Graphormer is what `final_layer` reads; the map is what it gives.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        _take_layers(self, network)
        # As timm's ResNets: residual branches start at nothing. As timm's HRNets start, the maps of
        # an untrained W40 in eval mode have a deviation of 7e7; so it is 15.
        for part in self.modules():
            if callable(start := getattr(part, "zero_init_last", None)):
                start()

    def forward(self, image: Tensor) -> ImageFeatures:
        """image (B,3,H,W) -> grid (B,1024,H/32,W/32), map (B,2048,H/32,W/32)."""
        part: Any = self  # its layers are timm's, which types do not know
        stem = part.act2(part.bn2(part.conv2(part.act1(part.bn1(part.conv1(image))))))
        stem = part.layer1(stem)
        scales = part.stage2([transition(stem) for transition in part.transition1])
        for transitions, stage in (
            (part.transition2, part.stage3),
            (part.transition3, part.stage4),
        ):
            # Known scales pass; a new one comes from the coarsest.
            scales = stage(
                [
                    scales[i] if isinstance(transition, nn.Identity) else transition(scales[-1])
                    for i, transition in enumerate(transitions)
                ]
            )
        grid = part.incre_modules[0](scales[0])
        for i, down in enumerate(part.downsamp_modules, start=1):
            grid = part.incre_modules[i](scales[i]) + down(grid)
        return ImageFeatures(grid, part.final_layer(grid))


class ResNetMaps(nn.Module):
    """image (B,3,H,W) -> the last map of a ResNet, and the one before as its grid.

    Our own choice for Graphormer, which cannot run with a ResNet as its authors wrote it: cells of
    the third stage are joined by fours.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        _take_layers(self, network)

    def forward(self, image: Tensor) -> ImageFeatures:
        """image (B,3,H,W) -> grid (B,1024,H/32,W/32), map (B,2048,H/32,W/32)."""
        part: Any = self
        stem = part.maxpool(part.act1(part.bn1(part.conv1(image))))
        third = part.layer3(part.layer2(part.layer1(stem)))
        return ImageFeatures(functional.avg_pool2d(third, 2), part.layer4(third))


class SmallMaps(SmallBackbone):
    """image (B,3,H,W) -> both maps of the small backbone."""

    def forward(self, image: Tensor) -> ImageFeatures:
        """image (B,3,H,W) -> grid (B,64,H/16,W/16), map (B,128,H/16,W/16)."""
        return ImageFeatures(*super().forward(image))


def read(network: nn.Module, image: Tensor) -> ImageFeatures:
    """A network of `mesh_backbone`, image (B,3,H,W) -> its maps."""
    features: ImageFeatures = network(image)
    return features


def mesh_backbone(name: str) -> tuple[nn.Module, BackboneSizes]:
    """ "hrnet_w64", "hrnet_w40", "resnet50" or others of timm, "small" -> network, its sizes.

    `read` gives its maps. The network keeps timm's names of its tensors. Weights are random.
    """
    if name == "small":
        small = SmallMaps()
        return small, BackboneSizes(small.map_channels, small.grid_channels, 16)
    network, _ = timm_backbone(name)
    if hasattr(network, "incre_modules") and hasattr(network, "final_layer"):
        after, before = network.get_parameter("final_layer.0.weight").shape[:2]
        return HRNetMaps(network), BackboneSizes(after, before, 32)
    if all(hasattr(network, f"layer{i}") for i in (1, 2, 3, 4)) and hasattr(network, "conv1"):
        stages: Any = network
        channels = [stage["num_chs"] for stage in stages.feature_info]
        return ResNetMaps(network), BackboneSizes(channels[-1], channels[-2], 32)
    raise UsageError(
        f"mesh networks cannot read the grid of backbone '{name}'.",
        "Known: hrnet_w64, hrnet_w40 and other hrnet_*, resnet50 and other resnet*, small.",
    )


def _take_layers(ours: nn.Module, network: nn.Module) -> None:
    """Take the layers of a network, in their order; its head, which owns nothing here, stays away."""
    for name, layer in network.named_children():
        if name not in ("global_pool", "head_drop", "classifier", "fc"):
            ours.add_module(name, layer)
