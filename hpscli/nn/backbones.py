"""Image backbones of timm, built without ever touching the network.

`backbone` gives any of them by name. Those in MAPS are the ones of hmr-benchmarks' code: timm's
networks with the settings under which both compute the same numbers (reference hmr, 1.4).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpscli.errors import MissingError, UsageError, did_you_mean
from hpscli.nn.pose_hrnet import PoseHRNet, upsample_steps

EFFICIENTNET_DROP_PATH, SWIN_DROP_PATH, TWINS_DROP_PATH = 0.2, 0.2, 0.3
EFFICIENTNET_MOMENTUM = 0.01  # of its batch norms
VIT_LAYERS = (2, 5, 8, 11)  # whose patch tokens are concatenated
SWIN_PX = 224  # the windows of timm's network are laid out for one size
TWINS_STRIDE = 32


def backbone(name: str) -> tuple[nn.Module, int]:
    """Name -> (module: image (B,3,H,W) -> map (B,C,h,w), or features (B,C) of timm's pooling, C)."""
    if name in MAPS:
        module = MAPS[name]()
        return module, _width(module)
    return timm_backbone(name)


def timm_backbone(name: str) -> tuple[nn.Module, int]:
    """Name of a timm model -> (module: image (B,3,H,W) -> features (B,C), C).

    Pooling is timm's own: the global average of convolutional networks, the class token of most
    transformers, which are built so that they take images of any size. Weights are random:
    pretrained ones come from a file (`model.init`), never from a download.
    """
    import timm

    if not timm.is_model(name):
        raise UsageError(
            f"no backbone named '{name}' in timm {timm.__version__}.",
            did_you_mean(name, [*MAPS, *timm.list_models()])
            or "See: python -c \"import timm; print(timm.list_models('*resnet*'))\"",
        )
    try:
        module = timm.create_model(name, pretrained=False, num_classes=0, dynamic_img_size=True)
    except TypeError:  # convolutional networks take any size and do not know the argument
        module = timm.create_model(name, pretrained=False, num_classes=0)
    except ImportError as error:  # a few timm models need a package of their own
        raise MissingError(f"backbone '{name}': {error}.") from error
    return module, _width(module)


def _width(module: Any) -> int:
    """-> the number of channels that comes out."""
    names = ("channels", "head_hidden_size", "num_features")
    return next(int(width) for name in names if (width := getattr(module, name, None)))


def convolutional_map(name: str, drop_path: float = 0.0) -> nn.Module:
    """Name of a convolutional timm model -> module: image (B,3,H,W) -> its last map (B,C,h,w).

    drop_path grows linearly over the blocks up to this probability.
    """
    import timm

    options = {"drop_path_rate": drop_path} if drop_path else {}
    module: nn.Module = timm.create_model(
        name, pretrained=False, num_classes=0, global_pool="", **options
    )
    if drop_path:  # timm divides by the number of blocks, so that the last one stays below the rate
        dropping: list[Any] = [part for part in module.modules() if hasattr(part, "drop_prob")]
        for index, part in enumerate(dropping, start=1):
            part.drop_prob = drop_path * index / len(dropping)
    return module


def efficientnet_map() -> nn.Module:
    """-> module: image (B,3,H,W) -> map (B,2048,H/32,W/32) of EfficientNet-B5, padded as TensorFlow."""
    module = convolutional_map("tf_efficientnet_b5", EFFICIENTNET_DROP_PATH)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = EFFICIENTNET_MOMENTUM
    return module


class FrozenResNeXt(nn.Module):
    """image (B,3,H,W) -> map (B,2048,H/32,W/32); stem, first stage and all batch norms stay fixed."""

    channels = 2048

    def __init__(self) -> None:
        super().__init__()
        self.trunk = convolutional_map("resnext101_32x8d")
        for part in (self.trunk.conv1, self.trunk.bn1, self.trunk.layer1, *self._norms()):
            part.requires_grad_(False)

    def _norms(self) -> list[nn.Module]:
        return [part for part in self.trunk.modules() if isinstance(part, nn.BatchNorm2d)]

    def train(self, mode: bool = True) -> "FrozenResNeXt":
        """Training mode for everything but the statistics of the batch norms."""
        super().train(mode)
        for norm in self._norms():
            norm.eval()
        return self

    def forward(self, image: Tensor) -> Tensor:
        """image (B,3,H,W) -> map (B,2048,H/32,W/32)."""
        features: Tensor = self.trunk(image)
        return features


class ViTLayers(nn.Module):
    """image (B,3,H,W) -> map (B,3072,H/16,W/16): the patch tokens of four layers of ViT-B/16."""

    def __init__(self) -> None:
        super().__init__()
        import timm

        self.trunk = timm.create_model(
            "vit_base_patch16_224",
            pretrained=False,
            num_classes=0,
            dynamic_img_size=True,
            norm_layer=partial(nn.LayerNorm, eps=1e-5),
        )
        self.trunk.norm = nn.Identity()  # no layer after the last block is used
        self.channels = len(VIT_LAYERS) * self.trunk.embed_dim

    def forward(self, image: Tensor) -> Tensor:
        """image (B,3,H,W) -> map (B,3072,H/16,W/16)."""
        maps = self.trunk.forward_intermediates(
            image, indices=list(VIT_LAYERS), intermediates_only=True
        )
        return torch.cat(maps, dim=1)


class SwinStages(nn.Module):
    """image (B,3,224,224) -> map (B,1440,56,56): four stages of Swin-T, normalised and upsampled."""

    def __init__(self) -> None:
        super().__init__()
        import timm

        self.trunk = timm.create_model(
            "swin_tiny_patch4_window7_224",
            pretrained=False,
            num_classes=0,
            always_partition=True,  # windows of the last stage are shifted although there is one
            drop_path_rate=SWIN_DROP_PATH,
        )
        self.trunk.norm = nn.Identity()  # every stage has a norm of its own
        widths = [self.trunk.embed_dim * 2**stage for stage in range(4)]
        self.channels = sum(widths)
        self.norm0, self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for width in widths)
        self.upsample_stage_2 = upsample_steps(widths[1], 1)
        self.upsample_stage_3 = upsample_steps(widths[2], 2)
        self.upsample_stage_4 = upsample_steps(widths[3], 3)

    def forward(self, image: Tensor) -> Tensor:
        """image (B,3,224,224) -> map (B,1440,56,56)."""
        if image.shape[-2:] != (SWIN_PX, SWIN_PX):
            raise UsageError(
                f"Swin-T takes images of {SWIN_PX}x{SWIN_PX} px, "
                f"not {image.shape[-2]}x{image.shape[-1]}.",
            )
        tokens = self.trunk.patch_embed(image)
        maps = []
        norms = (self.norm0, self.norm1, self.norm2, self.norm3)
        for stage, norm in zip(self.trunk.layers, norms, strict=True):
            tokens = stage(tokens)
            maps.append(norm(tokens).permute(0, 3, 1, 2))
        steps = (self.upsample_stage_2, self.upsample_stage_3, self.upsample_stage_4)
        finer = [up(part.contiguous()) for up, part in zip(steps, maps[1:], strict=True)]
        return torch.cat([maps[0], *finer], dim=1)


