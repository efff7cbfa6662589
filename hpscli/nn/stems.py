"""Pixels to tokens by a few small convolutions instead of one large one."""

from typing import Any

from timm.layers import PatchEmbed
from torch import Tensor, nn

CHANNELS = (3, 32, 64, 128)  # each convolution halves the picture; one more makes the tokens


class ConvolutionPatches(PatchEmbed):  # type: ignore[misc]
    """image (B,3,H,W) -> tokens (B,H/16*W/16,C)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        layers: list[nn.Module] = []
        for before, after in zip(CHANNELS[:-1], CHANNELS[1:], strict=True):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        self.stem = nn.Sequential(*layers)
        width: int = options["embed_dim"]
        self.proj = nn.Conv2d(CHANNELS[-1], width, 3, stride=2, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """image (B,3,H,W) -> tokens (B,H/16*W/16,C)."""
        tokens: Tensor = self.norm(self.proj(self.stem(image)).flatten(2).transpose(1, 2))
        return tokens