class WindowAttention(nn.Module):
    """tokens (B,H*W,C), (H,W) -> (B,H*W,C): attention within windows, with the tensors of timm's.

    timm's has windows in a dimension of their own, for which neither ONNX nor the fused kernels
    have a form; here they are further images of the batch. There is no dropout in these networks.
    """

    def __init__(self, theirs: Any) -> None:
        super().__init__()
        self.qkv, self.proj = theirs.qkv, theirs.proj
        self.heads, self.side = int(theirs.num_heads), int(theirs.ws)

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """tokens (B,H*W,C), (H,W) -> (B,H*W,C)."""
        batch, _, channels = tokens.shape
        (height, width), side = size, self.side
        right, below = -width % side, -height % side
        image = functional.pad(
            tokens.reshape(batch, height, width, channels), (0, 0, 0, right, 0, below)
        )
        down, across = (height + below) // side, (width + right) // side
        windows = image.reshape(batch, down, side, across, side, channels).transpose(2, 3)
        parts = self.qkv(windows.reshape(-1, side * side, channels))
        parts = parts.reshape(-1, side * side, 3, self.heads, channels // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
        image = mixed.reshape(batch, down, across, side, side, channels).transpose(2, 3)
        image = image.reshape(batch, down * side, across * side, channels)[:, :height, :width]
        result: Tensor = self.proj(image.reshape(batch, height * width, channels))
        return result


class TwinsMap(nn.Module):
    """image (B,3,H,W) -> map (B,C,H/32,W/32) of a Twins transformer, normalised at the end."""

    def __init__(self, name: str, epsilon: float) -> None:
        super().__init__()
        import timm

        # Their code drops a path twice in a row with the same probability: in the block and in
        # attention and MLP themselves.
        self.trunk = timm.create_model(
            name, pretrained=False, num_classes=0, drop_path_rate=TWINS_DROP_PATH
        )
        for part in self.trunk.modules():
            if isinstance(part, nn.LayerNorm):
                part.eps = epsilon
            elif hasattr(part, "drop_prob"):
                part.drop_prob = 1 - (1 - part.drop_prob) ** 2
        for embed in self.trunk.patch_embeds:
            embed.norm.eps = 1e-5
        for block in (block for stage in self.trunk.blocks for block in stage):
            if hasattr(block.attn, "ws"):
                block.attn = WindowAttention(block.attn)
        self.channels = int(self.trunk.num_features)

    def forward(self, image: Tensor) -> Tensor:
        """image (B,3,H,W) -> map (B,C,H/32,W/32)."""
        height, width = image.shape[-2:]
        if height % TWINS_STRIDE or width % TWINS_STRIDE:
            raise UsageError(
                f"Twins takes images whose sides are multiples of {TWINS_STRIDE} px, "
                f"not {height}x{width}.",
            )
        tokens: Tensor = self.trunk.forward_features(image)
        grid = (height // TWINS_STRIDE, width // TWINS_STRIDE)
        return tokens.transpose(1, 2).reshape(len(image), self.channels, *grid)


MAPS: Mapping[str, Callable[[], nn.Module]] = {
    # name -> network with random weights: image (B,3,H,W) -> map (B,C,h,w)
    "resnet50": partial(convolutional_map, "resnet50"),
    "resnet101": partial(convolutional_map, "resnet101"),
    "resnet152": partial(convolutional_map, "resnet152"),
    "resnext101": FrozenResNeXt,
    "efficientnet-b5": efficientnet_map,
    "hrnet-w32": PoseHRNet,
    "vit-b": ViTLayers,
    "swin-t": SwinStages,
    "twins-svt": partial(TwinsMap, "twins_svt_base", 1e-5),
    "twins-pcpvt": partial(TwinsMap, "twins_pcpvt_base", 1e-6),
}


def chunked_mean(features: Tensor, width: int) -> Tensor:
    """map (B,C,h,w) -> (B,width): means of C*h*w/width consecutive numbers of each flattened map.

    With width = C that is the average over the map. Otherwise it is what hmr-benchmarks' head does
    to the maps of HRNet, ViT and Swin, and what its released weights were trained with.
    """
    numbers = features[0].numel()
    if numbers % width:
        raise UsageError(
            f"a map of {' x '.join(map(str, features.shape[1:]))} has no {width} equal chunks.",
            "Take another image size, or another feature_width.",
        )
    return features.reshape(len(features), width, numbers // width).mean(dim=-1)
